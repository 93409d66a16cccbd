//! JSON, one document a line, in both directions. Both may be given up at any
//! moment without losing a byte: what was read or is yet to be written stays.

use std::io;

use bytes::{Buf, BytesMut};
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};

use super::place::Stream;

/// Longest line an engine may write, in bytes.
const LONGEST: usize = 32 * 1024 * 1024;

/// An engine's standard input and output.
pub(super) struct Lines {
    from: ReadHalf<Box<dyn Stream>>,
    to: WriteHalf<Box<dyn Stream>>,
    read: BytesMut,
    /// Bytes of `read` that are known to hold no line end.
    searched: usize,
    write: BytesMut,
}

impl Lines {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        let (from, to) = split(stream);
        Self {
            from,
            to,
            read: BytesMut::new(),
            searched: 0,
            write: BytesMut::new(),
        }
    }

    /// Puts a line behind those that are yet to be written.
    pub fn put(&mut self, line: &impl Serialize) {
        // Values of our own making are always JSON.
        if let Ok(json) = serde_json::to_vec(line) {
            self.write.extend_from_slice(&json);
            self.write.extend_from_slice(b"\n");
        }
    }

    /// Writes what there is to write, and waits for the next line. `None` at
    /// the end. What is no JSON is passed over.
    pub async fn next(&mut self) -> io::Result<Option<Value>> {
        loop {
            if let Some(line) = self.line() {
                match serde_json::from_slice(&line) {
                    Ok(value) => return Ok(Some(value)),
                    Err(error) => tracing::debug!(%error, "an engine wrote a line that is no JSON"),
                }
                continue;
            }
            if self.read.len() > LONGEST {
                return Err(io::Error::other("it wrote a line without an end"));
            }
            tokio::select! {
                wrote = self.to.write_buf(&mut self.write), if self.write.has_remaining() => {
                    if wrote? == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                }
                read = self.from.read_buf(&mut self.read) => {
                    if read? == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn line(&mut self) -> Option<BytesMut> {
        let fresh = self.read.iter().skip(self.searched);
        let Some(at) = fresh.clone().position(|byte| *byte == b'\n') else {
            self.searched = self.read.len();
            return None;
        };
        let line = self.read.split_to(self.searched + at + 1);
        self.searched = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncBufReadExt, BufReader, duplex};

    use super::*;

    #[tokio::test]
    async fn lines_come_whole_however_they_are_cut_and_given_up() {
        let (ours, mut theirs) = duplex(7);
        let mut lines = Lines::new(Box::new(ours));
        let long = "x".repeat(100);
        lines.put(&json!({ "say": long }));
        let engine = async move {
            let mut heard = String::new();
            let mut reader = BufReader::new(&mut theirs);
            reader.read_line(&mut heard).await.unwrap();
            theirs.write_all(b"\nnonsense\n{\"a\":").await.unwrap();
            theirs.write_all(b"1}\n[2]\n{\"cut").await.unwrap();
            heard
        };
        let mut engine = std::pin::pin!(engine);
        let (mut heard, mut got) = (None, Vec::new());
        loop {
            if heard.is_none()
                && let std::task::Poll::Ready(all) = futures::poll!(&mut engine)
            {
                heard = Some(all);
            }
            // Given up after every single poll, as a `select!` may do.
            let line = futures::poll!(std::pin::pin!(lines.next()));
            match line {
                std::task::Poll::Pending => tokio::task::yield_now().await,
                std::task::Poll::Ready(Ok(Some(line))) => got.push(line),
                std::task::Poll::Ready(end) => {
                    assert_eq!(end.unwrap(), None);
                    break;
                }
            }
        }
        assert_eq!(got, [json!({ "a": 1 }), json!([2])]);
        assert_eq!(heard, Some(format!("{}\n", json!({ "say": long }))));
    }
}
