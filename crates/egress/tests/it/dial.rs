//! Connections that come about, or fail for reasons of the network.

use std::time::Duration;

use egress::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[tokio::test]
async fn bytes_pass_both_ways_and_each_half_closes_alone() {
    let gate = open_gate(Limits::default());
    let (listener, to) = listener();
    let mut client = gate.dial(&pass("sb"), &to).await.unwrap();
    let mut server = accept(&listener).await;

    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"question");

    server.write_all(b"the answer").await.unwrap();
    drop(server);
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"the answer");

    let stats = gate.stats();
    assert_eq!((stats.bytes_out, stats.bytes_in), (8, 10));
    assert_eq!((stats.allowed, stats.open), (1, 1));
    drop(client);
    assert_eq!(gate.stats().open, 0);
}

#[tokio::test]
async fn a_name_is_resolved_and_reached() {
    let gate = open_gate(Limits::default());
    let (listener, to) = listener();
    let Destination::Address(at) = to else {
        unreachable!()
    };
    let name = Destination::Name("localhost".into(), at.port());
    let _client = gate.dial(&pass("sb"), &name).await.unwrap();
    let server = accept(&listener).await;
    assert!(server.peer_addr().unwrap().ip().is_loopback());
    let found = gate.resolve(&pass("sb"), "localhost").await.unwrap();
    assert!(found.contains(&at.ip()), "{found:?}");
    gate.close().await;
}

#[tokio::test]
async fn a_mapped_address_reaches_the_address_it_maps() {
    let gate = open_gate(Limits::default());
    let (listener, to) = listener();
    let Destination::Address(at) = to else {
        unreachable!()
    };
    let mapped = address(&format!("[::ffff:127.0.0.1]:{}", at.port()));
    let _client = gate.dial(&pass("sb"), &mapped).await.unwrap();
    accept(&listener).await;
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_counted() {
    let gate = open_gate(Limits::default());
    let (listener, to) = listener();
    drop(listener);
    let error = gate.dial(&pass("sb"), &to).await.unwrap_err();
    let Error::Unreachable(cause) = error else {
        panic!("{error}")
    };
    assert_eq!(cause.kind(), std::io::ErrorKind::ConnectionRefused);
    let stats = gate.stats();
    assert_eq!((stats.unreachable, stats.open, stats.allowed), (1, 0, 0));
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout() {
    let gate = open_gate(Limits {
        connect: Duration::from_millis(50),
        ..Limits::default()
    });
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let to = Destination::Address(full.local_addr().unwrap());
    let mut held = Vec::new();
    let error = loop {
        match gate.dial(&pass("sb"), &to).await {
            Ok(connection) => held.push(connection),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Timeout("connecting")), "{error}");
    assert_eq!(gate.stats().timed_out, 1);
    assert_eq!(gate.stats().open, held.len() as u64);
}

#[tokio::test]
async fn a_name_nobody_has_is_unreachable() {
    let gate = open_gate(Limits::default());
    let nobody = Destination::Name("nobody.invalid".into(), 80);
    let error = gate.dial(&pass("sb"), &nobody).await.unwrap_err();
    // Without a name server at hand the resolver says that it cannot tell.
    let told = matches!(
        error,
        Error::NoName | Error::Unreachable(_) | Error::Timeout("resolving")
    );
    assert!(told, "{error}");
}

#[tokio::test]
async fn two_hundred_connections_at_once_all_carry_their_own_bytes() {
    let gate = open_gate(Limits::default());
    let (listener, to) = listener();
    let server = tokio::spawn(async move {
        for _ in 0..200 {
            let mut stream = accept(&listener).await;
            tokio::spawn(async move {
                let (mut from, mut into) = stream.split();
                tokio::io::copy(&mut from, &mut into).await.unwrap();
            });
        }
    });
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..200_u32 {
        let (gate, to) = (gate.clone(), to.clone());
        clients.spawn(async move {
            let mut stream = gate.dial(&pass("sb"), &to).await.unwrap();
            let sent = number.to_be_bytes().repeat(1000);
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, sent);
        });
    }
    clients.join_all().await;
    server.await.unwrap();
    let stats = gate.stats();
    assert_eq!((stats.allowed, stats.open), (200, 0));
    assert_eq!((stats.bytes_in, stats.bytes_out), (800_000, 800_000));
}
