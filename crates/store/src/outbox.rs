//! The outbox: what is to be told to whom, written with the facts themselves; and
//! taking from it. Who takes a destination sends to it alone until it lets go or its
//! node dies; so first attempts go in the order of the facts, and two nodes never
//! have the same delivery in hand.
//!
//! What is sent, how, and when to try again is decided elsewhere.

mod lines;
mod put;
mod settle;

use secrecy::{ExposeSecret, SecretString};
use session::Millis;

use crate::db::{Row, Tx, values};
use crate::destinations::place;
use crate::vault::Seal;
use crate::{Error, Store};

pub use lines::{Looked, Shares};
pub(crate) use put::put;
pub use settle::{Outcome, Tried};

/// Most deliveries of a destination that are in hand at once.
const BATCH: u64 = 16;

/// A destination that this node sends to, and what it is to be told next.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The destination.
    pub destination: String,
    /// The org that owns it.
    pub org: String,
    /// The session it is told of.
    pub session: String,
    /// Where to.
    pub url: String,
    /// Whether `body.raw` is told, too.
    pub include_raw: bool,
    /// What signs, the newest first; empty if nothing does. An error if a secret
    /// cannot be opened: nothing may be sent then.
    pub secrets: Result<Vec<SecretString>, Error>,
    /// The session's metadata as text.
    pub metadata: Option<String>,
    /// What it is to be told, in order; not empty.
    pub due: Vec<Pending>,
}

/// A delivery in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The number of the event.
    pub seq: u64,
    /// Which round of attempts this is; asking for it again begins another.
    pub round: u64,
    /// Attempts made in this round.
    pub tries: u64,
}

const TARGET: &str = "SELECT d.org, d.session, d.url, d.include_raw, d.secret, \
    CASE WHEN d.former_until > $1 THEN d.former ELSE NULL END, p.metadata \
    FROM destinations d JOIN pinned p ON p.session = d.session WHERE d.id = $2";
const DUE: &str = "SELECT seq, round, tries FROM deliveries \
    WHERE destination = $1 AND due <= $2 ORDER BY due, seq LIMIT $3";
const IN_HAND: &str =
    "UPDATE deliveries SET status = 'delivering', updated = $1 WHERE destination = $2 AND seq = $3";

/// A destination as it is read in the transaction that takes it, its secrets still
/// sealed.
struct Sealed {
    destination: String,
    org: String,
    session: String,
    url: String,
    include_raw: bool,
    secrets: Vec<Vec<u8>>,
    metadata: Option<String>,
    due: Vec<Pending>,
}

impl Sealed {
    fn secrets(&self, key: &Seal) -> Result<Vec<SecretString>, Error> {
        let open = |sealed: &Vec<u8>| {
            let plain = key.open(place(&self.destination), sealed)?;
            let text = std::str::from_utf8(plain.expose_secret()).map_err(|_| Error::Sealed)?;
            Ok(SecretString::from(text))
        };
        self.secrets.iter().map(open).collect()
    }
}

/// Takes the next deliveries of a destination whose row is held; `None` if none
/// is due.
async fn next(tx: &mut Tx<'_>, destination: &str, now: Millis) -> Result<Option<Sealed>, Error> {
    let rows = tx.rows(DUE, &values![destination, now, BATCH]).await?;
    let due = rows
        .into_iter()
        .map(pending)
        .collect::<Result<Vec<_>, _>>()?;
    let Some(mut row) = tx.row(TARGET, &values![now, destination]).await? else {
        return Ok(None);
    };
    if due.is_empty() {
        return Ok(None);
    }
    let marks: Vec<_> = due
        .iter()
        .map(|pending| values![now, destination, pending.seq].to_vec())
        .collect();
    tx.exec_each(IN_HAND, &marks).await?;
    Ok(Some(Sealed {
        destination: destination.to_owned(),
        org: row.text()?,
        session: row.text()?,
        url: row.text()?,
        include_raw: row.yes()?,
        secrets: [row.opt_bytes()?, row.opt_bytes()?]
            .into_iter()
            .flatten()
            .collect(),
        metadata: row.opt_text()?,
        due,
    }))
}

fn pending(mut row: Row) -> Result<Pending, Error> {
    Ok(Pending {
        seq: row.count()?,
        round: row.count()?,
        tries: row.count()?,
    })
}

impl Store {
    /// Waits until something new may be due for a destination: said here, by this
    /// process; others find it by looking.
    pub async fn outbox_told(&self) {
        self.outbox().notified().await;
    }

    /// What was taken, with its secrets.
    async fn unsealed(&self, sealed: Sealed) -> Taken {
        let secrets = match self.data_key(&sealed.org).await {
            _ if sealed.secrets.is_empty() => Ok(Vec::new()),
            Ok(key) => sealed.secrets(&key),
            Err(error) => Err(error),
        };
        Taken {
            destination: sealed.destination,
            org: sealed.org,
            session: sealed.session,
            url: sealed.url,
            include_raw: sealed.include_raw,
            secrets,
            metadata: sealed.metadata,
            due: sealed.due,
        }
    }
}

/// Every query of this room, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let own = [TARGET, DUE, IN_HAND].map(str::to_owned).to_vec();
    [own, lines::queries(), put::queries(), settle::queries()].concat()
}
