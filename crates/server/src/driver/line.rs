//! Telling those who stand in line that they do: a session whose turn has waited
//! for a place for a while says so in its log, once.
//!
//! Nobody drives such a session, so no run can tell. Every node tells; the rules
//! see to it that it is told once.

use std::collections::BTreeMap;
use std::time::Duration;

use session::{Command, Millis, waiting};
use store::InLine;
use tokio::time::MissedTickBehavior;

use super::wait;
use crate::app::App;
use crate::clock;
use crate::outside::{self, NotCarried, To};

/// How often the lines are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How many of one org are told at a look; the rest at the next.
const AT_ONCE: u64 = 64;

/// Tells until the node drains.
pub async fn tell(app: App) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut from = Millis::default();
    while !app.drain.is_cancelled() {
        tokio::select! {
            _ = look.tick() => {}
            () = app.drain.cancelled() => return,
        }
        let until = clock::now().plus(-wait::lasting(&app.config));
        match app.store.in_line(from, until, AT_ONCE).await {
            Ok(found) => {
                from = next(&found, until);
                for one in found {
                    say(&app, &one).await;
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look at the lines"),
        }
    }
}

/// Where the next look begins: behind all that were found, or where the first
/// org that has more of them goes on.
fn next(found: &[InLine], until: Millis) -> Millis {
    let mut of: BTreeMap<&str, (u64, Millis)> = BTreeMap::new();
    for one in found {
        let (count, last) = of.entry(&one.org).or_default();
        *count += 1;
        *last = one.since.max(*last);
    }
    let more = of.values().filter(|(count, _)| *count >= AT_ONCE);
    more.map(|(_, last)| *last)
        .min()
        .unwrap_or_else(|| until.plus(1))
}

async fn say(app: &App, one: &InLine) {
    let place = app.store.place_in_line(&one.org, &one.session).await;
    let Ok(Some(place)) = place else {
        return;
    };
    let to = To {
        org: &one.org,
        session: &one.session,
        ..To::default()
    };
    // It may have begun meanwhile: then it waits on something else, and its run tells.
    let told = outside::carry(app, to, |row| {
        let wait = waiting(&row.frozen, &row.state, clock::now());
        let wait = wait.filter(|wait| wait.what == session::What::Quota);
        wait.map(|mut wait| {
            wait.place = Some(place);
            Command::Waiting(wait)
        })
        .ok_or(())
    });
    if let Err(NotCarried::Store(error)) = told.await {
        tracing::warn!(%error, session = one.session, "a wait in line was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(org: &str, count: u64, from: i64) -> Vec<InLine> {
        let one = |n| InLine {
            org: org.to_owned(),
            session: format!("ses_{n}"),
            since: Millis(from).plus(n),
        };
        (0..i64::try_from(count).unwrap_or(0)).map(one).collect()
    }

    #[test]
    fn the_next_look_begins_behind_what_was_seen_and_skips_nobody() {
        let until = Millis(9000);
        assert_eq!(next(&[], until), Millis(9001));
        assert_eq!(next(&line("a", AT_ONCE - 1, 100), until), Millis(9001));
        let both = [line("a", AT_ONCE, 100), line("b", AT_ONCE, 50)].concat();
        assert_eq!(next(&both, until), Millis(50 + 63));
    }
}
