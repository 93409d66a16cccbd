//! Budgets: the worst case of a model call is reserved before it is made, and
//! settled after it. What is spent and reserved together never passes a cap.
//!
//! A session has at most one reservation, because it makes one call at a time.
//! It stands until somebody tells what the call used; what nobody tells of was
//! used up. So a crash at any moment is on the safe side, also where no cap is
//! shared and only the run that takes over asks.
//! The sums of a cap stand in its row, so that asking costs one row for each
//! cap, however many sessions share it.
//!
//! It may not know what a call is, what tokens cost, or what a limit says.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use session::{Millis, Usd};

use crate::budget::{Amount, Cap};
use crate::content::json;
use crate::db::{Row, Tx, values};
use crate::{Error, Sabotage, Store, sabotaged};

/// Most of a wish that is looked at: sums of it stay within what a database holds.
const LARGEST: u64 = 1 << 53;

/// Scope and period of a cap.
type Name = (String, String);

/// What a session wishes to use for its next model call.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The session.
    pub session: String,
    /// The lease of the driver that wishes.
    pub epoch: u64,
    /// The caps that the session shares; none if only its own limits hold.
    pub caps: Vec<Cap>,
    /// Tokens of the question, which are part of both amounts.
    pub input: u64,
    /// What is of use at least.
    pub least: Amount,
    /// What it can come to at most.
    pub most: Amount,
    /// What the session used of the reservation that it has, if it has one;
    /// `None` if nobody knows, and then all of it was used.
    pub before: Option<Amount>,
}

/// What a session may use for the call it makes, or made when it was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Tokens of the question, which are part of the amount.
    pub input: u64,
    /// The most that the call can use.
    pub amount: Amount,
}

/// What became of a wish to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// This much may be spent; what is not capped is granted as asked.
    Granted(Amount),
    /// Not even the least is left of this cap now, but other sessions hold some of
    /// it and may not use it all.
    Held {
        /// The cap's scope.
        scope: String,
        /// Its period.
        period: String,
    },
    /// Not even the least is left of this cap.
    Spent {
        /// The cap's scope.
        scope: String,
        /// Its period.
        period: String,
    },
}

const EPOCH: &str = "SELECT epoch FROM sessions WHERE id = $1";
const OPEN: &str = "INSERT INTO caps (scope, period, tokens, usd, held_tokens, held_usd) VALUES ($1, $2, 0, 0, 0, 0) \
    ON CONFLICT (scope, period) DO NOTHING";
// Without SKIP: a cap that another one changes is waited for.
const HOLD: &str = "UPDATE caps SET held_tokens = held_tokens + $1, held_usd = held_usd + $2 \
    WHERE scope = $3 AND period = $4 RETURNING tokens, usd, held_tokens, held_usd";
const SPEND: &str = "UPDATE caps SET held_tokens = held_tokens - $1, held_usd = held_usd - $2, \
    tokens = tokens + $3, usd = usd + $4 WHERE scope = $5 AND period = $6";
const SPENT: &str = "SELECT tokens, usd FROM caps WHERE scope = $1 AND period = $2";
const PUT: &str = "INSERT INTO reservations (session, tokens, usd, caps, input, epoch) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const LOOK: &str = "SELECT tokens, usd, input FROM reservations WHERE session = $1";
const TAKE: &str = "DELETE FROM reservations WHERE session = $1 RETURNING tokens, usd, caps";
// Whoever drives the session after this one reads what it left.
const TAKE_MINE: &str = "DELETE FROM reservations WHERE session = $1 AND epoch = $2 AND NOT EXISTS \
    (SELECT 1 FROM sessions s WHERE s.id = reservations.session AND s.due IS NOT NULL) \
    RETURNING tokens, usd, caps";
const IS_DRIVEN: &str = "SELECT CAST(1 AS BIGINT) FROM sessions s JOIN nodes n ON n.id = s.node \
    WHERE s.id = $1 AND n.until > $2";

impl Store {
    /// Reserves at most `most` and at least `least` under every cap, for the
    /// driver that holds the lease of that epoch. The reservation the session had
    /// is settled first, whatever the answer is. What is granted is written down
    /// under no cap, too, so that a run that takes over can charge it.
    ///
    /// # Errors
    /// [`Error::Fenced`] if the lease is another's or the session is gone; as
    /// every write.
    pub async fn reserve(&self, mut wish: Wish) -> Result<Reserved, Error> {
        wish.caps.sort_by_key(name);
        wish.caps.dedup();
        self.db().change(|tx| wish.run(tx).boxed()).await
    }

    /// What the session may use for a call, if it was not settled.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn reservation(&self, session: &str) -> Result<Option<Reservation>, Error> {
        let row = self.db().row(LOOK, values![session]).await?;
        let Some(mut row) = row.filter(|_| !sabotaged(Sabotage::BudgetForgotten)) else {
            return Ok(None);
        };
        let amount = amount(&mut row)?;
        let input = row.count()?;
        Ok(Some(Reservation { input, amount }))
    }

    /// Ends the reservation that the driver of that epoch made for a session which
    /// was archived or erased meanwhile: this much was used. Nothing happens
    /// where the session goes on: whoever drives it now counts what was left.
    ///
    /// # Errors
    /// As every write.
    pub async fn settle_gone(&self, session: &str, epoch: u64, used: Amount) -> Result<(), Error> {
        let session = session.to_owned();
        self.db()
            .change(move |tx| settle_mine(tx, session, epoch, used).boxed())
            .await
    }

    /// What is spent of each cap, without what is only reserved.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn caps_spent(&self, caps: &[Cap]) -> Result<Vec<Amount>, Error> {
        let mut spent = Vec::with_capacity(caps.len());
        for cap in caps {
            let row = self
                .db()
                .row(SPENT, values![&cap.scope, &cap.period])
                .await?;
            spent.push(match row {
                Some(mut row) => Amount {
                    tokens: row.count()?,
                    usd: Usd(row.count()?),
                },
                None => Amount::default(),
            });
        }
        Ok(spent)
    }
}

impl Wish {
    async fn run(self, tx: &mut Tx<'_>) -> Result<Reserved, Error> {
        let mine = tx.row(EPOCH, &values![&self.session]).await?;
        if mine.map(|mut row| row.count()).transpose()? != Some(self.epoch) {
            return Err(Error::Fenced);
        }
        if sabotaged(Sabotage::BudgetOff) {
            return Ok(Reserved::Granted(self.most));
        }
        let mut names: BTreeSet<Name> = self.caps.iter().map(name).collect();
        let before = take(tx, &self.session).await?;
        names.extend(before.iter().flat_map(|held| held.names.clone()));
        // Everyone takes the rows in this order, so that nobody waits in a ring.
        let mut taken = BTreeMap::new();
        for name in names {
            taken.insert(name.clone(), open(tx, &name).await?);
        }
        if let Some(held) = before {
            let unknown = match sabotaged(Sabotage::BudgetForgotten) {
                true => Amount::default(),
                false => held.amount,
            };
            let used = self.before.unwrap_or(unknown);
            held.end(tx, used).await?;
            for name in held.names {
                taken.entry(name).or_default().settle(held.amount, used);
            }
        }
        self.grant(tx, &taken).await
    }

    /// Whether this is less than the least that is of use.
    fn too_little(&self, granted: Amount) -> bool {
        granted.tokens < self.least.tokens || granted.usd < self.least.usd
    }

    async fn grant(
        self,
        tx: &mut Tx<'_>,
        taken: &BTreeMap<Name, Taken>,
    ) -> Result<Reserved, Error> {
        let mut granted = Amount {
            tokens: self.most.tokens.min(LARGEST),
            usd: self.most.usd.min(Usd(LARGEST)),
        };
        for cap in &self.caps {
            let taken = taken.get(&name(cap)).copied().unwrap_or_default();
            granted = fit(granted, cap, taken.all());
            if self.too_little(granted) {
                let (scope, period) = name(cap);
                // What others hold is given back as far as they do not use it.
                let without = fit(self.least, cap, taken.spent);
                return Ok(if self.too_little(without) {
                    Reserved::Spent { scope, period }
                } else {
                    Reserved::Held { scope, period }
                });
            }
        }
        let held = Held {
            amount: granted,
            names: self.caps.iter().map(name).collect(),
        };
        held.put(tx, &self).await?;
        Ok(Reserved::Granted(granted))
    }
}

/// What is gone of a cap.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    spent: Amount,
    /// Reserved, by whomever.
    held: Amount,
}

impl Taken {
    fn all(self) -> Amount {
        Amount {
            tokens: self.spent.tokens.saturating_add(self.held.tokens),
            usd: self.spent.usd.plus(self.held.usd),
        }
    }

    /// So much is held no more, and so much of it was spent.
    fn settle(&mut self, held: Amount, used: Amount) {
        self.held.tokens = self.held.tokens.saturating_sub(held.tokens);
        self.held.usd = self.held.usd.less(held.usd);
        self.spent.tokens = self.spent.tokens.saturating_add(used.tokens);
        self.spent.usd = self.spent.usd.plus(used.usd);
    }
}

/// What is gone of a cap. Its row is this transaction's from here on.
async fn open(tx: &mut Tx<'_>, (scope, period): &Name) -> Result<Taken, Error> {
    tx.exec(OPEN, &values![scope, period]).await?;
    let row = tx.row(HOLD, &values![0u64, 0u64, scope, period]).await?;
    let mut row = row.ok_or(Error::NotFound)?;
    Ok(Taken {
        spent: amount(&mut row)?,
        held: amount(&mut row)?,
    })
}

fn amount(row: &mut Row) -> Result<Amount, Error> {
    Ok(Amount {
        tokens: row.count()?,
        usd: Usd(row.count()?),
    })
}

fn name(cap: &Cap) -> Name {
    (cap.scope.clone(), cap.period.clone())
}

/// A reservation.
struct Held {
    amount: Amount,
    names: Vec<Name>,
}

impl Held {
    async fn put(&self, tx: &mut Tx<'_>, wish: &Wish) -> Result<(), Error> {
        let Amount { tokens, usd } = self.amount;
        for (scope, period) in &self.names {
            tx.row(HOLD, &values![tokens, usd.0, scope, period]).await?;
        }
        let caps = json(&self.names);
        let row = values![&wish.session, tokens, usd.0, caps, wish.input, wish.epoch];
        tx.exec(PUT, &row).await.map(drop)
    }

    /// Gives it back, less what was used.
    async fn end(&self, tx: &mut Tx<'_>, used: Amount) -> Result<(), Error> {
        let Amount { tokens, usd } = self.amount;
        for (scope, period) in &self.names {
            let values = values![tokens, usd.0, used.tokens, used.usd.0, scope, period];
            tx.exec(SPEND, &values).await?;
        }
        Ok(())
    }
}

/// Takes the session's reservation away, if it has one.
async fn take(tx: &mut Tx<'_>, session: &str) -> Result<Option<Held>, Error> {
    taken(tx.row(TAKE, &values![session]).await?)
}

fn taken(row: Option<Row>) -> Result<Option<Held>, Error> {
    let Some(mut row) = row else {
        return Ok(None);
    };
    let amount = amount(&mut row)?;
    let names = serde_json::from_str(&row.text()?).map_err(|error| Error::Corrupt {
        what: "reservation",
        why: error.to_string(),
    })?;
    Ok(Some(Held { amount, names }))
}

/// As much of a wish as a cap has left.
fn fit(wish: Amount, cap: &Cap, taken: Amount) -> Amount {
    let left =
        |most: Option<u64>, taken: u64| most.map_or(u64::MAX, |most| most.saturating_sub(taken));
    Amount {
        tokens: wish.tokens.min(left(cap.tokens, taken.tokens)),
        usd: Usd(wish.usd.0.min(left(cap.usd.map(|usd| usd.0), taken.usd.0))),
    }
}

/// Ends a session's reservation, if it has one: this much was used.
pub(crate) async fn settle(tx: &mut Tx<'_>, session: &str, used: Amount) -> Result<(), Error> {
    match take(tx, session).await? {
        Some(held) => held.end(tx, used).await,
        None => Ok(()),
    }
}

/// Ends the reservation of that epoch, if nobody drives the session any more.
async fn settle_mine(
    tx: &mut Tx<'_>,
    session: String,
    epoch: u64,
    used: Amount,
) -> Result<(), Error> {
    match taken(tx.row(TAKE_MINE, &values![session, epoch]).await?)? {
        Some(held) => held.end(tx, used).await,
        None => Ok(()),
    }
}

/// Ends a session's reservation, if it has one, as used up: nobody knows better.
pub(crate) async fn use_up(tx: &mut Tx<'_>, session: &str) -> Result<(), Error> {
    match take(tx, session).await? {
        Some(held) => held.end(tx, held.amount).await,
        None => Ok(()),
    }
}

/// Ends the reservation of a session that is being erased, as used up, unless a
/// node drives it just now: that one knows better, and settles it.
pub(crate) async fn orphan(tx: &mut Tx<'_>, session: &str, at: Millis) -> Result<(), Error> {
    match tx.row(IS_DRIVEN, &values![session, at]).await? {
        Some(_) => Ok(()),
        None => use_up(tx, session).await,
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [EPOCH, HOLD, SPEND, SPENT, LOOK, TAKE, TAKE_MINE, IS_DRIVEN]
        .map(str::to_owned)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_cuts_what_it_caps_and_no_more() {
        let cap = |tokens, usd| Cap {
            scope: "s".to_owned(),
            period: "p".to_owned(),
            tokens,
            usd,
        };
        let amount = |tokens, usd| Amount {
            tokens,
            usd: Usd(usd),
        };
        let wish = amount(100, 50);
        let table = [
            (cap(None, None), amount(999, 999), amount(100, 50)),
            (cap(Some(120), None), amount(0, 0), amount(100, 50)),
            (cap(Some(120), None), amount(30, 0), amount(90, 50)),
            (cap(Some(120), Some(Usd(60))), amount(130, 59), amount(0, 1)),
        ];
        for (cap, taken, want) in table {
            assert_eq!(fit(wish, &cap, taken), want, "{cap:?} {taken:?}");
        }
    }
}
