//! What gRPC needs of the gate: HTTP/2 from end to end, many calls on one
//! connection, both sides streaming, trailers.

use std::convert::Infallible;

use bytes::Bytes;
use egress::Destination;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{HeaderMap, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::rig::{Inside, SECRET, TOKEN, World};
use crate::wire::greet;

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

fn frames(frames: impl futures::Stream<Item = Frame<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(frames.map(Ok).boxed())
}

fn trailers(status: &'static str) -> Frame<Bytes> {
    let mut all = HeaderMap::new();
    all.insert("grpc-status", status.parse().unwrap());
    Frame::trailers(all)
}

/// Answers each message with its length, as it comes; then the key it was given.
async fn echo(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    assert_eq!(request.version(), Version::HTTP_2);
    assert_eq!(request.headers()["te"], "trailers");
    let key = request.headers()["x-key"].to_str().unwrap().to_owned();
    let body = request.into_body().into_data_stream();
    let lengths = body.map(|piece| {
        let length = u32::try_from(piece.unwrap().len()).unwrap();
        Frame::data(Bytes::copy_from_slice(&length.to_be_bytes()))
    });
    let end = stream::iter([Frame::data(Bytes::from(key)), trailers("0")]);
    Ok(Response::new(frames(lengths.chain(end))))
}

#[tokio::test]
async fn many_calls_stream_both_ways_on_one_connection_and_end_with_trailers() {
    let world = World::new();
    let inside = Inside::new(&world, &["api.example"], &[]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Destination::Address(listener.local_addr().unwrap());
    let tls = world.server("api.example", &[b"h2"]);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let stream = tls
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap();
        let service = hyper::service::service_fn(echo);
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    });
    let stream = greet(&inside, &inside.pass, &to, "api.example", &[b"h2"])
        .await
        .unwrap();
    let executor = TokioExecutor::new();
    let made = hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await;
    let (sender, connection) = made.unwrap();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    let mut calls = JoinSet::new();
    for call in 1..=40_usize {
        let mut sender = sender.clone();
        calls.spawn(async move {
            let piece = Bytes::from(vec![7; call * 1000]);
            let sent = call * 1000 * 50;
            let pieces = stream::repeat_with(move || Frame::data(piece.clone())).take(50);
            let request = Request::post("https://api.example/svc/call")
                .header("te", "trailers")
                .header("x-key", TOKEN)
                .body(frames(pieces))
                .unwrap();
            let answer = sender.send_request(request).await.unwrap();
            let collected = answer.into_body().collect().await.unwrap();
            assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
            let bytes = collected.to_bytes();
            let (lengths, key) = bytes.split_at(bytes.len() - SECRET.len());
            assert_eq!(key, SECRET.as_bytes());
            let length = |four: &[u8]| u32::from_be_bytes(four.try_into().unwrap()) as usize;
            assert_eq!(lengths.chunks(4).map(length).sum::<usize>(), sent);
        });
    }
    calls.join_all().await;
    assert_eq!(inside.told(), ["Granted api.example KEY"]);
}
