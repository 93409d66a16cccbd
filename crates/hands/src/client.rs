//! Questions to a guest and its answers, over whatever link there is.
//!
//! A question may be asked again on the next connection: everything with an
//! effect has an id, so it happens once. How often and how long is decided here.

use std::time::Duration;

use bytes::Bytes;
use guest::exec::{Captured, Exec, Known, Receipt};
use guest::file::{FileOp, FileOut};
use guest::mux::{Broken, Item, Mux, Receiving};
use guest::request::{Answer, Ask, MessageError, Open, receive, send};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::Error;
use crate::link::Link;
use crate::sandbox::{Live, Output};

/// For an answer that is ready at once.
const SOON: Duration = Duration::from_secs(10);
/// For a file operation, which the guest itself ends after a minute.
const FILE: Duration = Duration::from_secs(75);
/// For a connection to come back.
const CONNECT: Duration = Duration::from_secs(10);

/// Asks one guest.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    link: watch::Receiver<Link>,
}

impl Client {
    pub(crate) fn new(link: watch::Receiver<Link>) -> Self {
        Self { link }
    }

    pub(crate) fn alive(&self) -> bool {
        !matches!(*self.link.borrow(), Link::Dead)
    }

    /// Waits until the guest can be asked.
    pub(crate) async fn mux(&self) -> Result<Mux, Error> {
        let mut link = self.link.clone();
        let usable = link.wait_for(|link| match link {
            Link::Down => false,
            Link::Up(mux) => !mux.is_closed(),
            Link::Dead => true,
        });
        match timeout(CONNECT, usable).await {
            Ok(Ok(link)) => match &*link {
                Link::Up(mux) => Ok(mux.clone()),
                _ => Err(Error::Lost("it ended".to_owned())),
            },
            Ok(Err(_)) => Err(Error::Lost("nobody keeps it any more".to_owned())),
            Err(_) => Err(Error::Deadline("the guest was not reached")),
        }
    }

    /// Asks, again on each new connection, until there is an answer.
    async fn ask(&self, ask: &Ask, raw: &Bytes) -> Result<(Answer, Bytes), Error> {
        loop {
            let mux = self.mux().await?;
            let asked = async {
                let mut rx = question(&mux, ask, raw).await?;
                receive(&mut rx).await
            };
            match asked.await {
                Ok((answer, raw)) => return Ok((answer, raw)),
                Err(error) => again(error)?,
            }
        }
    }

    async fn soon(&self, ask: Ask) -> Result<(Answer, Bytes), Error> {
        timeout(SOON, self.ask(&ask, &Bytes::new()))
            .await
            .map_err(|_| Error::Deadline("the guest did not answer"))?
    }

    pub(crate) async fn exec(&self, mut exec: Exec, live: Option<Live>) -> Result<Receipt, Error> {
        let (id, stdin) = (
            exec.id.clone(),
            Bytes::from(std::mem::take(&mut exec.stdin)),
        );
        let ask = Ask::Exec {
            exec,
            live: live.is_some(),
            wait: true,
        };
        let mut sent = 0;
        loop {
            let mux = self.mux().await?;
            let asked = async {
                let mut rx = question(&mux, &ask, &stdin).await?;
                if let Some(live) = &live {
                    pass_on(&mut rx, live, &mut sent).await?;
                }
                receive(&mut rx).await
            };
            match asked.await {
                Ok((
                    Answer::Receipt {
                        receipt,
                        head,
                        omitted,
                    },
                    raw,
                )) => {
                    return Ok(Receipt {
                        output: captured(&raw, head, omitted),
                        ..receipt
                    });
                }
                Ok((answer, _)) => return Err(unexpected(&id, answer)),
                Err(error) => again(error)?,
            }
        }
    }

    pub(crate) async fn start(&self, mut exec: Exec) -> Result<(), Error> {
        let (id, stdin) = (
            exec.id.clone(),
            Bytes::from(std::mem::take(&mut exec.stdin)),
        );
        let ask = Ask::Exec {
            exec,
            live: false,
            wait: false,
        };
        let answered = timeout(SOON, self.ask(&ask, &stdin)).await;
        match answered.map_err(|_| Error::Deadline("the guest did not answer"))?? {
            (Answer::Started, _) => Ok(()),
            (answer, _) => Err(unexpected(&id, answer)),
        }
    }

    pub(crate) async fn kill(&self, id: &str) -> Result<(), Error> {
        self.done(id, Ask::Kill { id: id.to_owned() }).await
    }

    pub(crate) async fn ack(&self, id: &str) -> Result<(), Error> {
        self.done(id, Ask::Ack { id: id.to_owned() }).await
    }

    async fn done(&self, id: &str, ask: Ask) -> Result<(), Error> {
        match self.soon(ask).await? {
            (Answer::Done, _) => Ok(()),
            (answer, _) => Err(unexpected(id, answer)),
        }
    }

    pub(crate) async fn file(&self, id: &str, mut op: FileOp) -> Result<FileOut, Error> {
        let raw = match &mut op {
            FileOp::Write { bytes, .. } => Bytes::from(std::mem::take(bytes)),
            _ => Bytes::new(),
        };
        let ask = Ask::File {
            id: id.to_owned(),
            op,
        };
        let answered = timeout(FILE, self.ask(&ask, &raw)).await;
        match answered.map_err(|_| Error::Deadline("the file operation did not end"))?? {
            (Answer::File(FileOut::Read { size, more, .. }), raw) => Ok(FileOut::Read {
                bytes: raw.into(),
                size,
                more,
            }),
            (Answer::File(out), _) => Ok(out),
            (Answer::NoFile(error), _) => Err(Error::File(error)),
            (answer, _) => Err(unexpected(id, answer)),
        }
    }

    pub(crate) async fn known(&self, id: &str) -> Result<Known, Error> {
        match self.soon(Ask::Known { id: id.to_owned() }).await? {
            (Answer::Unknown, _) => Ok(Known::Unknown),
            (Answer::Acked, _) => Ok(Known::Acked),
            (
                Answer::Receipt {
                    receipt,
                    head,
                    omitted,
                },
                raw,
            ) => {
                let output = captured(&raw, head, omitted);
                Ok(Known::Done(Box::new(Receipt { output, ..receipt })))
            }
            (
                Answer::Running {
                    started_at_ms,
                    total_bytes,
                    head,
                    omitted,
                },
                raw,
            ) => {
                let output = captured(&raw, head, omitted);
                Ok(Known::Running {
                    started_at_ms,
                    total_bytes,
                    output,
                })
            }
            (answer, _) => Err(unexpected(id, answer)),
        }
    }

    pub(crate) async fn output(&self, id: &str, offset: u64) -> Result<Output, Error> {
        match self
            .soon(Ask::Output {
                id: id.to_owned(),
                offset,
            })
            .await?
        {
            (Answer::Output { spooled, running }, raw) => Ok(Output {
                bytes: raw.into(),
                spooled,
                running,
            }),
            (answer, _) => Err(unexpected(id, answer)),
        }
    }

    /// Execs that run, results kept, bytes on the disk.
    pub(crate) async fn counts(&self) -> Result<(u64, u64, u64), Error> {
        match self.soon(Ask::Stats).await? {
            (
                Answer::Stats {
                    running,
                    unacked,
                    disk_bytes,
                },
                _,
            ) => Ok((running, unacked, disk_bytes)),
            (answer, _) => Err(unexpected("stats", answer)),
        }
    }
}

/// Sends a question; the answer comes on what is returned.
async fn question(mux: &Mux, ask: &Ask, raw: &Bytes) -> Result<Receiving, MessageError> {
    let open = serde_json::to_vec(&Open::Ask)
        .map_err(|error| MessageError::Malformed(error.to_string()))?;
    let channel = mux.open(open).await?;
    send(channel.tx, ask, std::slice::from_ref(raw)).await?;
    Ok(channel.rx)
}

/// Passes output on as it comes, but nothing that an earlier connection brought.
async fn pass_on(rx: &mut Receiving, live: &Live, sent: &mut usize) -> Result<(), MessageError> {
    let mut at = 0;
    while let Some(Item::Data(bytes)) = rx.next().await? {
        let known = sent.saturating_sub(at).min(bytes.len());
        at += bytes.len();
        let fresh = bytes.get(known..).unwrap_or_default();
        if !fresh.is_empty() {
            *sent += fresh.len();
            // Who no longer listens still gets the receipt.
            let _ = live.send(fresh.to_vec()).await;
        }
    }
    Ok(())
}

/// Whether a question that got no answer may be asked again: only if the
/// connection ended under it.
fn again(error: MessageError) -> Result<(), Error> {
    match error {
        MessageError::Broken(Broken::Gone) => Ok(()),
        MessageError::Broken(Broken::Busy) => Err(Error::Refused("too many requests".to_owned())),
        other => Err(Error::Protocol(other.to_string())),
    }
}

fn captured(raw: &Bytes, head: u64, omitted: u64) -> Captured {
    let at = usize::try_from(head).unwrap_or(usize::MAX).min(raw.len());
    let (head, tail) = raw.split_at(at);
    Captured {
        head: head.to_vec(),
        tail: tail.to_vec(),
        omitted,
    }
}

fn unexpected(id: &str, answer: Answer) -> Error {
    match answer {
        Answer::Acked => Error::Acked(id.to_owned()),
        Answer::Unknown => Error::Refused(format!("`{id}` is not known here")),
        Answer::Refused(why) => Error::Refused(why),
        other => Error::Protocol(format!("answered {other:?}")),
    }
}
