//! Requests in shapes that two readers could read differently, and tokens in
//! places where they are worth nothing.

use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use egress::Pass;
use futures::FutureExt;
use tokio::io::AsyncWriteExt;

use crate::rig::{Inside, SECRET, Seen, Server, TOKEN, World, said};
use crate::wire::{greet, say, until_end};

async fn rig() -> (World, Server, Inside) {
    let world = World::new();
    let tls = world.server("api.example", &[b"http/1.1"]);
    let hello = Arc::new(|_| async { said("hello") }.boxed());
    let server = Server::start(Some(tls), hello).await;
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    (world, server, inside)
}

fn paths(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|one| one.uri.path()).collect()
}

const HEAD: &str = "POST /first HTTP/1.1\r\nHost: api.example\r\n";
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: evil.example\r\n\r\n";

#[tokio::test]
async fn what_one_could_read_as_two_requests_is_refused_or_read_in_one_way() {
    // What the server may see: nothing, or the first request with that body.
    let table: [(String, Option<&str>); 10] = [
        (
            format!(
                "{HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
            ),
            Some(""),
        ),
        (
            format!(
                "{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{HIDDEN}"
            ),
            Some(""),
        ),
        (
            format!("{HEAD}Content-Length: 4\r\nContent-Length: 50\r\n\r\nabcd{HIDDEN}"),
            None,
        ),
        (
            format!("{HEAD}Content-Length: 4, 4\r\n\r\nabcd{HIDDEN}"),
            None,
        ),
        (
            format!("{HEAD}Content-Length: +4\r\n\r\nabcd{HIDDEN}"),
            None,
        ),
        (
            format!("{HEAD}Content-Length: 0x4\r\n\r\nabcd{HIDDEN}"),
            None,
        ),
        (
            format!("{HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{HIDDEN}"),
            None,
        ),
        (
            format!("{HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
            None,
        ),
        (
            format!("{HEAD}x: a\r\n folded: {TOKEN}\r\n\r\n{HIDDEN}"),
            None,
        ),
        (
            format!("{HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
            None,
        ),
    ];
    for (request, expected) in table {
        let (_world, server, inside) = rig().await;
        let request = request.replacen("\r\n", &format!("\r\nx-key: {TOKEN}\r\n"), 1);
        let answer = say(&inside, &server.to(), "api.example", &request).await;
        let seen = server.seen();
        match expected {
            None => {
                assert!(answer.starts_with("HTTP/1.1 400 "), "{request} {answer}");
                assert!(seen.is_empty(), "{request} {seen:?}");
            }
            Some(body) => {
                assert_eq!(paths(&seen), ["/first"], "{request} {answer}");
                assert_eq!(seen[0].body, body, "{request}");
            }
        }
    }
}

#[tokio::test]
async fn requests_behind_one_another_are_each_judged() {
    let (_world, server, inside) = rig().await;
    let request = format!(
        "GET /one HTTP/1.1\r\nHost: api.example\r\nx-key: {TOKEN}\r\n\r\n\
         GET /two HTTP/1.1\r\nHost: evil.example\r\nx-key: {TOKEN}\r\n\r\n\
         GET /three HTTP/1.1\r\nHost: api.example\r\nx-key: {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    let answers = say(&inside, &server.to(), "api.example", &request).await;
    let statuses: Vec<_> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answers[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "421", "200"], "{answers}");
    let seen = server.seen();
    assert_eq!(paths(&seen), ["/one", "/three"]);
    assert!(seen.iter().all(|one| one.header("x-key") == Some(SECRET)));
}

#[tokio::test]
async fn outside_of_header_values_a_token_stays_a_token() {
    let (_world, server, inside) = rig().await;
    let chunked = format!(
        "POST /{TOKEN}?q={TOKEN} HTTP/1.1\r\nHost: api.example\r\n{TOKEN}: 1\r\nTrailer: x-late\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2b\r\n{TOKEN}\r\n0\r\nx-late: {TOKEN}\r\n\r\n"
    );
    let answer = say(&inside, &server.to(), "api.example", &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let seen = server.seen().pop().unwrap();
    assert_eq!(seen.uri.to_string(), format!("/{TOKEN}?q={TOKEN}"));
    assert_eq!(seen.body, TOKEN);
    assert_eq!(seen.header(TOKEN), Some("1"));
    let late = seen.trailers.and_then(|all| all.get("x-late").cloned());
    assert!(late.is_none_or(|late| late == TOKEN));
    assert!(inside.told().is_empty());
}

#[tokio::test]
async fn a_compressed_body_with_a_token_is_not_opened() {
    let (_world, server, inside) = rig().await;
    let mut gzip = std::process::Command::new("gzip")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    gzip.stdin
        .take()
        .unwrap()
        .write_all(TOKEN.as_bytes())
        .unwrap();
    let body = gzip.wait_with_output().unwrap().stdout;
    let head = format!(
        "{HEAD}Content-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    say(
        &inside,
        &server.to(),
        "api.example",
        [head.as_bytes(), &body].concat(),
    )
    .await;
    assert!(server.seen().pop().unwrap().body == body);
}

#[tokio::test]
async fn a_token_in_pieces_is_whole_again_before_it_is_judged() {
    let (_world, server, inside) = rig().await;
    let mut stream = greet(
        &inside,
        &inside.pass,
        &server.to(),
        "api.example",
        &[b"http/1.1"],
    )
    .await
    .unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: api.example\r\nx-key: {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    for byte in request.bytes() {
        stream.write_all(&[byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    until_end(&mut stream).await;
    assert_eq!(server.seen().pop().unwrap().header("x-key"), Some(SECRET));
}

#[tokio::test]
async fn headers_of_one_connection_do_not_go_on() {
    let (_world, server, inside) = rig().await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: close, x-own\r\nx-own: 1\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nProxy-Authorization: Bearer a\r\nx-key: {TOKEN}\r\n\r\n"
    );
    say(&inside, &server.to(), "api.example", &request).await;
    let seen = server.seen().pop().unwrap();
    for gone in [
        "x-own",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "connection",
    ] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert_eq!(seen.header("x-key"), Some(SECRET));
}

#[tokio::test]
async fn a_secret_that_changes_is_another_with_the_next_request() {
    let (_world, server, inside) = rig().await;
    let values = Arc::new(Mutex::new(vec![None, Some("second"), Some("first")]));
    let next = Arc::clone(&values);
    let pass = Arc::new(Pass {
        reveal: Arc::new(move |_| {
            let value = next.lock().unwrap().pop().unwrap();
            async move { value.map(|value| value.to_owned().into()) }.boxed()
        }),
        ..Pass::clone(&inside.pass)
    });
    let mut stream = greet(&inside, &pass, &server.to(), "api.example", &[b"http/1.1"])
        .await
        .unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: api.example\r\nx-key: {TOKEN}\r\n");
    for end in ["\r\n", "\r\n", "Connection: close\r\n\r\n"] {
        let request = format!("{request}{end}");
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    let answers = until_end(&mut stream).await;
    let deleted = "The secret KEY has been deleted";
    assert!(
        answers.contains("403") && answers.contains(deleted),
        "{answers}"
    );
    let seen = server.seen();
    let keys: Vec<_> = seen.iter().map(|one| one.header("x-key")).collect();
    assert_eq!(keys, [Some("first"), Some("second")]);
}
