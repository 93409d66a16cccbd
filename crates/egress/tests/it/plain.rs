//! HTTP without TLS, and other protocols, through a gate that looks.

use std::sync::Arc;

use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Inside, Server, TOKEN, World, said};
use crate::wire::until_end;
use crate::{accept, listener};

async fn web() -> Server {
    Server::start(None, Arc::new(|_| async { said("hello") }.boxed())).await
}

async fn ask(inside: &Inside, server: &Server, request: &str) -> String {
    let mut stream = inside.gate.dial(&inside.pass, &server.to()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    until_end(&mut stream).await
}

#[tokio::test]
async fn a_sealed_token_is_refused_where_anybody_could_read_the_secret() {
    let (world, server) = (World::new(), web().await);
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let with =
        format!("GET / HTTP/1.1\r\nHost: api.example\r\nx: {TOKEN}\r\nConnection: close\r\n\r\n");
    let answer = ask(&inside, &server, &with).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("Use https://api.example."), "{answer}");
    let elsewhere = with.replace("api.example", "evil.example");
    let answer = ask(&inside, &server, &elsewhere).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(
        answer.contains("may go to api.example and not to evil.example"),
        "{answer}"
    );
    assert!(server.seen().is_empty());
    assert_eq!(
        inside.told(),
        [
            "Denied api.example KEY plain",
            "Denied evil.example KEY token"
        ]
    );
    let without = "GET /a HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n";
    let answer = ask(&inside, &server, without).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"),
        "{answer}"
    );
}

#[tokio::test]
async fn version_two_without_tls_is_judged_as_well() {
    let (world, server) = (World::new(), web().await);
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let at = format!("http://{}/", server.at);
    let pipe = inside.gate.dial(&inside.pass, &server.to()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(pipe),
    )
    .await
    .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    let request = hyper::Request::get(&at).header("x", TOKEN);
    let request = request
        .body(http_body_util::Full::<bytes::Bytes>::default())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), hyper::StatusCode::FORBIDDEN);
    drop(folder);
}

#[tokio::test]
async fn whoever_speaks_first_other_protocols_pass() {
    let world = World::new();
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    // The server speaks first, as with ssh and mail.
    let (server, to) = listener();
    let mut client = inside.gate.dial(&inside.pass, &to).await.unwrap();
    let mut far = accept(&server).await;
    far.write_all(b"220 hello\r\n").await.unwrap();
    let mut heard = [0; 11];
    client.read_exact(&mut heard).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut said = [0; 16];
    far.read_exact(&mut said).await.unwrap();
    assert_eq!((&heard, &said), (b"220 hello\r\n", b"GET / HTTP/1.1\r\n"));
    // The program speaks first, and little by little.
    let mut client = inside.gate.dial(&inside.pass, &to).await.unwrap();
    let mut far = accept(&server).await;
    for byte in b"NICK somebody\r\n" {
        client.write_all(&[*byte]).await.unwrap();
    }
    let mut said = [0; 15];
    far.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"NICK somebody\r\n");
    // What looked like a request, and ended before it was one.
    let mut client = inside.gate.dial(&inside.pass, &to).await.unwrap();
    let mut far = accept(&server).await;
    client.write_all(b"GET").await.unwrap();
    client.shutdown().await.unwrap();
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"GET");
}
