//! Answers that come little by little, and connections that stop being HTTP.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use egress::Destination;

use crate::rig::{Inside, SECRET, TOKEN, World};
use crate::wire::greet;

/// Reads a head up to its empty line.
async fn head(stream: &mut (impl AsyncBufReadExt + Unpin)) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).await.unwrap();
    }
    head
}

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: api.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

#[tokio::test]
async fn a_websocket_passes_with_its_secret_and_then_byte_by_byte() {
    let world = World::new();
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Destination::Address(listener.local_addr().unwrap());
    let tls = world.server("api.example", &[b"http/1.1"]);
    let server = async {
        let stream = tls
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap();
        let mut stream = BufReader::new(stream);
        let asked = head(&mut stream).await;
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst";
        stream.write_all(answer).await.unwrap();
        stream.flush().await.unwrap();
        let mut frame = vec![0; TOKEN.len()];
        stream.read_exact(&mut frame).await.unwrap();
        stream.write_all(&frame).await.unwrap();
        stream.shutdown().await.unwrap();
        (asked, frame)
    };
    let client = async {
        let mut stream = greet(&inside, &inside.pass, &to, "api.example", &[b"http/1.1"])
            .await
            .unwrap();
        let ask = format!("{ASK}Authorization: Bearer {TOKEN}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let answer = head(&mut stream).await;
        let mut first = [0; 5];
        stream.read_exact(&mut first).await.unwrap();
        stream.write_all(TOKEN.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        (answer, first, rest)
    };
    let ((asked, frame), (answer, first, rest)) = tokio::join!(server, client);
    let asked = asked.to_ascii_lowercase();
    assert!(
        asked.contains(&format!("authorization: bearer {SECRET}")),
        "{asked}"
    );
    assert!(asked.contains("upgrade: websocket"), "{asked}");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert_eq!(&first, b"first");
    // Frames are a body: nothing in them is swapped.
    assert_eq!((frame.as_slice(), rest.as_str()), (TOKEN.as_bytes(), TOKEN));
}

#[tokio::test]
async fn an_upgrade_that_is_declined_is_an_answer_like_any_other() {
    let world = World::new();
    let server = crate::rig::Server::hello(&world, "api.example").await;
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let pass = Arc::clone(&inside.pass);
    let mut stream = greet(&inside, &pass, &server.to(), "api.example", &[b"http/1.1"])
        .await
        .unwrap();
    stream
        .write_all(format!("{ASK}\r\n").as_bytes())
        .await
        .unwrap();
    let mut stream = BufReader::new(stream);
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut body = [0; 5];
    stream.read_exact(&mut body).await.unwrap();
    stream
        .write_all(b"GET /next HTTP/1.1\r\nHost: api.example\r\n\r\n")
        .await
        .unwrap();
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.seen()[1].uri.path(), "/next");
}

/// What a server sends and hears when its answer never ends by itself.
async fn stream_of(
    world: &World,
    listener: TcpListener,
    heard: tokio::sync::oneshot::Receiver<()>,
) {
    let tls = world.server("api.example", &[b"http/1.1"]);
    let stream = tls
        .accept(listener.accept().await.unwrap().0)
        .await
        .unwrap();
    let mut stream = BufReader::new(stream);
    head(&mut stream).await;
    let start =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(start).await.unwrap();
    stream.write_all(b"9\r\ndata: 1\n\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    heard.await.unwrap();
    stream.write_all(b"9\r\ndata: 2\n\n\r\n").await.unwrap();
    stream.flush().await.unwrap();
    // The program hangs up, and so does the gate.
    let ended = stream.read_u8().await.unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes_and_ended_when_nobody_listens() {
    let world = World::new();
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Destination::Address(listener.local_addr().unwrap());
    let (tell, heard) = tokio::sync::oneshot::channel();
    let client = async {
        let stream = greet(&inside, &inside.pass, &to, "api.example", &[b"http/1.1"])
            .await
            .unwrap();
        let mut stream = BufReader::new(stream);
        let request = b"GET / HTTP/1.1\r\nHost: api.example\r\n\r\n";
        stream.write_all(request).await.unwrap();
        stream.flush().await.unwrap();
        let mut so_far = head(&mut stream).await;
        while !so_far.contains("data: 1") {
            stream.read_line(&mut so_far).await.unwrap();
        }
        tell.send(()).unwrap();
        while !so_far.contains("data: 2") {
            stream.read_line(&mut so_far).await.unwrap();
        }
    };
    tokio::join!(stream_of(&world, listener, heard), client);
    assert_eq!(inside.gate.stats().open, 0);
}
