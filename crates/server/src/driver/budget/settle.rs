//! What became of a reservation: used as the answer said, or, of a call that was
//! cut, at the most it can have used. What the run before left reserved, and
//! nobody told of, was used up.
//!
//! It promises that each reservation is charged once, in the transaction of the
//! fact that tells of it, or, where the log takes no more facts, by itself. It
//! may not know what was said since: today's question tells nothing of the call
//! that was cut.

use brain::Meter;
use session::fact::{Lapse, Recovery};
use session::{Command, Tokens};
use store::{Amount, Reservation};

use super::Allowance;
use crate::driver::run::{Run, Stopped};

/// What a call used of what was reserved for it.
#[derive(Debug, Clone, Copy)]
pub(in crate::driver) struct Used {
    /// Tokens, by their kinds.
    pub(in crate::driver) tokens: Tokens,
    /// The same, as caps count it.
    pub(in crate::driver) amount: Amount,
}

impl Run {
    /// Settles a call that told what it used, with the next append.
    pub(in crate::driver) fn settle_used(&mut self, allowance: Allowance, used: Option<Tokens>) {
        self.settle = allowance.limited.then(|| match used {
            Some(tokens) => self.used(tokens),
            None => self.worst(allowance.input, allowance.output),
        });
    }

    /// Settles a call that did not tell what it used, at the most it can have
    /// used by what was seen of it.
    pub(in crate::driver) async fn settle_cut(
        &mut self,
        allowance: Allowance,
        meter: &Meter,
    ) -> Result<(), Stopped> {
        self.settle_lost(allowance, meter);
        match self.settle {
            Some(Used { tokens, .. }) if tokens.total() > 0 => {
                self.commit(Command::ModelCut(tokens)).await
            }
            _ => Ok(()),
        }
    }

    /// The same, where this run may append nothing more.
    pub(in crate::driver) fn settle_lost(&mut self, allowance: Allowance, meter: &Meter) {
        let charged = meter.most(allowance.input, allowance.output);
        self.settle = allowance.limited.then(|| self.used(charged));
    }

    /// Settles without a fact, if the session was archived or erased. One that
    /// goes on elsewhere is charged there.
    pub(in crate::driver) async fn settle_gone(&mut self) -> Result<(), Stopped> {
        if let Some(Used { amount, .. }) = self.settle.take() {
            let store = &self.app.store;
            store.settle_gone(&self.session, self.epoch, amount).await?;
        }
        Ok(())
    }

    fn used(&self, tokens: Tokens) -> Used {
        let usd = self.frozen.cost(self.frozen.rated(tokens));
        Used {
            tokens,
            amount: Amount {
                tokens: tokens.total(),
                usd: usd.unwrap_or_default(),
            },
        }
    }

    /// The most that so many tokens can come to: nobody knows what a cache had
    /// to do with them.
    fn worst(&self, input: u64, output: u64) -> Used {
        let plain = Tokens {
            input,
            output,
            ..Tokens::default()
        };
        let prices = self.frozen.prices;
        Used {
            tokens: prices.map_or(plain, |prices| prices.dearest_kind(plain)),
            amount: self.amount(input, output),
        }
    }

    /// Takes up a turn that another run left, and says so. A model call that
    /// may have been on its way is counted at its worst.
    pub(in crate::driver) async fn recover(&mut self, taken: bool) -> Result<(), Stopped> {
        let lapse = self.app.running.lapse(&self.session);
        let Some(turn) = &self.fold.state.turn else {
            return Ok(());
        };
        let left = self.app.store.reservation(&self.session).await?;
        if turn.handed_over && left.is_none() {
            return Ok(());
        }
        let reason = lapse.unwrap_or(if taken && !self.app.alone {
            Lapse::LeaseExpired
        } else {
            Lapse::Restarted
        });
        self.settle = left.map(|Reservation { input, amount }| {
            let output = self.answer(input, amount);
            self.worst(input, output)
        });
        let epoch = self.epoch;
        self.commit(Command::Recovered(Recovery {
            reason,
            epoch,
            charged: self.settle.map(|used| used.tokens),
        }))
        .await
    }
}
