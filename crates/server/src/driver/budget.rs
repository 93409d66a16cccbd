//! Budgets: before each model call that anything limits, the worst it can use is
//! known and reserved, under the caps that several sessions share and for this
//! session alone; what is left bounds the answer. So whoever takes over after a
//! crash finds in the store what the call was allowed, whatever was said or
//! lowered since.
//!
//! It may not know how a call ended: that is `settle`'s.

mod settle;

use std::time::Duration;

use brain::{Ask, Model, ModelError};
use session::{Usd, What};
use store::{Amount, Cap, Reserved, Wish};

use super::run::{Run, Stopped};
use crate::clock;

pub(super) use settle::Used;

/// Between the first two looks whether others gave back what they held.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// Between two looks at most.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// What a model call may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// What its input counts, at the worst.
    input: u64,
    /// What its output may be.
    output: u64,
    /// Whether anything is limited at all, and so reserved.
    limited: bool,
}

impl Allowance {
    /// Whether what the call uses is limited.
    pub(super) fn limited(self) -> bool {
        self.limited
    }
}

/// Whether a model call may be made.
pub(super) enum Allowed {
    /// It may.
    Yes(Allowance),
    /// The budget does not cover it.
    Spent,
    /// The duty is another now.
    Cut,
    /// What it costs cannot be told.
    Unknown(ModelError),
}

/// What became of a reservation.
enum Granted {
    Output(u64),
    Spent,
    Cut,
}

impl Run {
    /// Reserves what the call can use, and bounds its answer by what is left.
    pub(super) async fn allow(
        &mut self,
        model: &dyn Model,
        ask: &mut Ask,
    ) -> Result<Allowed, Stopped> {
        let caps = self.caps().await?;
        let (tokens, usd) = self.fold.state.left(&self.frozen);
        let limited = tokens.is_some() || usd.is_some() || !caps.is_empty();
        if !limited {
            let output = ask.max_tokens.into();
            let input = 0;
            return Ok(Allowed::Yes(Allowance {
                input,
                output,
                limited,
            }));
        }
        let input = match self.input(model, ask, (tokens, usd), &caps).await {
            Ok(input) => input,
            Err(error) => return Ok(Allowed::Unknown(error)),
        };
        let output = self.output(input, (tokens, usd)).min(ask.max_tokens.into());
        let granted = if output < self.least() {
            Granted::Spent
        } else {
            self.reserve(&caps, input, output).await?
        };
        Ok(match granted {
            Granted::Spent => Allowed::Spent,
            Granted::Cut => Allowed::Cut,
            Granted::Output(output) => {
                ask.max_tokens = u32::try_from(output).unwrap_or(u32::MAX);
                Allowed::Yes(Allowance {
                    input,
                    output,
                    limited,
                })
            }
        })
    }

    /// What the input counts: a bound from its bytes where that is good enough,
    /// else what the provider counts.
    async fn input(
        &self,
        model: &dyn Model,
        ask: &Ask,
        left: (Option<u64>, Option<Usd>),
        caps: &[Cap],
    ) -> Result<u64, ModelError> {
        let bound = brain::most_tokens(ask);
        if caps.is_empty() && self.output(bound, left) >= ask.max_tokens.into() {
            return Ok(bound);
        }
        model.count(ask).await
    }

    /// Output tokens that an answer must be allowed at least.
    fn least(&self) -> u64 {
        self.app.models.min_output(&self.frozen.model).into()
    }

    /// Output tokens that are left after that input.
    fn output(&self, input: u64, (tokens, usd): (Option<u64>, Option<Usd>)) -> u64 {
        let by_tokens = tokens.map_or(u64::MAX, |left| left.saturating_sub(input));
        by_tokens.min(usd.map_or(u64::MAX, |left| self.buys(input, left)))
    }

    /// Output tokens that the money buys after that input.
    fn buys(&self, input: u64, money: Usd) -> u64 {
        let Some(prices) = self.frozen.prices else {
            return u64::MAX;
        };
        let (dear, each) = prices.dearest(input);
        let dear = Usd(input.saturating_mul(dear));
        match money.less(dear).0.checked_div(each) {
            Some(output) if dear <= money => output,
            Some(_) => 0,
            None => u64::MAX,
        }
    }

    /// Reserves, with those who share a cap. What others hold is waited for: they
    /// seldom use all of it.
    async fn reserve(&mut self, caps: &[Cap], input: u64, output: u64) -> Result<Granted, Stopped> {
        let (began, mut pause) = (self.fold.state.head, FIRST_LOOK);
        loop {
            let wish = self.wish(caps, input, output);
            let reserved = self.app.store.reserve(wish).await?;
            // What was used before is told with it.
            self.settle = None;
            match reserved {
                Reserved::Granted(amount) => {
                    self.stage.leave();
                    return Ok(Granted::Output(self.answer(input, amount).min(output)));
                }
                Reserved::Spent { .. } => {
                    self.stage.leave();
                    return Ok(Granted::Spent);
                }
                Reserved::Held { .. } => {}
            }
            if pause == FIRST_LOOK {
                let next = "it goes on when other sessions give back what they hold of the budget";
                self.stage.enter(What::Quota, None, next);
            }
            tokio::select! {
                stopped = self.cut(began) => {
                    self.stage.leave();
                    return stopped.map(|()| Granted::Cut);
                }
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_LOOK),
            }
        }
    }

    fn wish(&self, caps: &[Cap], input: u64, output: u64) -> Wish {
        Wish {
            session: self.session.clone(),
            epoch: self.epoch,
            caps: caps.to_vec(),
            input,
            least: self.amount(input, self.least()),
            most: self.amount(input, output),
            before: self.settle.map(|used| used.amount),
        }
    }

    /// Output tokens that a reservation allows after that input.
    fn answer(&self, input: u64, amount: Amount) -> u64 {
        let by_tokens = amount.tokens.saturating_sub(input);
        by_tokens.min(self.buys(input, amount.usd))
    }

    /// The worst that so many tokens can cost.
    fn amount(&self, input: u64, output: u64) -> Amount {
        let usd = self.frozen.prices.map_or(0, |prices| {
            let (dear, each) = prices.dearest(input);
            let input = input.saturating_mul(dear);
            input.saturating_add(output.saturating_mul(each))
        });
        Amount {
            tokens: input.saturating_add(output),
            usd: Usd(usd),
        }
    }

    /// The caps that this session shares with others, at this moment.
    async fn caps(&self) -> Result<Vec<Cap>, Stopped> {
        let org = self.app.config.budgets.org_caps();
        // As they are at this moment, so that a raised cap lets its sessions go on.
        let agent = match self.frozen.caps.is_none() {
            true => self.frozen.caps,
            false => match self.app.store.agent(&self.org, &self.frozen.agent).await {
                Ok(agent) => agent.policy.caps,
                Err(store::Error::NotFound) => self.frozen.caps,
                Err(error) => return Err(error.into()),
            },
        };
        let mut groups = vec![(&self.org, org), (&self.frozen.agent, agent)];
        if let Some(cause) = &self.frozen.cause {
            let caps = self.app.store.caps_of(&self.org, cause).await?;
            groups.push((&cause.id, caps));
        }
        let now = clock::now();
        let caps = groups
            .into_iter()
            .flat_map(|(scope, of)| crate::caps::of(scope, &of, now));
        Ok(caps.collect())
    }
}
