//! Questions to a guest and its answers, over whatever link there is.
//!
//! A question may be asked again on the next connection: everything with an
//! effect has an id, so it happens once. How often is decided here, how long by
//! [`Patience`]: nobody waits for ever for a guest that is stopped or stuck.

mod streams;

use std::time::Duration;

use bytes::Bytes;
use guest::exec::{Captured, Exec, Known, Receipt};
use guest::file::{FileOp, FileOut};
use guest::mux::{Broken, Item, Mux, Receiving};
use guest::request::{Answer, Ask, MessageError, Open, receive, send};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::error::Error;
use crate::link::Link;
use crate::patience::{Patience, Still};
use crate::sandbox::{Live, Output};

/// The guest itself ends a file operation after this time.
const FILE: Duration = Duration::from_secs(60);
/// What the guest may need to end a command whose own time is over.
const GRACE: Duration = Duration::from_secs(5);

/// Asks one guest.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    link: watch::Receiver<Link>,
    patience: Patience,
}

impl Client {
    pub(crate) fn new(link: watch::Receiver<Link>, patience: Patience) -> Self {
        Self { link, patience }
    }

    pub(crate) fn alive(&self) -> bool {
        !matches!(*self.link.borrow(), Link::Dead(_))
    }

    /// Nobody's time runs out until the result is dropped.
    pub(crate) fn hold(&self) -> Still {
        self.patience.hold()
    }

    /// Whether it answers, asked only if there is a doubt.
    pub(crate) async fn answers(&self) -> bool {
        !self.patience.doubted() || self.beat().await.is_ok()
    }

    /// Waits until the guest can be asked.
    pub(crate) async fn mux(&self) -> Result<Mux, Error> {
        let mut link = self.link.clone();
        let usable = link.wait_for(|link| match link {
            Link::Down => false,
            Link::Up(mux) => !mux.is_closed(),
            Link::Dead(_) => true,
        });
        let usable = async {
            match usable.await {
                Ok(link) => match &*link {
                    Link::Up(mux) => Ok(mux.clone()),
                    Link::Dead(why) => Err(Error::Lost(why.clone())),
                    Link::Down => Err(Error::Lost("it is not connected".to_owned())),
                },
                Err(_) => Err(Error::Lost("nobody keeps it any more".to_owned())),
            }
        };
        let limit = self.patience.answer();
        self.patience
            .within(limit, "the guest was not reached", usable)
            .await
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
                Ok((answer, raw)) => {
                    self.patience.heard();
                    return Ok((answer, raw));
                }
                Err(error) => again(error)?,
            }
        }
    }

    async fn soon(&self, ask: Ask) -> Result<(Answer, Bytes), Error> {
        self.soon_with(&ask, &Bytes::new()).await
    }

    async fn soon_with(&self, ask: &Ask, raw: &Bytes) -> Result<(Answer, Bytes), Error> {
        let limit = self.patience.answer();
        let asked = self.ask(ask, raw);
        self.patience
            .within(limit, "the guest did not answer", asked)
            .await
    }

    /// The question with the smallest answer: nothing has an empty id.
    async fn beat(&self) -> Result<(), Error> {
        self.soon(Ask::Known { id: String::new() }).await.map(drop)
    }

    /// Asks again and again whether the guest is there; ends with the error when it
    /// is not. What else is wrong shows elsewhere.
    async fn watched(&self) -> Error {
        loop {
            sleep(self.patience.answer()).await;
            match self.beat().await {
                Err(error @ Error::Deadline(_)) => return error,
                Err(error @ Error::Lost(_)) => {
                    // Who waits for the command hears of it too, after all its output.
                    sleep(self.patience.answer()).await;
                    return error;
                }
                _ => {}
            }
        }
    }

    /// Waits for what may take long, as long as the guest is there.
    async fn while_there<T>(
        &self,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            done = asked => done,
            error = self.watched() => Err(error),
        }
    }

    pub(crate) async fn exec(&self, exec: Exec, live: Option<Live>) -> Result<Receipt, Error> {
        let allowed = exec.timeout_ms.map(Duration::from_millis);
        let late = self.patience.overdue(
            allowed.map(|allowed| allowed + GRACE),
            "the command did not end after its own time",
        );
        let ended = async {
            tokio::select! {
                biased;
                done = self.awaited(exec, live) => done,
                error = late => Err(error),
            }
        };
        self.while_there(ended).await
    }

    async fn awaited(&self, mut exec: Exec, live: Option<Live>) -> Result<Receipt, Error> {
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
                    self.pass_on(&mut rx, live, &mut sent).await?;
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
                    self.patience.heard();
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

    /// Passes output on as it comes, but nothing that an earlier connection brought.
    async fn pass_on(
        &self,
        rx: &mut Receiving,
        live: &Live,
        sent: &mut usize,
    ) -> Result<(), MessageError> {
        let mut at = 0;
        while let Some(Item::Data(bytes)) = rx.next().await? {
            self.patience.heard();
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
        match self.soon_with(&ask, &stdin).await? {
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
        let limit = FILE + self.patience.answer();
        let asked = self.ask(&ask, &raw);
        let late = "the file operation did not end";
        let asked = self.patience.within(limit, late, asked);
        match self.while_there(asked).await? {
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
