//! Limits: heads, slow peers, bytes, connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use egress::{Destination, Egress, Limits, Pass, Reason};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::rig::{Inside, Server, TOKEN, World};
use crate::wire::{greet, say, until_end};
use crate::{accept, listener, open_gate, refusals};

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let world = World::new();
    let server = Server::hello(&world, "api.example").await;
    let limits = Limits {
        head: 16 * 1024,
        ..Limits::default()
    };
    let inside = Inside::limited(&world, &["api.example"], &[], limits).await;
    let start = "GET / HTTP/1.1\r\nHost: api.example\r\n";
    let large = "a".repeat(100_000);
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    for request in [
        format!("{start}x: {large}\r\n\r\n"),
        format!("{start}{many}\r\n"),
        format!("{start}x: {large}"),
    ] {
        let answer = say(&inside, &server.to(), "api.example", &request).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let line = format!("GET /{large} HTTP/1.1\r\nHost: api.example\r\n\r\n");
    let answer = say(&inside, &server.to(), "api.example", &line).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_program_that_does_not_get_to_the_point_is_hung_up_on() {
    let world = World::new();
    let server = Server::hello(&world, "api.example").await;
    let limits = Limits {
        patience: Duration::from_millis(200),
        ..Limits::default()
    };
    let inside = Inside::limited(&world, &["api.example"], &[], limits).await;
    // Half a ClientHello, half a request line, where a name has to be said.
    let strict = Arc::new(Pass {
        egress: Egress::Allowlist(vec!["127.0.0.1".parse().unwrap()]),
        ..Pass::clone(&inside.pass)
    });
    for beginning in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET / HT"] {
        let mut stream = inside.gate.dial(&strict, &server.to()).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        stream.write_all(b"P/1.1\r\n\r\n").await.unwrap_err();
    }
    assert_eq!(refusals(&inside.gate.stats(), Reason::Slow), 2);
    // Where none has to be, the server hears what there is.
    let (patient, to) = listener();
    let mut stream = inside.gate.dial(&inside.pass, &to).await.unwrap();
    let mut far = accept(&patient).await;
    stream.write_all(b"GET / HT").await.unwrap();
    let mut heard = [0; 8];
    tokio::select! {
        read = far.read_exact(&mut heard) => { read.unwrap(); }
        ended = stream.read_u8() => panic!("{ended:?}"),
    }
    assert_eq!(&heard, b"GET / HT");
    // A handshake that stops, and a head that does.
    let mut stream = inside.gate.dial(&inside.pass, &server.to()).await.unwrap();
    stream.write_all(&whole_hello()).await.unwrap();
    until_end(&mut stream).await;
    let mut stream = greet(
        &inside,
        &inside.pass,
        &server.to(),
        "api.example",
        &[b"http/1.1"],
    )
    .await
    .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: api.")
        .await
        .unwrap();
    until_end(&mut stream).await;
    assert!(server.seen().is_empty());
    drop(stream);
    inside.gate.close().await;
}

/// The first message of a handshake that never goes on.
fn whole_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = "api.example".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn a_connection_carries_so_many_bytes() {
    let gate = open_gate(Limits {
        bytes: 1000,
        ..Limits::default()
    });
    let (server, to) = listener();
    let mut client = gate.dial(&crate::pass("sb"), &to).await.unwrap();
    let mut far = accept(&server).await;
    client.write_all(&[1; 600]).await.unwrap();
    far.write_all(&[2; 600]).await.unwrap();
    let mut got = [0; 400];
    client.read_exact(&mut got).await.unwrap();
    let error = client.read_u8().await.unwrap_err();
    assert!(error.to_string().contains("bytes"), "{error}");
    client.write_all(&[1]).await.unwrap_err();
    assert_eq!(refusals(&gate.stats(), Reason::Bytes), 1);
}

#[tokio::test]
async fn ten_thousand_connections_of_one_sandbox_leave_room_for_another() {
    let world = World::new();
    let server = Server::hello(&world, "api.example").await;
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let mut dials = JoinSet::new();
    for _ in 0..10_000 {
        let (gate, pass, to) = (inside.gate.clone(), Arc::clone(&inside.pass), server.to());
        dials.spawn(async move { gate.dial(&pass, &to).await });
    }
    let made = dials.join_all().await;
    let (open, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((open.len(), refused.len()), (256, 9_744));
    assert_eq!(refusals(&inside.gate.stats(), Reason::TooMany), 9_744);
    let other = Arc::new(Pass {
        sandbox: "other".into(),
        ..Pass::clone(&inside.pass)
    });
    let mut stream = greet(&inside, &other, &server.to(), "api.example", &[b"http/1.1"])
        .await
        .unwrap();
    let request =
        format!("GET / HTTP/1.1\r\nHost: api.example\r\nx: {TOKEN}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(until_end(&mut stream).await.ends_with("hello"));
    drop((open, stream));
    assert_eq!(inside.gate.stats().open, 0);
}

#[tokio::test]
async fn in_version_two_a_head_that_is_too_large_is_refused_as_well() {
    let world = World::new();
    let server = Server::hello(&world, "api.example").await;
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let stream = greet(&inside, &inside.pass, &server.to(), "api.example", &[b"h2"])
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let mut request = hyper::Request::get("https://api.example/");
    for number in 0..20 {
        request = request.header(format!("x-{number}"), "a".repeat(8000));
    }
    let request = request.body(Full::<Bytes>::default()).unwrap();
    match sender.send_request(request).await {
        Ok(answer) => assert_eq!(answer.status(), 431),
        Err(error) => assert!(!error.is_timeout(), "{error}"),
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_server_that_hangs_up_between_requests_is_seen_to_have_hung_up() {
    let world = World::new();
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Destination::Address(listener.local_addr().unwrap());
    let tls = world.server("api.example", &[b"http/1.1"]);
    let request = "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n";
    let server = async {
        // One answer, then the end in the middle of the next request.
        let mut stream = tls
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap();
        for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ""] {
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                heard.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        drop(stream);
        // And one that never answers at all.
        drop(
            tls.accept(listener.accept().await.unwrap().0)
                .await
                .unwrap(),
        );
    };
    let client = async {
        let mut stream = greet(&inside, &inside.pass, &to, "api.example", &[b"http/1.1"])
            .await
            .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut first = Vec::new();
        while !first.ends_with(b"hello") {
            first.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(until_end(&mut stream).await, "", "nothing is made up");
        let never = say(&inside, &to, "api.example", request).await;
        assert!(
            never.is_empty() || never.starts_with("HTTP/1.1 502 "),
            "{never}"
        );
    };
    tokio::join!(server, client);
}
