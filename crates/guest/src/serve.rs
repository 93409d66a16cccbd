//! The guest's main loop: hosts that connect, and what they ask.
//!
//! A server that restarts connects again; the newest connection is the one that
//! carries the sandbox's own connections out. What was running runs on.

use std::net::Ipv4Addr;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::boot::Boot;
use crate::exec::{Captured, Exec, Receipt};
use crate::file::FileOp;
use crate::files;
use crate::mux::{Broken, Channel, Mux, Role, Sending, greet};
use crate::net;
use crate::pipe;
use crate::reap::Reaper;
use crate::request::{Answer, Ask, CONNECTED, OUTPUT_PIECE, Open, receive, send};
use crate::run::Run;
use crate::runs::{Found, Runs};
use crate::sys;
use crate::unwanted::{Hosts, unwanted};

/// A host that does not say hello in this time is none.
const HELLO: Duration = Duration::from_secs(5);

/// Serves for as long as the sandbox lives.
///
/// # Errors
/// Only at the start: the inherited socket or the signals cannot be used.
pub async fn serve(boot: Boot) -> std::io::Result<()> {
    let (reaper, signal) = Reaper::new()?;
    let listener = StdListener::from(sys::inherited_owned(boot.listen_fd));
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let ports = if boot.network {
        net::Ports::bind().await.ok()
    } else {
        None
    };
    let alone = boot.alone_ms.map(Duration::from_millis);
    let hosts = Hosts::default();
    let reaper = Arc::new(reaper);
    let runs = Arc::new(Runs::new(boot, Arc::clone(&reaper)));
    let (current, host) = watch::channel(None);
    let network = async {
        match ports {
            Some(ports) => net::run(ports, net::Host::new(host)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = accept(listener, runs, current, hosts.clone()) => {}
        () = reaper.run(signal) => {}
        () = network => {}
        () = unwanted(alone, hosts) => {}
    }
    Ok(())
}

async fn accept(
    listener: UnixListener,
    runs: Arc<Runs>,
    current: watch::Sender<Option<Mux>>,
    connected: Hosts,
) {
    let epoch = AtomicU64::new(1);
    let mut hosts = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Out of descriptors: wait until somebody has gone.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let epoch = epoch.fetch_add(1, Ordering::Relaxed);
                let talk = talk(stream, epoch, Arc::clone(&runs), current.clone(), connected.clone());
                hosts.spawn(talk);
            }
            Some(_) = hosts.join_next() => {}
        }
    }
}

/// One connection from hello to end.
async fn talk(
    stream: UnixStream,
    epoch: u64,
    runs: Arc<Runs>,
    current: watch::Sender<Option<Mux>>,
    hosts: Hosts,
) {
    let Ok(Ok((mux, mut incoming, running, _))) =
        timeout(HELLO, greet(stream, Role::Guest, epoch)).await
    else {
        return;
    };
    let _connected = hosts.connected();
    if let Some(older) = current.send_replace(Some(mux)) {
        older.close();
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(running.run());
    loop {
        tokio::select! {
            opened = incoming.next() => match opened {
                Some((payload, channel)) => {
                    tasks.spawn(open(payload, channel, Arc::clone(&runs)));
                }
                None => return,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn open(payload: Bytes, channel: Channel, runs: Arc<Runs>) {
    match serde_json::from_slice(&payload) {
        Ok(Open::Ask) => {
            // A host that hung up gets no answer; what it asked for happened all the same.
            let _ = ask(channel, &runs).await;
        }
        Ok(Open::Port { port }) => inward(port, channel).await,
        // It outlives this connection by the time it takes to kill.
        Ok(Open::Pipe { len }) => runs.spawn(pipe::attend(len, channel, Arc::clone(&runs))),
        _ => channel.reset("nothing of that kind is served here"),
    }
}

/// A connection from the host to a program that listens inside.
async fn inward(port: u16, channel: Channel) {
    match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        Ok(socket) => {
            let (reader, writer) = socket.into_split();
            if channel.tx.tell(CONNECTED).await.is_ok() {
                // Either side giving up has reset the stream: both know.
                let _ = net::carry(channel, reader, writer).await;
            }
        }
        Err(error) => channel.reset(&error.to_string()),
    }
}

async fn ask(mut channel: Channel, runs: &Runs) -> Result<(), Broken> {
    let (ask, raw) = match receive::<Ask>(&mut channel.rx).await {
        Ok(message) => message,
        Err(error) => {
            channel.reset(&error.to_string());
            return Ok(());
        }
    };
    let tx = channel.tx;
    match ask {
        Ask::Exec { exec, live, wait } => {
            exec_asked(
                Exec {
                    stdin: raw.to_vec(),
                    ..exec
                },
                live,
                wait,
                tx,
                runs,
            )
            .await
        }
        Ask::File { id, op } => file_asked(&id, with_bytes(op, &raw), tx, runs).await,
        Ask::Kill { id } => {
            if let Found::Kept(run) = runs.find(&id) {
                run.kill(runs.reaper()).await;
            }
            send(tx, &Answer::Done, &[]).await
        }
        Ask::Known { id } => match runs.find(&id) {
            Found::Kept(run) => known(&run, tx).await,
            other => send(tx, &without(other), &[]).await,
        },
        Ask::Ack { id } => {
            let answer = if runs.ack(&id) {
                Answer::Done
            } else {
                Answer::Refused(format!("`{id}` has not ended"))
            };
            send(tx, &answer, &[]).await
        }
        Ask::Output { id, offset } => match runs.find(&id) {
            Found::Kept(run) => {
                let running = run.receipt().is_none();
                let (bytes, spooled) = {
                    let output = run.output();
                    (output.read_at(offset, OUTPUT_PIECE), output.kept())
                };
                send(tx, &Answer::Output { spooled, running }, &[bytes.into()]).await
            }
            other => send(tx, &without(other), &[]).await,
        },
        Ask::Stats => {
            let (running, unacked) = runs.count();
            let disk_bytes = runs.gauge().disk_used();
            send(
                tx,
                &Answer::Stats {
                    running,
                    unacked,
                    disk_bytes,
                },
                &[],
            )
            .await
        }
    }
}

/// The answer about an id that has nothing to show.
fn without<T>(found: Found<T>) -> Answer {
    match found {
        Found::Acked => Answer::Acked,
        Found::Refused(why) => Answer::Refused(why),
        Found::Kept(_) | Found::Unknown => Answer::Unknown,
    }
}

async fn exec_asked(
    exec: Exec,
    live: bool,
    wait: bool,
    tx: Sending,
    runs: &Runs,
) -> Result<(), Broken> {
    let run = match runs.exec(&exec) {
        Found::Kept(run) => run,
        other => return send(tx, &without(other), &[]).await,
    };
    drop(exec);
    if live {
        follow(&run, &tx).await?;
        tx.tell("end of live output").await?;
    }
    if !wait {
        return send(tx, &Answer::Started, &[]).await;
    }
    tokio::select! {
        receipt = run.finished() => send_receipt(&receipt, tx).await,
        () = tx.broken() => Err(Broken::Gone),
    }
}

/// Sends output as it comes, at the reader's pace, until the command has ended.
async fn follow(run: &Run, tx: &Sending) -> Result<(), Broken> {
    let mut grown = run.grown();
    let mut at = 0;
    loop {
        let ended = run.receipt().is_some();
        grown.mark_unchanged();
        let piece = run.output().read_at(at, 64 * 1024);
        if !piece.is_empty() {
            at += piece.len() as u64;
            tx.data(piece).await?;
        } else if ended {
            return Ok(());
        } else {
            tokio::select! {
                _ = grown.changed() => {}
                _ = run.finished() => {}
                () = tx.broken() => return Err(Broken::Gone),
            }
        }
    }
}

fn raw(output: &Captured) -> [Bytes; 2] {
    [
        Bytes::copy_from_slice(&output.head),
        Bytes::copy_from_slice(&output.tail),
    ]
}

async fn send_receipt(receipt: &Receipt, tx: Sending) -> Result<(), Broken> {
    let output = &receipt.output;
    let answer = Answer::Receipt {
        receipt: receipt.clone(),
        head: output.head.len() as u64,
        omitted: output.omitted,
    };
    send(tx, &answer, &raw(output)).await
}

async fn known(run: &Run, tx: Sending) -> Result<(), Broken> {
    if let Some(receipt) = run.receipt() {
        return send_receipt(&receipt, tx).await;
    }
    let (output, total_bytes) = {
        let output = run.output();
        (output.captured(), output.total())
    };
    let answer = Answer::Running {
        started_at_ms: run.started_at_ms(),
        total_bytes,
        head: output.head.len() as u64,
        omitted: output.omitted,
    };
    send(tx, &answer, &raw(&output)).await
}

/// The content to write comes beside the question.
fn with_bytes(op: FileOp, raw: &Bytes) -> FileOp {
    match op {
        FileOp::Write { path, .. } => FileOp::Write {
            path,
            bytes: raw.to_vec(),
        },
        other => other,
    }
}

async fn file_asked(id: &str, op: FileOp, tx: Sending, runs: &Runs) -> Result<(), Broken> {
    let mut result = if op.effectful() {
        match runs.file(id, || files::begin(runs, op)) {
            Found::Kept(result) => result,
            other => return send(tx, &without(other), &[]).await,
        }
    } else {
        files::begin(runs, op)
    };
    let answer = tokio::select! {
        answer = result.wait_for(Option::is_some) => answer.ok().and_then(|answer| answer.clone()),
        () = tx.broken() => return Err(Broken::Gone),
    };
    let Some(answer) = answer else {
        return Err(Broken::Gone);
    };
    let (answer, raw) = &*answer;
    send(tx, answer, std::slice::from_ref(raw)).await
}
