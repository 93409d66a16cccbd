//! What a stream is opened for, and what goes over it.
//!
//! The host asks ([`Ask`], answered by one [`Answer`]); the guest carries a
//! connection out ([`Open::Dial`]) or looks a name up ([`Open::Resolve`]).
//! A question or an answer is a *message*: a length, JSON, and raw bytes that
//! do not fit JSON, then the end of that direction.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::exec::{Exec, Receipt};
use crate::file::{FileError, FileOp, FileOut};
use crate::mux::{Broken, Receiving, Sending};

/// Bytes of a message at most, raw part included.
pub const MESSAGE_CAP: usize = 48 * 1024 * 1024;
/// Bytes an [`Ask::Output`] is answered with at most.
pub const OUTPUT_PIECE: u64 = 1024 * 1024;

/// The payload a stream is opened with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Open {
    /// Host to guest: a message with an [`Ask`] follows, one with an [`Answer`] comes back.
    Ask,
    /// Guest to host: carry this connection. The host tells [`CONNECTED`] and then
    /// pipes bytes, or resets the stream with the reason.
    Dial {
        /// Where the program inside wanted to go.
        to: SocketAddr,
    },
    /// Guest to host: the same with a name, for programs that use a proxy.
    DialName {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// Guest to host: a message with [`Resolved`] comes back.
    Resolve {
        /// The name to look up.
        name: String,
    },
    /// Host to guest: a connection to a port inside; as [`Open::Dial`].
    Port {
        /// The port on the sandbox's loopback.
        port: u16,
    },
    /// Host to guest: a program's input and output. The description of the
    /// program comes as the stream's first bytes; then as [`Open::Dial`]. A JSON
    /// of [`PipeEnd`](crate::pipe::PipeEnd) is told last.
    Pipe {
        /// Bytes of the JSON of [`Pipe`](crate::pipe::Pipe).
        len: u32,
    },
}

/// Told on a dialled stream once the connection stands.
pub const CONNECTED: &[u8] = b"connected";

/// The answer to [`Open::Resolve`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolved {
    /// Its addresses; none if the name exists without any.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoName,
    /// The resolver failed or may not say.
    Failed,
}

/// What the host asks. Raw part: standard input, or the content to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Run or attach.
    Exec {
        /// What to run.
        exec: Exec,
        /// Send the output as raw bytes while it comes, before the answer.
        live: bool,
        /// Answer when it has ended, not when it has started.
        wait: bool,
    },
    /// End everything an exec started.
    Kill {
        /// Which exec.
        id: String,
    },
    /// What is known of an exec.
    Known {
        /// Which exec.
        id: String,
    },
    /// Forget the result of an exec or a file operation.
    Ack {
        /// Which one.
        id: String,
    },
    /// Part of a kept output.
    Output {
        /// Which exec.
        id: String,
        /// First byte.
        offset: u64,
    },
    /// A file operation.
    File {
        /// Its name, as with an exec; ignored if it has no effect.
        id: String,
        /// What to do.
        op: FileOp,
    },
    /// What the guest counts.
    Stats,
}

/// What the guest answers. Raw part: output, or the content read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It runs now, or ran already.
    Started,
    /// Done, nothing more to say.
    Done,
    /// An exec ended. Raw: head, then tail.
    Receipt {
        /// What came of it.
        receipt: Receipt,
        /// Bytes of the head.
        head: u64,
        /// Bytes between head and tail.
        omitted: u64,
    },
    /// An exec runs. Raw: head, then tail.
    Running {
        /// When it started, milliseconds since the Unix epoch.
        started_at_ms: i64,
        /// Bytes written until now.
        total_bytes: u64,
        /// Bytes of the head.
        head: u64,
        /// Bytes between head and tail.
        omitted: u64,
    },
    /// Never heard of that id.
    Unknown,
    /// That id was acknowledged.
    Acked,
    /// Raw: part of a kept output.
    Output {
        /// Bytes kept until now.
        spooled: u64,
        /// Whether more may come.
        running: bool,
    },
    /// A file operation was done. Raw: what was read.
    File(FileOut),
    /// It was not.
    NoFile(FileError),
    /// What the guest counts.
    Stats {
        /// Execs that run.
        running: u64,
        /// Receipts kept.
        unacked: u64,
        /// Bytes on the disk in use.
        disk_bytes: u64,
    },
    /// The question makes no sense here; the text says why.
    Refused(String),
}

/// A stream that did not carry a whole message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The stream ended early.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// What came is no message.
    #[error("no message: {0}")]
    Malformed(String),
}

/// Sends a message and ends the direction.
///
/// # Errors
/// [`Broken`]: the other side may or may not have it whole.
pub async fn send<T: Serialize>(tx: Sending, value: &T, raw: &[Bytes]) -> Result<(), Broken> {
    let mut head = BytesMut::from(&join(value)[..]);
    // Small raw parts ride in the first frame.
    let mut rest = raw.iter();
    if let [one] = raw
        && one.len() < 4096
    {
        head.extend_from_slice(one);
        rest.next();
    }
    tx.data(head).await?;
    for piece in rest {
        tx.data(piece.clone()).await?;
    }
    tx.finish().await
}

/// Receives a message: the value and its raw part.
///
/// # Errors
/// [`MessageError`].
pub async fn receive<T: DeserializeOwned>(rx: &mut Receiving) -> Result<(T, Bytes), MessageError> {
    split(rx.collect(MESSAGE_CAP).await?.into())
}

/// The beginning of a message: everything but its raw part.
#[must_use]
pub fn join<T: Serialize>(value: &T) -> Vec<u8> {
    // What cannot be said as JSON arrives as no message at all, and is refused there.
    let json = serde_json::to_vec(value).unwrap_or_default();
    let mut bytes = Vec::with_capacity(4 + json.len());
    bytes.put_u32_le(u32::try_from(json.len()).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&json);
    bytes
}

/// A whole message: the value and its raw part.
///
/// # Errors
/// [`MessageError::Malformed`].
pub fn split<T: DeserializeOwned>(mut bytes: Bytes) -> Result<(T, Bytes), MessageError> {
    let short = || MessageError::Malformed("cut off".to_owned());
    let (len, _) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let end = 4 + u32::from_le_bytes(*len) as usize;
    let json = bytes.get(4..end).ok_or_else(short)?;
    let value =
        serde_json::from_slice(json).map_err(|error| MessageError::Malformed(error.to_string()))?;
    Ok((value, bytes.split_off(end)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::mux::{Role, greet};

    #[tokio::test]
    async fn a_message_arrives_whole_whatever_its_size() {
        for size in [0usize, 1, 4095, 4096, 3_000_000] {
            let (a, b) = tokio::io::duplex(1 << 16);
            let (left, right) = tokio::join!(greet(a, Role::Host, 1), greet(b, Role::Guest, 1));
            let (host, _, run_a, _) = left.unwrap();
            let (_guest, mut incoming, run_b, _) = right.unwrap();
            let raw = Bytes::from(vec![0xff; size]);
            let asked = Ask::Output {
                id: "é".repeat(size / 100),
                offset: 7,
            };
            let talk = async {
                let channel = host.open("{}").await.unwrap();
                send(channel.tx, &asked, std::slice::from_ref(&raw))
                    .await
                    .unwrap();
                drop(channel.rx);
            };
            let listen = async {
                let mut channel = incoming.next().await.unwrap().1;
                receive::<Ask>(&mut channel.rx).await
            };
            let both = async { tokio::join!(talk, listen).1 };
            let got = tokio::select! {
                got = both => got,
                () = run_a.run() => unreachable!("the connection ended"),
                () = run_b.run() => unreachable!("the connection ended"),
            };
            let (ask, got) = got.unwrap();
            assert_eq!((ask, got.len()), (asked.clone(), size));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&b""[..], b"\x05\0\0", b"\x05\0\0\0null", b"\x04\0\0\0nope"] {
            assert!(
                split::<Ask>(Bytes::from_static(bytes)).is_err(),
                "{bytes:?}"
            );
        }
        assert!(
            matches!(split::<Ask>(Bytes::from_static(b"\x07\0\0\0\"stats\"raw")), Ok((Ask::Stats, raw)) if &raw[..] == b"raw")
        );
    }
}
