//! Hints between nodes on one PostgreSQL: said inside the transaction that
//! appends, heard by every other node after its commit.

use tokio::sync::mpsc;

use crate::db::{CHANNEL, Heard, Tx, values};
use crate::{Error, Store, Wake};

/// Hints that may wait to be followed up; beyond them, followers look for
/// themselves.
const WAITING: usize = 1024;
/// Most events passed on at a time.
const PAGE: usize = 64;

const SAY: &str = "SELECT CAST(pg_notify($1, $2) AS TEXT)";

/// Says inside a transaction that a session's log grew.
pub(crate) async fn say(tx: &mut Tx<'_>, mark: u64, wake: &Wake) -> Result<(), Error> {
    if !tx.is_shared() {
        return Ok(());
    }
    let Wake { session, head, due } = wake;
    let said = format!("{mark}:{session}:{head}:{}", u8::from(*due));
    tx.rows(SAY, &values![CHANNEL, said]).await.map(drop)
}

/// What was said, and by which store.
fn read(said: &str) -> Option<(u64, Wake)> {
    let mut parts = said.split(':');
    let mark = parts.next()?.parse().ok()?;
    let session = parts.next()?.to_owned();
    let head = parts.next()?.parse().ok()?;
    let due = parts.next()? == "1";
    Some((mark, Wake { session, head, due }))
}

impl Store {
    /// Starts the tasks that hear other nodes, owned by the store.
    pub(crate) fn start_hearing(&self) {
        if !self.db().is_shared() {
            return;
        }
        let (to, heard) = mpsc::channel(WAITING);
        let (listening, following) = (self.clone(), self.clone());
        let mut tasks = self.tasks();
        tasks.spawn(async move { listening.listen(&to).await });
        tasks.spawn(async move { following.pass_on(heard).await });
    }

    async fn listen(&self, to: &mpsc::Sender<Wake>) {
        let hear = |heard| match heard {
            Heard::Gap => self.hub().look_all(),
            Heard::Said(said) => match read(&said) {
                // No log ends with nothing: it was erased.
                Some((mark, wake)) if mark != self.mark() && wake.head == 0 => {
                    self.hub().close(&wake.session);
                }
                Some((mark, wake)) if mark != self.mark() => {
                    self.wake(wake.clone());
                    if to.try_send(wake).is_err() {
                        self.hub().look_all();
                    }
                }
                _ => {}
            },
        };
        self.db().listen(hear).await;
    }

    /// Reads what other nodes appended once, for all who follow it here.
    async fn pass_on(&self, mut heard: mpsc::Receiver<Wake>) {
        while let Some(Wake { session, head, .. }) = heard.recv().await {
            let Some(after) = self.hub().behind(&session, head) else {
                continue;
            };
            match self.page(&session, after, PAGE).await {
                Ok(events) => self.hub().tell(&session, &events),
                Err(error) => {
                    tracing::debug!(%error, session, "followers look for themselves");
                    self.hub().look(&session);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_hint_is_passed_over() {
        let wake = Wake {
            session: "ses_1".to_owned(),
            head: 7,
            due: true,
        };
        assert_eq!(read("9:ses_1:7:1"), Some((9, wake)));
        for bad in [
            "",
            "9",
            "9:ses_1",
            "9:ses_1:x:1",
            "x:ses_1:7:1",
            "9:ses_1:7",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
