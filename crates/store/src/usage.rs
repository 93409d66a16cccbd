//! Usage, as it is billed: rows of turns (`tally.rs`) and spans of sandboxes,
//! summed up for an org. They outlive the session they tell of.

use futures::FutureExt;
use session::{Millis, Tokens, Usd};

use crate::db::{Row, Tx, values};
use crate::{Error, Store};

/// Milliseconds of a day (UTC).
const DAY: i64 = 24 * 3600 * 1000;

/// What the rows of a report stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// An agent, by id.
    Agent,
    /// A session, by id.
    Session,
    /// A day (UTC), as its number since 1970-01-01.
    Day,
}

/// A row of a report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageRow {
    /// An agent, a session or the number of a day, as asked for.
    pub group: String,
    /// Turns that ended.
    pub turns: u64,
    /// Milliseconds in which turns ran.
    pub active_ms: u64,
    /// Their tokens.
    pub tokens: Tokens,
    /// What they cost, as far as prices are known.
    pub usd: Usd,
    /// Turns whose cost is not known.
    pub unpriced_turns: u64,
    /// Seconds in which sandboxes ran.
    pub sandbox_seconds: u64,
    /// The same, times the memory of each in GiB.
    pub sandbox_gib_seconds: u64,
}

// A span only grows, whoever writes it and however often.
const RAN: &str = "INSERT INTO usage_sandboxes (sandbox, day, org, agent, session, since, until, mib) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (sandbox, day) DO UPDATE SET \
    since = CASE WHEN excluded.since < usage_sandboxes.since THEN excluded.since ELSE usage_sandboxes.since END, \
    until = CASE WHEN excluded.until > usage_sandboxes.until THEN excluded.until ELSE usage_sandboxes.until END, \
    mib = excluded.mib";

fn turns(by: UsageBy) -> String {
    let group = match by {
        UsageBy::Agent => "agent",
        UsageBy::Session => "session",
        UsageBy::Day => "CAST(ended / 86400000 AS TEXT)",
    };
    format!(
        "SELECT {group}, COUNT(*), CAST(SUM(active_ms) AS BIGINT), CAST(SUM(input) AS BIGINT), \
        CAST(SUM(output) AS BIGINT), CAST(SUM(cache_write) AS BIGINT), CAST(SUM(cache_read) AS BIGINT), \
        CAST(COALESCE(SUM(usd), 0) AS BIGINT), COUNT(*) - COUNT(usd) \
        FROM usage_turns WHERE org = $1 AND ended >= $2 AND ended < $3 GROUP BY {group}"
    )
}

/// The part of each span that lies within the report.
fn spans(by: UsageBy) -> String {
    let group = match by {
        UsageBy::Agent => "agent",
        UsageBy::Session => "session",
        UsageBy::Day => "CAST(day AS TEXT)",
    };
    format!(
        "SELECT {group}, CAST(SUM(ms) AS BIGINT), CAST(SUM(ms / 1000 * mib) AS BIGINT) FROM \
        (SELECT agent, session, day, mib, CASE WHEN until < $1 THEN until ELSE $1 END \
            - CASE WHEN since > $2 THEN since ELSE $2 END AS ms \
        FROM usage_sandboxes WHERE org = $3 AND day >= $4 AND day <= $5 AND until > $2 AND since < $1) parts \
        GROUP BY {group}"
    )
}

/// A sandbox that ran for a while.
struct Ran {
    org: String,
    agent: String,
    session: String,
    sandbox: String,
    from: Millis,
    to: Millis,
    mib: u64,
}

impl Store {
    /// Takes note that a sandbox ran from then to then; told again and again
    /// while it runs, each span is counted once.
    ///
    /// # Errors
    /// As every write.
    #[expect(clippy::too_many_arguments, reason = "they are the columns of one row")]
    pub async fn sandbox_ran(
        &self,
        org: &str,
        agent: &str,
        session: &str,
        sandbox: &str,
        from: Millis,
        to: Millis,
        mib: u64,
    ) -> Result<(), Error> {
        let ran = Ran {
            org: org.to_owned(),
            agent: agent.to_owned(),
            session: session.to_owned(),
            sandbox: sandbox.to_owned(),
            from,
            to,
            mib,
        };
        self.db().change(|tx| ran.write(tx).boxed()).await
    }

    /// What an org used from then (included) to then (excluded), in the order
    /// of the groups' names.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn usage(
        &self,
        org: &str,
        from: Millis,
        to: Millis,
        by: UsageBy,
    ) -> Result<Vec<UsageRow>, Error> {
        let mut rows = Vec::new();
        for row in self.db().rows(turns(by), values![org, from, to]).await? {
            rows.push(turn_row(row)?);
        }
        let (first, last) = (from.0.div_euclid(DAY), to.0.div_euclid(DAY));
        let within = values![to, from, org, first, last];
        for mut row in self.db().rows(spans(by), within).await? {
            let group = row.text()?;
            let known = rows.iter().position(|row: &UsageRow| row.group == group);
            let at = known.unwrap_or_else(|| {
                let group = group.clone();
                rows.push(UsageRow {
                    group,
                    ..UsageRow::default()
                });
                rows.len() - 1
            });
            rows[at].sandbox_seconds = row.count()? / 1000;
            rows[at].sandbox_gib_seconds = row.count()? / 1024;
        }
        rows.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(rows)
    }
}

impl Ran {
    async fn write(self, tx: &mut Tx<'_>) -> Result<(), Error> {
        if self.to <= self.from {
            return Ok(());
        }
        let last = self.to.plus(-1).0.div_euclid(DAY);
        for day in self.from.0.div_euclid(DAY)..=last {
            let since = self.from.0.max(day * DAY);
            let until = self.to.0.min((day + 1) * DAY);
            let row = values![
                &self.sandbox,
                day,
                &self.org,
                &self.agent,
                &self.session,
                since,
                until,
                self.mib
            ];
            tx.exec(RAN, &row).await?;
        }
        Ok(())
    }
}

fn turn_row(mut row: Row) -> Result<UsageRow, Error> {
    Ok(UsageRow {
        group: row.text()?,
        turns: row.count()?,
        active_ms: row.count()?,
        tokens: Tokens {
            input: row.count()?,
            output: row.count()?,
            cache_write: row.count()?,
            cache_read: row.count()?,
            ..Tokens::default()
        },
        usd: Usd(row.count()?),
        unpriced_turns: row.count()?,
        ..UsageRow::default()
    })
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let by = [UsageBy::Agent, UsageBy::Session, UsageBy::Day];
    by.into_iter()
        .flat_map(|by| [turns(by), spans(by)])
        .collect()
}
