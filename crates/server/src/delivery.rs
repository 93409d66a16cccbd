//! Deliveries: receivers of webhooks are told what the log says.
//!
//! What is to be told stands in the store's outbox, written with the facts
//! themselves; this room takes it from there and sends it. It is rung when
//! something came, and looks once a second anyway. Nothing a receiver does reaches
//! a session.
//!
//! * At least once: an attempt is written down after it was made, so after a crash
//!   it is made again, with the same `webhook-id`. At most sixteen deliveries of a
//!   destination, or those of a tenth of a second, can be repeated so.
//! * One at a time for each destination, on one node at a time. First attempts go
//!   in the order of the facts. One that failed waits for its own moment, and those
//!   behind it go on meanwhile: nobody is held up by an event that a receiver
//!   chokes on, and order among repeats is not promised.
//! * Fair: so many destinations at once, of one org at most a part of them, and the
//!   org with the fewest in hand comes first. A receiver that hangs costs its own
//!   place until its deadline.
//! * An answer that is no 2xx is a failure, whatever it is: 410 disables nothing, a
//!   redirect is not followed.
//!
//! When the node drains, what is being sent may end; what cannot is sent again by
//! whoever is next.

mod letter;
mod post;
mod round;
mod sign;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use session::Millis;
use store::{Shares, Taken};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

pub use post::Post;

use crate::app::App;
use crate::clock;

/// Longest wait until due deliveries are looked for without being rung for.
const SWEEP: Duration = Duration::from_secs(1);

/// The destinations this node sends to, each by a task of its own.
#[derive(Default)]
struct Hand {
    tasks: JoinSet<bool>,
    /// Destination and org.
    held: HashMap<Id, (String, String)>,
    /// Whether the store may think that we have more than these.
    unsure: bool,
}

/// This node's name as a holder of destinations: its hold ends apart from its leases
/// on sessions.
fn name(app: &App) -> String {
    format!("{}.out", app.node)
}

/// Sends what is due until the node drains, and no delivery is on its way.
pub async fn keep(app: App) {
    let mut hand = Hand::default();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renew = tokio::time::interval(Duration::from_secs(app.config.node.lease_seconds) / 3);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !app.drain.is_cancelled() {
        let next = look(&app, &mut hand).await;
        loop {
            tokio::select! {
                () = app.drain.cancelled() => {}
                () = app.store.outbox_told() => {}
                () = until(next) => {}
                Some(ended) = hand.tasks.join_next_with_id() => hand.forget(ended),
                _ = renew.tick() => {
                    last(&app, &hand).await;
                    continue;
                }
                _ = sweep.tick() => {}
            }
            break;
        }
    }
    while hand.tasks.join_next().await.is_some() {}
    app.post.close().await;
}

async fn until(at: Option<Millis>) {
    match at {
        None => std::future::pending().await,
        Some(at) => {
            let left = u64::try_from(at.0 - clock::now().0).unwrap_or(0);
            tokio::time::sleep_until(Instant::now() + Duration::from_millis(left)).await;
        }
    }
}

/// Takes what is due as far as there is room. When there will be more.
async fn look(app: &App, hand: &mut Hand) -> Option<Millis> {
    if hand.unsure {
        match app.store.let_go(&name(app), &hand.destinations()).await {
            Ok(_) => hand.unsure = false,
            Err(error) => tracing::warn!(%error, "cannot let go of destinations"),
        }
    }
    let deliveries = &app.config.deliveries;
    let shares = Shares {
        room: deliveries.delivery_at_once.saturating_sub(hand.held.len()),
        each: deliveries.delivery_org_at_once,
        held: hand.orgs(),
    };
    if shares.room == 0 {
        return None;
    }
    let (now, until) = (clock::now(), lasts(app));
    match app.store.owed(&name(app), now, until, shares).await {
        Ok(looked) => {
            for taken in looked.taken {
                hand.begin(app, taken);
            }
            looked.next
        }
        Err(error) => {
            tracing::warn!(%error, "cannot look for due deliveries");
            hand.unsure = true;
            None
        }
    }
}

fn lasts(app: &App) -> Millis {
    let lease = app.config.node.lease_seconds.saturating_mul(1000);
    clock::now().plus(i64::try_from(lease).unwrap_or(i64::MAX))
}

/// Makes our hold on destinations last.
async fn last(app: &App, hand: &Hand) {
    if hand.held.is_empty() {
        return;
    }
    if let Err(error) = app.store.renew(&name(app), &[], lasts(app)).await {
        tracing::warn!(%error, "cannot make the hold on destinations last");
    }
}

impl Hand {
    fn begin(&mut self, app: &App, taken: Taken) {
        let names = (taken.destination.clone(), taken.org.clone());
        let task = self.tasks.spawn(round::send(app.clone(), taken));
        self.held.insert(task.id(), names);
    }

    /// A task ended: whether well, it says itself.
    fn forget(&mut self, ended: Result<(Id, bool), JoinError>) {
        let (id, well) = match ended {
            Ok((id, well)) => (id, well),
            Err(error) => {
                tracing::error!(%error, "sending to a destination broke off");
                (error.id(), false)
            }
        };
        self.held.remove(&id);
        self.unsure |= !well;
    }

    fn destinations(&self) -> BTreeSet<String> {
        self.held.values().map(|(id, _)| id.clone()).collect()
    }

    fn orgs(&self) -> BTreeMap<String, usize> {
        let mut orgs = BTreeMap::new();
        for (_, org) in self.held.values() {
            *orgs.entry(org.clone()).or_default() += 1;
        }
        orgs
    }
}
