//! Who a request is for: the name of the connection, of the request and of
//! the certificate have to be one.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;

use crate::rig::{Inside, Server, TOKEN, World, said};
use crate::wire::{greet, say};

async fn rig() -> (World, Server, Inside) {
    let world = World::new();
    let server = Server::hello(&world, "api.example").await;
    let inside = Inside::new(&world, &["api.example", "second.example"], &[]).await;
    (world, server, inside)
}

#[tokio::test]
async fn a_request_for_another_host_than_its_connection_is_misdirected() {
    let (_world, server, inside) = rig().await;
    let table = [
        format!("GET / HTTP/1.1\r\nHost: evil.example\r\nx: {TOKEN}\r\n\r\n"),
        // Granted too, but the certificate was not checked for it.
        format!("GET / HTTP/1.1\r\nHost: second.example\r\nx: {TOKEN}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: api.example\r\nHost: evil.example\r\nx: {TOKEN}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: api.example\r\nHost: api.example\r\nx: {TOKEN}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: api.example@evil.example\r\nx: {TOKEN}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: api.example, evil.example\r\nx: {TOKEN}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nx: {TOKEN}\r\n\r\n"),
        format!("GET / HTTP/1.0\r\nx: {TOKEN}\r\n\r\n"),
        format!("GET https://evil.example/ HTTP/1.1\r\nHost: api.example\r\nx: {TOKEN}\r\n\r\n"),
        format!("GET https://api.example/ HTTP/1.1\r\nHost: evil.example\r\nx: {TOKEN}\r\n\r\n"),
        format!("CONNECT evil.example:443 HTTP/1.1\r\nHost: api.example\r\nx: {TOKEN}\r\n\r\n"),
    ];
    for request in table {
        let closing = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let answer = say(&inside, &server.to(), "api.example", &closing).await;
        assert!(
            answer.starts_with("HTTP/1.1 421 ") || answer.starts_with("HTTP/1.0 421 "),
            "{request} {answer}"
        );
        assert!(answer.contains("host_mismatch"), "{answer}");
    }
    assert!(server.seen().is_empty());
    assert!(
        inside.told().iter().all(|one| one.ends_with("mismatch")),
        "{:?}",
        inside.told()
    );
}

#[tokio::test]
async fn the_same_host_in_other_words_is_the_same() {
    let (_world, server, inside) = rig().await;
    for host in [
        "api.example",
        "API.Example",
        "api.example:443",
        "api.example.",
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = say(&inside, &server.to(), "api.example", &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host} {answer}");
    }
    let absolute =
        "GET https://api.example/a?b HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n";
    say(&inside, &server.to(), "api.example", absolute).await;
    let last = server.seen().pop().unwrap();
    assert_eq!(last.uri.to_string(), "/a?b");
}

#[tokio::test]
async fn trace_and_connect_are_not_passed_on() {
    let (_world, server, inside) = rig().await;
    let trace =
        format!("TRACE / HTTP/1.1\r\nHost: api.example\r\nx: {TOKEN}\r\nConnection: close\r\n\r\n");
    let answer = say(&inside, &server.to(), "api.example", &trace).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let connect =
        "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n";
    let answer = say(&inside, &server.to(), "api.example", connect).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn in_version_two_the_authority_is_the_host() {
    let (_world, server, inside) = rig().await;
    let stream = greet(&inside, &inside.pass, &server.to(), "api.example", &[b"h2"])
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let rows = [
        ("https://api.example/", None, StatusCode::OK),
        ("https://api.example:443/", None, StatusCode::OK),
        (
            "https://evil.example/",
            None,
            StatusCode::MISDIRECTED_REQUEST,
        ),
        (
            "https://second.example/",
            None,
            StatusCode::MISDIRECTED_REQUEST,
        ),
        (
            "https://api.example/",
            Some("evil.example"),
            StatusCode::MISDIRECTED_REQUEST,
        ),
        (
            &format!("https://{TOKEN}.example/"),
            None,
            StatusCode::MISDIRECTED_REQUEST,
        ),
    ];
    for (uri, host, expected) in rows {
        let mut request = Request::get(uri).header("x", TOKEN);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), expected, "{uri} {host:?}");
        answer.into_body().collect().await.unwrap();
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_nothing() {
    let (world, stranger) = (World::new(), World::new());
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let wrong_name = Server::hello(&world, "other.example").await;
    let wrong_issuer = Server::hello(&stranger, "api.example").await;
    let expired = Server::start(
        Some(world.expired("api.example")),
        Arc::new(|_| async { said("") }.boxed()),
    )
    .await;
    for server in [&wrong_name, &wrong_issuer, &expired] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: api.example\r\nx: {TOKEN}\r\nConnection: close\r\n\r\n"
        );
        let answer = say(&inside, &server.to(), "api.example", &request).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(answer.contains("certificate does not verify"), "{answer}");
        assert!(server.seen().is_empty());
    }
    let told = inside.told();
    assert_eq!(
        told.iter()
            .filter(|one| *one == "Denied api.example certificate")
            .count(),
        3,
        "{told:?}"
    );
}

#[tokio::test]
async fn a_name_of_one_server_does_not_lead_its_token_to_another() {
    // The program connects to its own server and says the granted name there.
    let world = World::new();
    let own = Server::hello(&world, "own.example").await;
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let request =
        format!("GET / HTTP/1.1\r\nHost: api.example\r\nx: {TOKEN}\r\nConnection: close\r\n\r\n");
    let answer = say(&inside, &own.to(), "api.example", &request).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(own.seen().is_empty());
}
