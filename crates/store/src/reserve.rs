//! Budgets: the worst case of a model call is reserved before it is made, and
//! settled after it. What is spent and reserved together never passes a cap.
//!
//! A session has at most one reservation, because it makes one call at a time.
//! The sums of a cap stand in its row, so that asking costs one row for each
//! cap, however many sessions share it.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use session::Usd;

use crate::budget::{Amount, Cap};
use crate::content::json;
use crate::db::{Tx, values};
use crate::{Error, Sabotage, Store, sabotaged};

/// Most of a wish that is looked at: sums of it stay within what a database holds.
const LARGEST: u64 = 1 << 53;

/// Scope and period of a cap.
type Name = (String, String);

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
const PUT: &str = "INSERT INTO reservations (session, tokens, usd, caps) VALUES ($1, $2, $3, $4)";
const TAKE: &str = "DELETE FROM reservations WHERE session = $1 RETURNING tokens, usd, caps";

impl Store {
    /// Reserves at most `most` and at least `least` under every cap, for the
    /// driver that holds the lease of that epoch. A reservation the session had
    /// is given back first.
    ///
    /// # Errors
    /// [`Error::Fenced`] if the lease is another's or the session is gone; as
    /// every write.
    pub async fn reserve(
        &self,
        session: &str,
        epoch: u64,
        caps: &[Cap],
        least: Amount,
        most: Amount,
    ) -> Result<Reserved, Error> {
        let mut caps = caps.to_vec();
        caps.sort_by_key(name);
        caps.dedup();
        let wish = Wish {
            session: session.to_owned(),
            epoch,
            caps,
            least,
            most,
        };
        self.db().change(|tx| wish.run(tx).boxed()).await
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

struct Wish {
    session: String,
    epoch: u64,
    caps: Vec<Cap>,
    least: Amount,
    most: Amount,
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
            held.end(tx, Amount::default()).await?;
            for name in held.names {
                let Taken { held: all, .. } = taken.entry(name).or_default();
                all.tokens = all.tokens.saturating_sub(held.amount.tokens);
                all.usd = all.usd.less(held.amount.usd);
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
        if !held.names.is_empty() {
            held.put(tx, &self.session).await?;
        }
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
}

/// What is gone of a cap. Its row is this transaction's from here on.
async fn open(tx: &mut Tx<'_>, (scope, period): &Name) -> Result<Taken, Error> {
    tx.exec(OPEN, &values![scope, period]).await?;
    let row = tx.row(HOLD, &values![0u64, 0u64, scope, period]).await?;
    let mut row = row.ok_or(Error::NotFound)?;
    let mut amount = || {
        Ok::<_, Error>(Amount {
            tokens: row.count()?,
            usd: Usd(row.count()?),
        })
    };
    Ok(Taken {
        spent: amount()?,
        held: amount()?,
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
    async fn put(&self, tx: &mut Tx<'_>, session: &str) -> Result<(), Error> {
        let Amount { tokens, usd } = self.amount;
        for (scope, period) in &self.names {
            tx.row(HOLD, &values![tokens, usd.0, scope, period]).await?;
        }
        let row = values![session, tokens, usd.0, json(&self.names)];
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
    let Some(mut row) = tx.row(TAKE, &values![session]).await? else {
        return Ok(None);
    };
    let amount = Amount {
        tokens: row.count()?,
        usd: Usd(row.count()?),
    };
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

/// Ends a session's reservation, if it has one, as used up: nobody knows better.
pub(crate) async fn use_up(tx: &mut Tx<'_>, session: &str) -> Result<(), Error> {
    match take(tx, session).await? {
        Some(held) => held.end(tx, held.amount).await,
        None => Ok(()),
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    [EPOCH, HOLD, SPEND, SPENT, TAKE].map(str::to_owned).into()
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
