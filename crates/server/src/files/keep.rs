//! The keeper: looks at each sandbox of this node now and then, and does what
//! its session's state asks for. It finds all of that in the log and in the
//! hands, so that a restart loses nothing but time.

use std::time::Duration;

use session::{Millis, Phase};
use store::SessionRow;
use tokio::time::MissedTickBehavior;

use super::save::NotSaved;
use super::{Files, Mark};
use crate::app::App;
use crate::{clock, engines};

/// How often sandboxes are looked at without being rung for.
const LOOK: Duration = Duration::from_secs(1);
/// Milliseconds until a sandbox that works is looked at again.
const AT_WORK: i64 = 2000;
/// Milliseconds until what failed is tried again.
const AGAIN: i64 = 10_000;
/// Milliseconds between two counts of a sandbox's time.
const COUNT: i64 = 10_000;

/// Looks after the sandboxes of this node until it drains.
pub async fn keep(app: App) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !app.drain.is_cancelled() {
        tokio::select! {
            _ = look.tick() => {}
            () = app.files.bell.notified() => {}
            () = app.drain.cancelled() => return,
        }
        // Of an engine's own sandbox nothing is kept.
        let theirs = app.hands.owners().into_iter();
        for session in theirs.filter(|owner| engines::session_of(owner).is_none()) {
            if app.drain.is_cancelled() {
                return;
            }
            let mark = app.files.marks().get(&session).copied();
            if mark.is_none_or(|mark| mark.next <= clock::now()) {
                visit(&app, &session, mark.unwrap_or_default()).await;
            }
        }
        app.files.forget(&app);
    }
}

/// Does what one sandbox needs, and notes when to look again.
async fn visit(app: &App, session: &str, mark: Mark) {
    let row = match app.store.driven(session).await {
        Ok(Some(row)) => row,
        Ok(None) => {
            tracing::info!(session, "the sandbox of a session that is gone is ended");
            return app.files.end(app, session).await;
        }
        Err(error) => {
            tracing::warn!(%error, session, "cannot look after a sandbox");
            return app.files.again(session, clock::now().plus(AGAIN));
        }
    };
    app.files.count(app, &row, mark).await;
    let looked = if app.running.holds(session) {
        at_work(app, &row, mark).await
    } else {
        at_rest(app, session).await
    };
    let now = clock::now();
    let next = match looked {
        Ok(next) => next,
        Err(NotSaved::Refused(_)) => now.plus(AT_WORK),
        Err(error) => {
            tracing::warn!(%error, session, "files were not made safe");
            now.plus(AGAIN)
        }
    };
    app.files.again(session, next);
}

/// While a turn runs: files are made safe by time and by bytes written.
async fn at_work(app: &App, row: &SessionRow, mark: Mark) -> Result<Millis, NotSaved> {
    let options = &app.config.sandboxes;
    let now = clock::now();
    let written = app.hands.written(&row.id);
    let news = written
        .unwrap_or(0)
        .saturating_sub(mark.written.unwrap_or(0));
    let since = mark.saved.max(mark.begun);
    let old = now.since(since) >= seconds(options.checkpoint_seconds);
    if since == Millis::default() {
        // Its time begins now.
        app.files.began(&row.id, now);
    } else if news > 0 && (old || news >= options.checkpoint_mb << 20) {
        let _lock = app.files.lock(&row.id).await;
        app.files.save(app, row, "timer").await?;
    }
    Ok(now.plus(AT_WORK))
}

/// At rest: files are made safe once, and the sandbox sleeps after a while.
///
/// The row is read under the lock: one read before may tell of a sandbox that a
/// turn has replaced since.
async fn at_rest(app: &App, session: &str) -> Result<Millis, NotSaved> {
    let _lock = app.files.lock(session).await;
    let now = clock::now();
    // Whoever began to work meanwhile is not disturbed.
    if app.running.holds(session) {
        return Ok(now.plus(AT_WORK));
    }
    let Some(row) = &app.store.driven(session).await? else {
        return Ok(now);
    };
    let state = &row.state;
    if !state.phase().at_rest() {
        return Ok(now.plus(AT_WORK));
    }
    if state.phase() == Phase::Archived || foreign(app, row) {
        app.files.end(app, session).await;
        return Ok(now);
    }
    let sleeps = state
        .since
        .plus(seconds(app.config.sandboxes.idle_timeout_seconds));
    let saved = app
        .files
        .marks()
        .get(&row.id)
        .map_or(Millis::default(), |mark| mark.saved);
    let idle = now >= sleeps;
    // Background processes may have written since; what changed nothing costs a look.
    if idle {
        let checkpoint = app.files.save(app, row, "idle").await?;
        app.files.hibernate(app, row, checkpoint).await?;
        return Ok(now);
    }
    if saved < state.since {
        app.files.save(app, row, "turn").await?;
    }
    Ok(sleeps)
}

/// Whether the log names another sandbox than the one that is here: then its
/// files are of the past.
fn foreign(app: &App, row: &SessionRow) -> bool {
    let here = app.hands.find(&row.id);
    here.is_some_and(|here| row.state.sandbox.as_deref() != Some(here.id()))
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
}

impl Files {
    fn again(&self, session: &str, next: Millis) {
        if let Some(mark) = self.marks().get_mut(session) {
            mark.next = next;
        }
    }

    /// A sandbox was found at work.
    fn began(&self, session: &str, now: Millis) {
        let mut marks = self.marks();
        let mark = marks.entry(session.to_owned()).or_default();
        mark.begun = now;
    }

    /// Counts the time of a sandbox, now and then.
    async fn count(&self, app: &App, row: &SessionRow, mark: Mark) {
        let now = clock::now();
        let first = mark.counted == Millis::default();
        if !first && now.since(mark.counted) < COUNT {
            return;
        }
        let from = if first { now } else { mark.counted };
        let Some(sandbox) = app.hands.find(&row.id) else {
            return;
        };
        let mib = app.config.sandboxes.sandbox_memory_mb;
        let (agent, id) = (&row.frozen.agent, sandbox.id());
        let counted = app
            .store
            .sandbox_ran(&row.org, agent, &row.id, id, from, now, mib)
            .await;
        match counted {
            Ok(()) => self.marks().entry(row.id.clone()).or_default().counted = now,
            Err(error) => tracing::warn!(%error, "the time of a sandbox was not counted"),
        }
    }

    /// Forgets what is remembered of sandboxes that are gone.
    fn forget(&self, app: &App) {
        let owners = app.hands.owners();
        self.marks().retain(|session, _| owners.contains(session));
    }
}
