//! The promises of the streams, over an in-memory connection.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use tokio::io::DuplexStream;
use tokio::task::JoinSet;

use super::*;

struct Pair {
    host: Mux,
    guest: Mux,
    at_guest: Incoming,
    _tasks: JoinSet<()>,
}

async fn pair() -> Pair {
    let (a, b): (DuplexStream, DuplexStream) = tokio::io::duplex(4096);
    let (left, right) = tokio::join!(greet(a, Role::Host, 1), greet(b, Role::Guest, 2));
    let (host, _, run_a, heard) = left.unwrap();
    assert_eq!(
        heard,
        Hello {
            version: VERSION,
            epoch: 2
        }
    );
    let (guest, at_guest, run_b, _) = right.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(run_a.run());
    tasks.spawn(run_b.run());
    Pair {
        host,
        guest,
        at_guest,
        _tasks: tasks,
    }
}

#[tokio::test]
async fn bytes_go_both_ways_in_order_and_ends_are_heard() {
    let mut pair = pair().await;
    let channel = pair.host.open("who").await.unwrap();
    let (payload, mut other) = pair.at_guest.next().await.unwrap();
    assert_eq!(&payload[..], b"who");
    let sent: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
    let (mut rx, tx) = (channel.rx, channel.tx);
    let copy = sent.clone();
    let (got, ()) = tokio::join!(other.rx.collect(2_000_000), async {
        tx.data(copy).await.unwrap();
        tx.finish().await.unwrap();
    });
    assert_eq!(got.unwrap(), sent);
    other.tx.tell("back").await.unwrap();
    other.tx.finish().await.unwrap();
    assert_eq!(rx.next().await, Ok(Some(Item::Tell("back".into()))));
    assert_eq!(rx.next().await, Ok(None));
    assert_eq!(rx.next().await, Ok(None));
}

#[tokio::test]
async fn a_reader_who_does_not_read_stalls_only_its_own_stream() {
    let mut pair = pair().await;
    let stuck = pair.host.open("stuck").await.unwrap();
    let (_, unread) = pair.at_guest.next().await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // More than a window: never ends while nobody reads.
        let _ = stuck.tx.data(vec![0u8; 4 << 20]).await;
    });
    let free = pair.host.open("free").await.unwrap();
    let (_, mut reader) = pair.at_guest.next().await.unwrap();
    let (got, ()) = tokio::join!(reader.rx.collect(8 << 20), async {
        free.tx.data(vec![1u8; 4 << 20]).await.unwrap();
        free.tx.finish().await.unwrap();
    });
    assert_eq!(got.unwrap().len(), 4 << 20);
    assert!(
        tasks.try_join_next().is_none(),
        "the stuck sender must still wait"
    );
    drop(unread);
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reset_carries_its_reason_and_frees_the_sender() {
    let mut pair = pair().await;
    let mut channel = pair.host.open("x").await.unwrap();
    let (_, other) = pair.at_guest.next().await.unwrap();
    other.reset("refused: private address");
    assert_eq!(
        channel.rx.next().await,
        Err(Broken::Reset("refused: private address".to_owned()))
    );
    channel.tx.broken().await;
    assert!(channel.tx.data("y").await.is_err());
}

#[tokio::test]
async fn dropping_half_a_stream_resets_it_but_not_after_its_end() {
    let mut pair = pair().await;
    let channel = pair.host.open("x").await.unwrap();
    let (_, mut other) = pair.at_guest.next().await.unwrap();
    drop(channel.rx);
    assert!(other.rx.next().await.is_err());
    let mut channel = pair.host.open("y").await.unwrap();
    let (_, other) = pair.at_guest.next().await.unwrap();
    other.tx.data("answer").await.unwrap();
    other.tx.finish().await.unwrap();
    assert_eq!(channel.rx.collect(99).await.unwrap(), b"answer");
    drop(channel.rx);
    channel.tx.data("still open this way").await.unwrap();
    channel.tx.finish().await.unwrap();
    let mut rx = other.rx;
    assert_eq!(rx.collect(99).await.unwrap(), b"still open this way");
}

#[tokio::test]
async fn too_many_streams_are_refused_and_room_comes_back() {
    let mut pair = pair().await;
    let mut held = Vec::new();
    for _ in 0..MAX_STREAMS {
        held.push(pair.host.open("x").await.unwrap());
        held.push(pair.at_guest.next().await.unwrap().1);
    }
    assert_eq!(pair.host.open("one more").await.unwrap_err(), Broken::Busy);
    drop(held);
    assert!(pair.host.open("again").await.is_ok());
}

#[tokio::test]
async fn when_the_connection_ends_everyone_hears_it() {
    let mut pair = pair().await;
    let mut channel = pair.host.open("x").await.unwrap();
    let (_, mut other) = pair.at_guest.next().await.unwrap();
    pair.guest.close();
    assert_eq!(channel.rx.next().await, Err(Broken::Gone));
    assert_eq!(other.rx.next().await, Err(Broken::Gone));
    pair.host.closed().await;
    assert_eq!(pair.host.open("y").await.unwrap_err(), Broken::Gone);
    assert!(pair.at_guest.next().await.is_none());
}

/// A peer that speaks frames but not the rules.
async fn rogue(frames: &[Frame]) -> (Mux, JoinSet<()>) {
    let (a, mut b) = tokio::io::duplex(1 << 20);
    let mut bytes = bytes::BytesMut::new();
    let hello = serde_json::to_vec(&Hello {
        version: VERSION,
        epoch: 0,
    })
    .unwrap();
    Frame::Hello(hello.into()).encode(&mut bytes);
    frames.iter().for_each(|f| f.encode(&mut bytes));
    b.write_all(&bytes).await.unwrap();
    let (mux, mut incoming, run, _) = greet(a, Role::Host, 0).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(run.run());
    tasks.spawn(async move {
        let mut held = vec![];
        while let Some(stream) = incoming.next().await {
            held.push(stream);
        }
        drop(b);
    });
    (mux, tasks)
}

#[tokio::test]
async fn a_peer_that_breaks_the_rules_is_cut_off() {
    let open = || Frame::Open(2, Bytes::new());
    let flood = (0..=WINDOW).map(|_| Frame::Data(2, "x".into()));
    for frames in [
        vec![Frame::Hello("{}".into())],
        vec![Frame::Open(1, Bytes::new())],
        vec![Frame::Open(0, Bytes::new())],
        vec![open(), open()],
        vec![open(), Frame::Credit(2, 1)],
        vec![open(), Frame::End(2), Frame::Data(2, "late".into())],
        std::iter::once(open())
            .chain(flood.clone())
            .chain(flood)
            .collect(),
    ] {
        let (mux, _tasks) = rogue(&frames).await;
        mux.closed().await;
    }
}

#[tokio::test]
async fn another_version_is_not_greeted() {
    let (a, mut b) = tokio::io::duplex(1 << 16);
    let mut bytes = bytes::BytesMut::new();
    Frame::Hello(Bytes::from_static(br#"{"version":99,"epoch":0}"#)).encode(&mut bytes);
    b.write_all(&bytes).await.unwrap();
    let error = greet(a, Role::Host, 0).await.err().unwrap();
    assert!(error.to_string().contains("99"), "{error}");
}
