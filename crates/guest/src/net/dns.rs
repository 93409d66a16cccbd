//! The DNS stub: datagrams and, for those who insist, TCP. Each question is
//! asked of the host and answered or failed within a deadline.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answer::{Question, answer, read};
use super::host::Host;
use crate::request::{Open, Resolved, receive};

/// The host gives up after five seconds; this only guards against its silence.
const DEADLINE: Duration = Duration::from_secs(8);

/// How long a TCP client may be silent.
const IDLE: Duration = Duration::from_secs(10);

/// How long to leave a socket that fails alone.
const PAUSE: Duration = Duration::from_millis(20);

/// Longer than any question we answer.
const LONGEST: usize = 1500;

/// Answers datagrams; `room` is how many questions and TCP clients there may be
/// at once, over all sockets. One too many is dropped, and its asker asks again.
pub(super) async fn serve_udp(socket: UdpSocket, host: Host, room: Arc<Semaphore>) {
    let socket = Arc::new(socket);
    let mut asked = JoinSet::new();
    let mut buffer = vec![0; LONGEST];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, from)) => {
                    if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
                        let question = buffer[..length].to_vec();
                        let (socket, host) = (Arc::clone(&socket), host.clone());
                        asked.spawn(async move {
                            reply(&socket, from, &question, &host).await;
                            drop(place);
                        });
                    }
                }
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = asked.join_next() => {}
        }
    }
}

async fn reply(socket: &UdpSocket, to: SocketAddr, question: &[u8], host: &Host) {
    if let Some(bytes) = ask(question, host).await {
        // An asker that has gone needs no answer.
        let _ = socket.send_to(&bytes, to).await;
    }
}

/// The same over TCP; one client too many is closed.
pub(super) async fn serve_tcp(listener: TcpListener, host: Host, room: Arc<Semaphore>) {
    let mut served = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
                        let host = host.clone();
                        served.spawn(async move {
                            converse(stream, &host).await;
                            drop(place);
                        });
                    }
                }
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = served.join_next() => {}
        }
    }
}

/// Questions one after the other, each behind its length, until the client
/// ends, errs or falls silent.
async fn converse(mut stream: TcpStream, host: &Host) {
    while let Ok(Ok(question)) = timeout(IDLE, hear(&mut stream)).await {
        let Some(bytes) = ask(&question, host).await else {
            return;
        };
        let said = timeout(IDLE, say(&mut stream, &bytes)).await;
        if !matches!(said, Ok(Ok(()))) {
            return;
        }
    }
}

async fn hear(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut question = vec![0; length.into()];
    stream.read_exact(&mut question).await?;
    Ok(question)
}

async fn say(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(bytes);
    stream.write_all(&framed).await
}

async fn ask(question: &[u8], host: &Host) -> Option<Vec<u8>> {
    match read(question) {
        Question::Ignore => None,
        Question::Answer(bytes) => Some(bytes),
        Question::Lookup(name) => {
            let resolved = timeout(DEADLINE, resolve(host, name)).await;
            Some(answer(question, &resolved.unwrap_or(Resolved::Failed)))
        }
    }
}

async fn resolve(host: &Host, name: String) -> Resolved {
    let Ok(channel) = host.open(&Open::Resolve { name }).await else {
        return Resolved::Failed;
    };
    let mut rx = channel.rx;
    if channel.tx.finish().await.is_err() {
        return Resolved::Failed;
    }
    receive(&mut rx)
        .await
        .map_or(Resolved::Failed, |(resolved, _)| resolved)
}
