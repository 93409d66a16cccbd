//! `curl` through the gate.

use std::sync::Arc;

use egress::Reason;
use futures::FutureExt;

use crate::rig::{Inside, SECRET, Server, TOKEN, World, said};
use crate::run::{ran, run};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_sealed_token_becomes_the_secret_in_both_versions_of_http() {
    let (world, folder) = (World::new(), folder());
    let server = Server::hello(&world, "api.example").await;
    let inside = Inside::new(&world, &["api.example"], &[("api.example", &server)]).await;
    let bearer = format!("authorization: Bearer {TOKEN}");
    for version in ["--http1.1", "--http2"] {
        let argv = [
            "curl",
            "-sS",
            version,
            "-H",
            &bearer,
            "-w",
            "%{http_version}",
            "https://api.example/a?b=c",
        ];
        let out = ran(&inside, folder.path(), &argv).await;
        let expected = if version == "--http2" {
            "hello2"
        } else {
            "hello1.1"
        };
        assert_eq!(out, expected);
    }
    for seen in server.seen() {
        assert_eq!(
            seen.header("authorization"),
            Some(&*format!("Bearer {SECRET}"))
        );
        assert_eq!(seen.uri.path_and_query().unwrap(), "/a?b=c");
    }
    assert_eq!(inside.told(), ["Granted api.example KEY"; 2]);
}

#[tokio::test]
async fn basic_credentials_are_opened_and_closed_again() {
    let (world, folder) = (World::new(), folder());
    let server = Server::hello(&world, "api.example").await;
    let inside = Inside::new(&world, &["*.example"], &[("api.example", &server)]).await;
    let user = format!("user:{TOKEN}");
    ran(
        &inside,
        folder.path(),
        &["curl", "-sS", "-u", &user, "https://api.example/"],
    )
    .await;
    let argv = [
        "curl",
        "-sS",
        "-u",
        &format!("user:{SECRET}"),
        "https://api.example/",
    ];
    ran(&inside, folder.path(), &argv).await;
    let seen = server.seen();
    assert_eq!(
        seen[0].header("authorization"),
        seen[1].header("authorization")
    );
}

#[tokio::test]
async fn a_body_is_sent_as_it_is() {
    let (world, folder) = (World::new(), folder());
    let server = Server::hello(&world, "api.example").await;
    let inside = Inside::new(&world, &["api.example"], &[("api.example", &server)]).await;
    let body: Vec<u8> = format!("{TOKEN}\0").into_bytes().repeat(50_000);
    std::fs::write(folder.path().join("body"), &body).unwrap();
    for version in ["--http1.1", "--http2"] {
        let argv = [
            "curl",
            "-sS",
            version,
            "--data-binary",
            "@body",
            "https://api.example/",
        ];
        ran(&inside, folder.path(), &argv).await;
        let chunked = [
            "curl",
            "-sS",
            version,
            "-T",
            "body",
            "-H",
            "Transfer-Encoding: chunked",
            "https://api.example/up",
        ];
        ran(&inside, folder.path(), &chunked).await;
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    for seen in seen {
        assert!(seen.body == body, "{} bytes", seen.body.len());
    }
    assert!(inside.told().is_empty());
}

#[tokio::test]
async fn an_answer_comes_back_as_it_is() {
    let (world, folder) = (World::new(), folder());
    let tls = world.server("api.example", &[b"http/1.1"]);
    let big = vec![b'x'; 3 << 20];
    let sent = big.clone();
    let server = Server::start(
        Some(tls),
        Arc::new(move |_| {
            let mut answer = said(sent.clone());
            *answer.status_mut() = hyper::StatusCode::IM_A_TEAPOT;
            answer
                .headers_mut()
                .insert("x-own", SECRET.parse().unwrap());
            async { answer }.boxed()
        }),
    )
    .await;
    let inside = Inside::new(&world, &[], &[("api.example", &server)]).await;
    let argv = [
        "curl",
        "-sS",
        "-D",
        "head",
        "-o",
        "out",
        "https://api.example/",
    ];
    ran(&inside, folder.path(), &argv).await;
    let head = std::fs::read_to_string(folder.path().join("head")).unwrap();
    assert!(
        head.contains("418") && head.contains(&format!("x-own: {SECRET}")),
        "{head}"
    );
    assert!(std::fs::read(folder.path().join("out")).unwrap() == big);
}

#[tokio::test]
async fn another_host_gets_no_secret_and_a_clear_403() {
    let (world, folder) = (World::new(), folder());
    let (api, other) = (
        Server::hello(&world, "api.example").await,
        Server::hello(&world, "other.example").await,
    );
    // The second grant makes the gate look at `other`, as one for it would.
    let mut inside = Inside::new(
        &world,
        &["api.example", "x.example"],
        &[("api.example", &api), ("other.example", &other)],
    )
    .await;
    let passed = ran(
        &inside,
        folder.path(),
        &[
            "curl",
            "-sSk",
            "-H",
            &format!("x: {TOKEN}"),
            "https://other.example/",
        ],
    )
    .await;
    assert_eq!(passed, "hello", "untouched: the token is worthless there");
    assert_eq!(other.seen()[0].header("x"), Some(TOKEN));
    inside = Inside::new(&world, &["api.example"], &[("api.example", &api)]).await;
    let wrong = TOKEN.replace("0123", "3210");
    let argv = [
        "curl",
        "-sS",
        "-w",
        "%{http_code}",
        "-H",
        &format!("x: {wrong}"),
        "https://api.example/",
    ];
    let out = ran(&inside, folder.path(), &argv).await;
    assert!(
        out.ends_with("403") && out.contains("does not belong to"),
        "{out}"
    );
    assert_eq!(inside.told(), ["Denied api.example token"]);
    assert!(api.seen().is_empty());
    assert_eq!(crate::refusals(&inside.gate.stats(), Reason::Token), 1);
}

#[tokio::test]
async fn what_no_grant_names_keeps_its_own_certificate() {
    let (world, folder) = (World::new(), folder());
    let server = Server::hello(&world, "other.example").await;
    let inside = Inside::new(&world, &["api.example"], &[("other.example", &server)]).await;
    let refused = crate::run::run(
        &inside,
        folder.path(),
        &["curl", "-sS", "https://other.example/"],
    )
    .await;
    assert!(
        !refused.ok && refused.err.contains("certificate"),
        "{refused:?}"
    );
    assert!(inside.told().is_empty());
}

#[tokio::test]
async fn a_redirect_takes_neither_the_secret_nor_the_program_elsewhere() {
    let (world, folder) = (World::new(), folder());
    let tls = world.server("api.example", &[b"http/1.1"]);
    let api = Server::start(
        Some(tls),
        Arc::new(|seen| {
            let mut answer = said("");
            *answer.status_mut() = hyper::StatusCode::FOUND;
            let to = seen.header("x-to").unwrap().parse().unwrap();
            answer.headers_mut().insert("location", to);
            async { answer }.boxed()
        }),
    )
    .await;
    let other = Server::hello(&world, "other.example").await;
    let servers = [("api.example", &api), ("other.example", &other)];
    let inside = Inside::new(&world, &["api.example"], &servers).await;
    let follow = async |to: &str| {
        let (key, to) = (format!("x: {TOKEN}"), format!("x-to: {to}"));
        let argv = [
            "curl",
            "-sSkL",
            "-p",
            "-H",
            &key,
            "-H",
            &to,
            "https://api.example/",
        ];
        run(&inside, folder.path(), &argv).await
    };
    assert_eq!(follow("https://other.example/").await.out, "hello");
    assert_eq!(api.seen()[0].header("x"), Some(SECRET));
    assert_eq!(other.seen()[0].header("x"), Some(TOKEN));
    // The rig lets loopback through; metadata is closed even there.
    for to in [
        "https://169.254.169.254/",
        "http://169.254.169.254/latest/meta-data/",
        "https://[::ffff:a9fe:a9fe]/",
    ] {
        let refused = follow(to).await;
        assert!(!refused.ok && refused.err.contains("502"), "{refused:?}");
    }
    assert_eq!(crate::refusals(&inside.gate.stats(), Reason::Metadata), 3);
}
