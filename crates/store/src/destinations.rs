//! Destinations: who is told of a session's facts by webhook. A secret signs what
//! is sent and never comes out otherwise; the one before it signs on for a day.

use futures::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use session::{Level, Millis};

use crate::content::json;
use crate::db::{Row, Tx, Value, values};
use crate::facts::{level, rank};
use crate::vault::{Place, Seal};
use crate::{Error, KindFilter, Store};

/// A destination to be made.
#[derive(Debug, Clone)]
pub struct NewDestination {
    /// A fresh id.
    pub id: String,
    /// Where webhooks go.
    pub url: String,
    /// Events of this level and those more public are told.
    pub level: Level,
    /// Only of these types, as [`KindFilter::parse`] reads them; `None` for all.
    pub types: Option<Vec<String>>,
    /// Whether `body.raw` is told, too.
    pub include_raw: bool,
    /// Whether it is told anything now.
    pub enabled: bool,
    /// What signs; without it nothing is signed.
    pub secret: Option<SecretString>,
}

/// What of a destination is to be another; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct DestinationChange {
    /// Where webhooks go.
    pub url: Option<String>,
    /// The level.
    pub level: Option<Level>,
    /// The types; `Some(None)` for all.
    pub types: Option<Option<Vec<String>>>,
    /// Whether `body.raw` is told.
    pub include_raw: Option<bool>,
    /// Whether it is told anything.
    pub enabled: Option<bool>,
    /// The secret; `Some(None)` signs no more.
    pub secret: Option<Option<SecretString>>,
}

/// A destination, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationRow {
    /// Its id.
    pub id: String,
    /// The session it is told of.
    pub session: String,
    /// Where webhooks go.
    pub url: String,
    /// Events of this level and those more public are told.
    pub level: Level,
    /// Only of these types.
    pub types: Option<Vec<String>>,
    /// Whether `body.raw` is told, too.
    pub include_raw: bool,
    /// Whether it is told anything now.
    pub enabled: bool,
    /// Whether what it is told is signed.
    pub has_secret: bool,
    /// Only events beyond this number are told.
    pub after_seq: u64,
    /// When it was made.
    pub created: Millis,
    /// When it was last changed.
    pub updated: Millis,
    /// That its last attempts failed.
    pub failing: Option<Failing>,
}

/// How a destination fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Millis,
    /// How many attempts in a row.
    pub attempts: u64,
    /// How the last one did.
    pub error: String,
}

/// Most destinations of a session.
pub(crate) const MOST: u64 = 20;
/// How long a secret still signs after it was replaced, in milliseconds.
const FORMER: i64 = 24 * 3600 * 1000;
/// Deliveries deleted at a time, so that nobody waits long for the writer.
const BATCH: u64 = 2000;

macro_rules! columns {
    () => {
        "SELECT d.id, d.session, d.url, d.level, d.types, d.include_raw, d.enabled, \
         CASE WHEN d.secret IS NULL THEN 0 ELSE 1 END, d.after_seq, d.created, d.updated, \
         d.failing, d.failures, d.failure FROM destinations d "
    };
}

const OF_SESSION: &str = concat!(
    columns!(),
    "WHERE d.session = $1 ORDER BY d.created DESC, d.id DESC"
);
const ONE: &str = concat!(
    columns!(),
    "WHERE d.id = $1 AND d.session = $2 AND d.org = $3"
);
// Changes nothing, but holds the row: no fact comes meanwhile.
const HOLD: &str = "UPDATE sessions SET outbox = outbox WHERE org = $1 AND id = $2 RETURNING head";
const COUNT: &str = "SELECT COUNT(*) FROM destinations WHERE session = $1";
const LISTEN: &str = "UPDATE sessions SET outbox = \
    (SELECT COUNT(*) FROM destinations d WHERE d.session = $1 AND d.enabled = 1) WHERE id = $1";
const INSERT: &str = "INSERT INTO destinations \
    (id, org, session, url, level, types, include_raw, enabled, secret, after_seq, created, updated) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";
const CHANGE: &str = "UPDATE destinations SET url = $1, level = $2, types = $3, include_raw = $4, \
    enabled = CAST($5 AS BIGINT), updated = $6, failures = 0, failing = NULL, failure = NULL, \
    due = CASE WHEN CAST($5 AS BIGINT) = 1 THEN (SELECT MIN(v.due) FROM deliveries v \
        WHERE v.destination = destinations.id AND v.due IS NOT NULL) ELSE NULL END WHERE id = $7";
const SIGN: &str =
    "UPDATE destinations SET former = secret, former_until = $1, secret = $2 WHERE id = $3";
const DELETE: &str = "DELETE FROM destinations WHERE id = $1 AND session = $2";
const FORGET: &str = "DELETE FROM deliveries WHERE destination = $1 AND seq IN \
    (SELECT v.seq FROM deliveries v WHERE v.destination = $1 ORDER BY v.seq LIMIT $2)";

/// Where a secret stands; the former one stands in the same words, so that the
/// sealed bytes can move there.
pub(crate) fn place(id: &str) -> Place<'_> {
    Place {
        table: "destinations",
        row: id,
        column: "secret",
    }
}

fn read(mut row: Row) -> Result<DestinationRow, Error> {
    let mut destination = DestinationRow {
        id: row.text()?,
        session: row.text()?,
        url: row.text()?,
        level: level(row.int()?)?,
        types: row.opt_text()?.map(|text| types(&text)).transpose()?,
        include_raw: row.yes()?,
        enabled: row.yes()?,
        has_secret: row.yes()?,
        after_seq: row.count()?,
        created: row.millis()?,
        updated: row.millis()?,
        failing: None,
    };
    let (since, attempts) = (row.opt_millis()?, row.count()?);
    let error = row.opt_text()?.unwrap_or_default();
    destination.failing = since.map(|since| Failing {
        since,
        attempts,
        error,
    });
    Ok(destination)
}

/// The types of a destination as they stand in its row.
pub(crate) fn types(text: &str) -> Result<Vec<String>, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what: "destination",
        why: error.to_string(),
    })
}

/// Whether a destination of these types is told of that one.
pub(crate) fn takes(types: Option<&[String]>, kind: &str) -> bool {
    types.is_none_or(|types| types.iter().any(|text| KindFilter::parse(text).takes(kind)))
}

/// A destination ready to be written: its secret is sealed.
pub(crate) struct Prepared {
    new: NewDestination,
    sealed: Option<Vec<u8>>,
}

impl Prepared {
    /// Writes it; returns the row.
    pub(crate) async fn insert(
        self,
        tx: &mut Tx<'_>,
        org: &str,
        session: &str,
        after: u64,
        at: Millis,
    ) -> Result<DestinationRow, Error> {
        let Self { new, sealed } = self;
        let has_secret = sealed.is_some();
        let row = values![
            &new.id,
            org,
            session,
            &new.url,
            rank(new.level),
            new.types.as_ref().map(json),
            new.include_raw,
            new.enabled,
            Value::from(sealed),
            after,
            at,
        ];
        tx.exec(INSERT, &row).await?;
        Ok(DestinationRow {
            id: new.id,
            session: session.to_owned(),
            url: new.url,
            level: new.level,
            types: new.types,
            include_raw: new.include_raw,
            enabled: new.enabled,
            has_secret,
            after_seq: after,
            created: at,
            updated: at,
            failing: None,
        })
    }
}

/// Makes the session's own row say how many destinations listen.
pub(crate) async fn listen(tx: &mut Tx<'_>, session: &str) -> Result<(), Error> {
    tx.exec(LISTEN, &values![session]).await.map(drop)
}

fn seal(key: &Seal, id: &str, secret: &SecretString) -> Result<Vec<u8>, Error> {
    key.seal(place(id), secret.expose_secret().as_bytes())
}

impl Store {
    /// Seals the secrets of destinations that are to be written.
    pub(crate) async fn prepare_destinations(
        &self,
        org: &str,
        new: Vec<NewDestination>,
    ) -> Result<Vec<Prepared>, Error> {
        let mut prepared = Vec::with_capacity(new.len());
        for new in new {
            let sealed = match &new.secret {
                None => None,
                Some(secret) => Some(seal(&self.data_key(org).await?, &new.id, secret)?),
            };
            prepared.push(Prepared { new, sealed });
        }
        Ok(prepared)
    }

    /// Makes a destination, which is told of what comes from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session, [`Error::TooMany`] if it
    /// has as many as it may; as every write.
    pub async fn create_destination(
        &self,
        org: &str,
        session: &str,
        new: NewDestination,
        at: Millis,
    ) -> Result<DestinationRow, Error> {
        self.reach(org, session).await?;
        let mut prepared = self.prepare_destinations(org, vec![new]).await?;
        let prepared = prepared.pop().ok_or(Error::NotFound)?;
        let (org, session) = (org.to_owned(), session.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    let head = hold(tx, &org, &session).await?;
                    let count = tx.row(COUNT, &values![&session]).await?;
                    if count.ok_or(Error::NotFound)?.count()? >= MOST {
                        return Err(Error::TooMany { most: MOST });
                    }
                    let row = prepared.insert(tx, &org, &session, head, at).await?;
                    listen(tx, &session).await?;
                    Ok(row)
                }
                .boxed()
            })
            .await
    }

    /// The destinations of a session, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn destinations(
        &self,
        org: &str,
        session: &str,
    ) -> Result<Vec<DestinationRow>, Error> {
        self.reach(org, session).await?;
        let rows = self.db().rows(OF_SESSION, values![session]).await?;
        rows.into_iter().map(read).collect()
    }

    /// One destination.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or it no such destination.
    pub async fn destination(
        &self,
        org: &str,
        session: &str,
        id: &str,
    ) -> Result<DestinationRow, Error> {
        let row = self.db().row(ONE, values![id, session, org]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// Changes a destination. What was queued for it goes where it says now, signed
    /// as it says now; while it is not enabled nothing new is queued, and what is
    /// queued waits.
    ///
    /// # Errors
    /// As [`Store::destination`]; as every write.
    pub async fn change_destination(
        &self,
        org: &str,
        session: &str,
        id: &str,
        change: DestinationChange,
        at: Millis,
    ) -> Result<DestinationRow, Error> {
        self.destination(org, session, id).await?;
        let sealed = match &change.secret {
            None => None,
            Some(None) => Some(None),
            Some(Some(secret)) => Some(Some(seal(&self.data_key(org).await?, id, secret)?)),
        };
        let (org, session, id) = (org.to_owned(), session.to_owned(), id.to_owned());
        let store = self.clone();
        let changing = self.db().write(
            move |tx| {
                async move {
                    hold(tx, &org, &session).await?;
                    let found = tx.row(ONE, &values![&id, &session, &org]).await?;
                    let found = read(found.ok_or(Error::NotFound)?)?;
                    let changed = found.changed(change, sealed.as_ref(), at);
                    changed.update(tx).await?;
                    if let Some(sealed) = sealed {
                        let until = at.plus(FORMER);
                        tx.exec(SIGN, &values![until, sealed, &id]).await?;
                    }
                    listen(tx, &session).await?;
                    Ok(changed)
                }
                .boxed()
            },
            move |_| store.outbox().notify_one(),
        );
        changing.await
    }

    /// Deletes a destination with its secret and all that was or is to be told it.
    ///
    /// # Errors
    /// As [`Store::destination`]; as every write.
    pub async fn delete_destination(
        &self,
        org: &str,
        session: &str,
        id: &str,
    ) -> Result<(), Error> {
        let (org, session, own) = (org.to_owned(), session.to_owned(), id.to_owned());
        self.db()
            .change(move |tx| {
                async move {
                    hold(tx, &org, &session).await?;
                    if tx.exec(DELETE, &values![own, &session]).await? == 0 {
                        return Err(Error::NotFound);
                    }
                    listen(tx, &session).await
                }
                .boxed()
            })
            .await?;
        while self.db().exec(FORGET, values![id, BATCH]).await? == BATCH {}
        Ok(())
    }
}

impl DestinationRow {
    /// As it is after a change.
    fn changed(
        self,
        change: DestinationChange,
        sealed: Option<&Option<Vec<u8>>>,
        at: Millis,
    ) -> Self {
        Self {
            url: change.url.unwrap_or(self.url),
            level: change.level.unwrap_or(self.level),
            types: change.types.unwrap_or(self.types),
            include_raw: change.include_raw.unwrap_or(self.include_raw),
            enabled: change.enabled.unwrap_or(self.enabled),
            has_secret: sealed.map_or(self.has_secret, Option::is_some),
            updated: at,
            failing: None,
            ..self
        }
    }

    async fn update(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let row = values![
            &self.url,
            rank(self.level),
            self.types.as_ref().map(json),
            self.include_raw,
            self.enabled,
            self.updated,
            &self.id,
        ];
        tx.exec(CHANGE, &row).await.map(drop)
    }
}

/// Holds the session's row to the end of the transaction; its head.
async fn hold(tx: &mut Tx<'_>, org: &str, session: &str) -> Result<u64, Error> {
    let row = tx.row(HOLD, &values![org, session]).await?;
    row.ok_or(Error::NotFound)?.count()
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [
        OF_SESSION, ONE, HOLD, COUNT, LISTEN, CHANGE, SIGN, DELETE, FORGET,
    ]
    .map(str::to_owned)
    .into()
}
