//! The ports against a host of the test's own, over a real frame connection.
//! What needs the redirect itself is tested with the sandboxes, in `hands`.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;
use crate::mux::{Channel, Incoming, Mux, Role, greet};
use crate::request::{CONNECTED, Open, Resolved, send};

struct Inside {
    proxy: SocketAddr,
    udp: SocketAddr,
    tcp: SocketAddr,
    host: watch::Sender<Option<Mux>>,
    tasks: JoinSet<()>,
}

impl Inside {
    async fn start() -> Inside {
        let ports = Ports::bind_at(0, 0).await.unwrap();
        let (host, current) = watch::channel(None);
        let mut tasks = JoinSet::new();
        let inside = Inside {
            proxy: ports.redirected[0].local_addr().unwrap(),
            udp: ports.dns[0].0.local_addr().unwrap(),
            tcp: ports.dns[0].1.local_addr().unwrap(),
            host,
            tasks: JoinSet::new(),
        };
        tasks.spawn(run(ports, Host::new(current)));
        Inside { tasks, ..inside }
    }

    /// Connects a host; the test plays its part with what is returned.
    async fn connect(&mut self) -> Incoming {
        let (a, b): (DuplexStream, DuplexStream) = tokio::io::duplex(1 << 16);
        let (there, here) = tokio::join!(greet(a, Role::Host, 1), greet(b, Role::Guest, 1));
        let (_, incoming, run_there, _) = there.unwrap();
        let (mux, _, run_here, _) = here.unwrap();
        self.tasks.spawn(run_there.run());
        self.tasks.spawn(run_here.run());
        self.host.send_replace(Some(mux));
        incoming
    }
}

async fn next(incoming: &mut Incoming) -> (Open, Channel) {
    let (payload, channel) = incoming.next().await.unwrap();
    (serde_json::from_slice(&payload).unwrap(), channel)
}

/// "example.com", recursion desired, type A.
fn question() -> Vec<u8> {
    let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(b"\x07example\x03com\0\0\x01\0\x01");
    bytes
}

async fn resolve_once(incoming: &mut Incoming, resolved: Resolved) {
    let (open, channel) = next(incoming).await;
    let name = "example.com".to_owned();
    assert_eq!(open, Open::Resolve { name });
    send(channel.tx, &resolved, &[]).await.unwrap();
}

async fn udp_answer(inside: &Inside) -> Vec<u8> {
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.send_to(&question(), inside.udp).await.unwrap();
    let mut answer = vec![0; 600];
    let length = client.recv(&mut answer).await.unwrap();
    answer.truncate(length);
    answer
}

#[tokio::test]
async fn a_name_is_asked_of_the_host_and_the_answer_comes_back() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let addresses = Resolved::Addresses(vec!["192.0.2.9".parse().unwrap()]);
    let asked = async { tokio::join!(udp_answer(&inside), resolve_once(&mut incoming, addresses)) };
    let (answer, ()) = asked.await;
    assert_eq!(answer[3] & 0x0f, 0);
    assert!(answer.ends_with(&[192, 0, 2, 9]), "{answer:?}");
}

#[tokio::test]
async fn a_host_that_gives_up_is_a_server_failure() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let refuse = async { next(&mut incoming).await.1.reset("no") };
    let (answer, ()) = tokio::join!(udp_answer(&inside), refuse);
    assert_eq!(answer[3] & 0x0f, 2);
}

#[tokio::test]
async fn questions_over_tcp_are_answered_one_after_the_other() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let mut client = TcpStream::connect(inside.tcp).await.unwrap();
    for _ in 0..2 {
        client.write_u16(question().len() as u16).await.unwrap();
        client.write_all(&question()).await.unwrap();
        resolve_once(&mut incoming, Resolved::NoName).await;
        let length = client.read_u16().await.unwrap();
        let mut answer = vec![0; length.into()];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[3] & 0x0f, 3);
    }
}

#[tokio::test]
async fn a_question_waits_for_the_host_to_come_back() {
    let mut inside = Inside::start().await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.send_to(&question(), inside.udp).await.unwrap();
    let mut incoming = inside.connect().await;
    resolve_once(&mut incoming, Resolved::NoName).await;
    let mut answer = [0; 600];
    client.recv(&mut answer).await.unwrap();
    assert_eq!(answer[3] & 0x0f, 3);
}

#[test]
fn programs_cannot_take_all_streams() {
    const { assert!(2 * (CONNECTIONS + QUESTIONS) <= crate::mux::MAX_STREAMS) }
}

#[tokio::test]
async fn one_connection_too_many_is_reset_and_a_place_is_given_back() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(tunnel(&inside, &mut incoming).await);
    }
    let mut client = TcpStream::connect(inside.proxy).await.unwrap();
    let error = client.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let (mut client, channel) = held.remove(0);
    channel.reset("over");
    client.read(&mut [0; 8]).await.unwrap_err();
    tunnel(&inside, &mut incoming).await;
}

async fn tunnel(inside: &Inside, incoming: &mut Incoming) -> (TcpStream, Channel) {
    let mut client = TcpStream::connect(inside.proxy).await.unwrap();
    let connect = b"CONNECT example.com:443 HTTP/1.1\r\n\r\n";
    client.write_all(connect).await.unwrap();
    let (open, channel) = next(incoming).await;
    let host = "example.com".to_owned();
    assert_eq!(open, Open::DialName { host, port: 443 });
    channel.tx.tell(CONNECTED).await.unwrap();
    let mut status = [0; 39];
    client.read_exact(&mut status).await.unwrap();
    assert!(status.starts_with(b"HTTP/1.1 200 "));
    (client, channel)
}

#[tokio::test]
async fn a_tunnel_carries_both_ways_and_each_half_closes_alone() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let (mut client, mut channel) = tunnel(&inside, &mut incoming).await;

    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(channel.rx.collect(100).await.unwrap(), b"question");

    channel
        .tx
        .data(Bytes::from_static(b"the answer"))
        .await
        .unwrap();
    channel.tx.finish().await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"the answer");
}

#[tokio::test]
async fn a_stream_given_up_is_a_reset_connection() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let (mut client, channel) = tunnel(&inside, &mut incoming).await;
    channel.reset("refused");
    let error = client.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_that_is_reset_gives_the_stream_up() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let (client, mut channel) = tunnel(&inside, &mut incoming).await;
    client.set_zero_linger().unwrap();
    drop(client);
    channel.rx.next().await.unwrap_err();
}

#[tokio::test]
async fn a_lost_host_resets_what_it_carried() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let (mut client, _channel) = tunnel(&inside, &mut incoming).await;
    inside.host.borrow().as_ref().unwrap().close();
    let error = client.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_refused_tunnel_is_a_bad_gateway() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let mut client = TcpStream::connect(inside.proxy).await.unwrap();
    let connect = b"CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n";
    client.write_all(connect).await.unwrap();
    next(&mut incoming).await.1.reset("private");
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 502 "), "{heard}");
}

#[tokio::test]
async fn a_reader_that_stops_holds_up_nobody_else() {
    let mut inside = Inside::start().await;
    let mut incoming = inside.connect().await;
    let (slow, slow_channel) = tunnel(&inside, &mut incoming).await;
    let (mut quick, quick_channel) = tunnel(&inside, &mut incoming).await;

    // More than the stream's window and the socket's buffers hold.
    let mut flood = JoinSet::new();
    flood.spawn(async move {
        let chunk = Bytes::from(vec![1; 1 << 20]);
        for _ in 0..64 {
            slow_channel.tx.data(chunk.clone()).await.unwrap();
        }
    });
    for _ in 0..100 {
        quick_channel
            .tx
            .data(Bytes::from_static(b"tick"))
            .await
            .unwrap();
        quick.read_exact(&mut [0; 4]).await.unwrap();
    }
    let stuck = tokio::time::timeout(Duration::ZERO, flood.join_next()).await;
    assert!(stuck.is_err(), "64 MiB were taken by nobody");
    drop(slow);
}
