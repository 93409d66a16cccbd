//! Deliveries as they are shown: what a destination was told, is told now, will be
//! told again, or was given up on.

use futures::FutureExt;
use session::{Millis, id};

use crate::db::{Row, Value, values};
use crate::{Error, Store};

/// One event for one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The destination.
    pub destination: String,
    /// The number of the event.
    pub seq: u64,
    /// The session.
    pub session: String,
    /// `pending`, `delivering`, `delivered`, `failed` or `dead_letter`.
    pub status: String,
    /// Attempts made, of all rounds.
    pub attempts: u64,
    /// When the last one was made.
    pub tried: Option<Millis>,
    /// The status of the receiver's last answer, if it gave one.
    pub code: Option<u64>,
    /// Why the last one failed, if it did.
    pub error: Option<String>,
    /// When the next one is due.
    pub due: Option<Millis>,
    /// When it was queued.
    pub created: Millis,
    /// When it last changed.
    pub updated: Millis,
}

/// Which deliveries of a session; `None` takes any.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// To this destination.
    pub destination: Option<String>,
    /// In this state, by name.
    pub status: Option<String>,
    /// Only those behind this one, by destination and number.
    pub after: Option<(String, u64)>,
    /// Most deliveries.
    pub limit: usize,
}

/// The names of the states.
pub const STATES: [&str; 5] = [
    "pending",
    "delivering",
    "delivered",
    "failed",
    "dead_letter",
];

/// What waits in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Deliveries that are to be tried, or tried again.
    pub pending: u64,
    /// When the oldest of them was queued.
    pub oldest: Option<Millis>,
}

const COLUMNS: &str = "v.destination, v.seq, v.session, v.status, v.attempts, v.tried, v.code, \
    v.error, v.due, v.created, v.updated";
const HOLD: &str = "UPDATE destinations SET node = node WHERE id = $1 AND session = $2 AND org = $3 RETURNING enabled";
const AGAIN: &str = "UPDATE deliveries SET status = 'pending', due = $1, round = round + 1, tries = 0, \
    updated = $1 WHERE destination = $2 AND seq = $3";
const DUE: &str = "UPDATE destinations SET due = CASE WHEN due <= $1 THEN due ELSE $1 END \
    WHERE id = $2 AND enabled = 1";
const WAITING: &str = "SELECT COUNT(*), MIN(created) FROM deliveries WHERE due IS NOT NULL";

fn one() -> String {
    format!(
        "SELECT {COLUMNS} FROM deliveries v WHERE v.destination = $1 AND v.seq = $2 AND v.session = $3"
    )
}

fn select(session: &str, filter: &DeliveryFilter) -> (String, Vec<Value>) {
    // Those of a destination that was just deleted are shown no more.
    let mut sql = format!(
        "SELECT {COLUMNS} FROM deliveries v WHERE v.session = $1 \
         AND EXISTS (SELECT 1 FROM destinations d WHERE d.id = v.destination)"
    );
    let mut values: Vec<_> = values![session].into();
    let mut place = |value: Value| {
        values.push(value);
        values.len()
    };
    if let Some(destination) = &filter.destination {
        sql.push_str(&format!(
            " AND v.destination = ${}",
            place(destination.into())
        ));
    }
    if let Some(status) = &filter.status {
        sql.push_str(&format!(" AND v.status = ${}", place(status.into())));
    }
    if let Some((destination, seq)) = &filter.after {
        let (seq, destination) = (place((*seq).into()), place(destination.into()));
        sql.push_str(&format!(
            " AND (v.seq, v.destination) < (${seq}, ${destination})"
        ));
    }
    let most = place((filter.limit as u64).into());
    sql.push_str(&format!(
        " ORDER BY v.seq DESC, v.destination DESC LIMIT ${most}"
    ));
    (sql, values)
}

fn read(mut row: Row) -> Result<DeliveryRow, Error> {
    Ok(DeliveryRow {
        destination: row.text()?,
        seq: row.count()?,
        session: row.text()?,
        status: row.text()?,
        attempts: row.count()?,
        tried: row.opt_millis()?,
        code: row.opt_int()?.and_then(|code| u64::try_from(code).ok()),
        error: row.opt_text()?,
        due: row.opt_millis()?,
        created: row.millis()?,
        updated: row.millis()?,
    })
}

impl DeliveryRow {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> String {
        id::delivery(&self.destination, self.seq)
    }
}

impl Store {
    /// Deliveries of a session, those of the newest events first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session.
    pub async fn deliveries(
        &self,
        org: &str,
        session: &str,
        filter: DeliveryFilter,
    ) -> Result<Vec<DeliveryRow>, Error> {
        self.reach(org, session).await?;
        let (sql, values) = select(session, &filter);
        let rows = self.db().rows(sql, values).await?;
        rows.into_iter().map(read).collect()
    }

    /// One delivery, by destination and number of the event.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such session or it no such delivery.
    pub async fn delivery(
        &self,
        org: &str,
        session: &str,
        destination: &str,
        seq: u64,
    ) -> Result<DeliveryRow, Error> {
        self.destination(org, session, destination).await?;
        let row = self
            .db()
            .row(one(), values![destination, seq, session])
            .await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// Queues a delivery again, whatever became of it, with all its attempts before
    /// it. One that is in hand right now goes out once more after that.
    ///
    /// # Errors
    /// As [`Store::delivery`]; as every write.
    pub async fn redeliver(
        &self,
        org: &str,
        session: &str,
        destination: &str,
        seq: u64,
        at: Millis,
    ) -> Result<DeliveryRow, Error> {
        let (org, session) = (org.to_owned(), session.to_owned());
        let (destination, store) = (destination.to_owned(), self.clone());
        self.db()
            .write(
                move |tx| {
                    async move {
                        let hold = values![&destination, &session, &org];
                        tx.row(HOLD, &hold).await?.ok_or(Error::NotFound)?;
                        tx.exec(AGAIN, &values![at, &destination, seq]).await?;
                        tx.exec(DUE, &values![at, &destination]).await?;
                        let row = tx.row(&one(), &values![destination, seq, session]).await?;
                        read(row.ok_or(Error::NotFound)?)
                    }
                    .boxed()
                },
                move |_| store.outbox().notify_one(),
            )
            .await
    }

    /// What waits in the outbox.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn waiting_deliveries(&self) -> Result<Waiting, Error> {
        let row = self.db().rows(WAITING, []).await?.pop();
        let mut row = row.ok_or(Error::NotFound)?;
        Ok(Waiting {
            pending: row.count()?,
            oldest: row.opt_millis()?,
        })
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let some = |yes: usize| (yes != 0).then(|| "x".to_owned());
    let listed = (0..8).map(|bits: usize| {
        let filter = DeliveryFilter {
            destination: some(bits & 1),
            status: some(bits & 2),
            after: some(bits & 4).map(|destination| (destination, 7)),
            limit: 1,
        };
        select("ses", &filter).0
    });
    let own = [HOLD, AGAIN, DUE, WAITING].map(str::to_owned);
    listed.chain(own).chain([one()]).collect()
}
