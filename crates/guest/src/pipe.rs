//! A program that is talked to: its input and output are one stream to the host.
//!
//! It lives no longer than the host wants it. When the host's side of the stream
//! ends or breaks, the program and all it started are killed: its input is never
//! merely closed, which some programs take as a reason to do more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::exec::{Exhausted, KillReason};
use crate::gauge::Reading;
use crate::mux::{Broken, Channel, Item, Receiving, Sending};
use crate::reap::Ended;
use crate::request::CONNECTED;
use crate::run::read;
use crate::runs::Runs;
use crate::tree::Tree;

/// Bytes the description of a program may have.
pub const PIPE_CAP: usize = 2 * 1024 * 1024;
/// Bytes of the standard error's end that are kept.
pub const STDERR_CAP: usize = 8 * 1024;
/// Bytes read at once.
const PIECE: usize = 64 * 1024;
/// How long a description may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long a killed program may take to be taken in.
const GONE: Duration = Duration::from_secs(2);

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pipe {
    /// Program and arguments. The program is looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// Its environment and nothing else. Only where commands have no cgroups of
    /// their own is one variable added, by which its processes are found.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where it starts; `/workspace` when absent.
    #[serde(default)]
    pub cwd: Option<String>,
}

/// How such a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipeEnd {
    /// The exit status, if it ended by itself.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why it was ended from outside, if it was.
    pub killed: Option<KillReason>,
    /// The last of what it wrote to its standard error, at most [`STDERR_CAP`] bytes.
    pub stderr: String,
}

/// A program that was started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) tree: Tree,
    pub(crate) ended: oneshot::Receiver<Ended>,
    pub(crate) stdin: pipe::Sender,
    pub(crate) stdout: pipe::Receiver,
    pub(crate) stderr: pipe::Receiver,
    pub(crate) before: Reading,
}

/// Starts what the first `len` bytes of the stream describe and stays with it to
/// its end. Must not be dropped before: it is what kills.
pub(crate) async fn attend(len: u32, mut channel: Channel, runs: Arc<Runs>) {
    let described = timeout(ARRIVAL, describe(len as usize, &mut channel.rx)).await;
    let late = Err("it was not described in time".to_owned());
    let started = described.unwrap_or(late);
    match started.and_then(|pipe| runs.start_pipe(&pipe)) {
        Ok(started) => {
            // Whichever way the stream ended, the host knows.
            let _ = stay(started, channel, &runs).await;
        }
        Err(why) => channel.reset(why.trim_end()),
    }
}

async fn describe(len: usize, rx: &mut Receiving) -> Result<Pipe, String> {
    if len > PIPE_CAP {
        return Err("its arguments and variables are too long".to_owned());
    }
    let mut text = Vec::new();
    while text.len() < len {
        match rx.next().await {
            Ok(Some(Item::Data(bytes))) => text.extend_from_slice(&bytes),
            _ => return Err("it was not described".to_owned()),
        }
    }
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

async fn stay(mut started: Started, channel: Channel, runs: &Runs) -> Result<(), Broken> {
    let Channel { tx, mut rx } = channel;
    let mut tail = Tail::default();
    let by_itself = tokio::select! {
        ended = speaks(&started.stdout, &mut started.ended, &tx) => ended,
        () = hears(&mut rx, &mut started.stdin) => None,
        () = tail.listen(&started.stderr) => None,
    };
    started.tree.raze(runs.reaper()).await;
    let ended = match by_itself {
        Some(ended) => Some(ended),
        None => timeout(GONE, &mut started.ended)
            .await
            .ok()
            .and_then(Result::ok),
    };
    tail.take_rest(&started.stderr);
    let killed = by_itself.is_none().then_some(KillReason::Canceled);
    let met = runs.gauge().met_since(started.before);
    let end = tail.end(ended.unwrap_or(Ended::Signal(libc::SIGKILL)), killed, &met);
    let told = async {
        if by_itself.is_some() {
            rest(&started.stdout, &tx).await?;
        }
        tx.tell(serde_json::to_vec(&end).unwrap_or_default()).await
    };
    tokio::select! {
        told = told => told?,
        // A host that let go before may still read; one that lets go now does not.
        () = ignored(&mut rx), if by_itself.is_some() => {}
    }
    tx.finish().await
}

/// Carries what the program says until it has ended; `None` if nobody listens.
async fn speaks(
    stdout: &pipe::Receiver,
    ended: &mut oneshot::Receiver<Ended>,
    tx: &Sending,
) -> Option<Ended> {
    tx.tell(CONNECTED).await.ok()?;
    let mut buf = vec![0u8; PIECE];
    let mut open = true;
    loop {
        tokio::select! {
            said = read(stdout, &mut buf), if open => match said {
                Some(bytes) => tx.data(bytes.to_vec()).await.ok()?,
                None => open = false,
            },
            ended = &mut *ended => return ended.ok(),
        }
    }
}

/// Carries what the host says until it lets go. A program that no longer listens
/// misses it.
async fn hears(rx: &mut Receiving, stdin: &mut pipe::Sender) {
    while let Ok(Some(item)) = rx.next().await {
        if let Item::Data(bytes) = item
            && stdin.write_all(&bytes).await.is_err()
        {
            return ignored(rx).await;
        }
    }
}

async fn ignored(rx: &mut Receiving) {
    while let Ok(Some(_)) = rx.next().await {}
}

/// What an ended program left in its output.
async fn rest(stdout: &pipe::Receiver, tx: &Sending) -> Result<(), Broken> {
    let mut buf = vec![0u8; PIECE];
    loop {
        match stdout.try_read(&mut buf) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(n) => tx.data(buf.get(..n).unwrap_or_default().to_vec()).await?,
        }
    }
}

/// The end of a standard error.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let over = self.0.len().saturating_sub(STDERR_CAP);
        self.0.drain(..over);
    }

    /// Listens for ever.
    async fn listen(&mut self, stderr: &pipe::Receiver) {
        let mut buf = vec![0u8; STDERR_CAP];
        while let Some(bytes) = read(stderr, &mut buf).await {
            self.push(bytes);
        }
        std::future::pending().await
    }

    fn take_rest(&mut self, stderr: &pipe::Receiver) {
        let mut buf = vec![0u8; PIECE];
        // A pipe holds no more than this; what outlived a kill may write on.
        if let Ok(n) = stderr.try_read(&mut buf) {
            self.push(buf.get(..n).unwrap_or_default());
        }
    }

    fn end(mut self, ended: Ended, killed: Option<KillReason>, met: &[Exhausted]) -> PipeEnd {
        let (exit_code, signal) = match ended {
            Ended::Exit(code) => (Some(code), None),
            Ended::Signal(signal) => (None, Some(signal)),
        };
        let oom = met.iter().find_map(|met| match met {
            Exhausted::Memory { limit } => Some(KillReason::Oom { limit: *limit }),
            _ => None,
        });
        let stderr = String::from_utf8_lossy(self.0.make_contiguous()).into_owned();
        PipeEnd {
            exit_code,
            signal,
            killed: oom.filter(|_| exit_code != Some(0)).or(killed),
            stderr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_standard_error_the_end_is_kept() {
        let mut tail = Tail::default();
        for number in 0..2000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        let end = tail.end(Ended::Exit(3), None, &[]);
        assert_eq!(end.stderr.len(), STDERR_CAP);
        assert!(end.stderr.ends_with("line 1998\nline 1999\n"));
        assert_eq!(
            (end.exit_code, end.signal, end.killed),
            (Some(3), None, None)
        );
    }

    #[test]
    fn a_program_that_fell_to_the_memory_limit_says_so_unless_it_went_well() {
        let oom = KillReason::Oom { limit: 7 };
        let met = [Exhausted::Memory { limit: 7 }];
        for (ended, killed, want) in [
            (Ended::Signal(9), None, Some(oom)),
            (Ended::Signal(9), Some(KillReason::Canceled), Some(oom)),
            (Ended::Exit(0), None, None),
        ] {
            assert_eq!(Tail::default().end(ended, killed, &met).killed, want);
        }
    }
}
