//! Sending to one destination: a few deliveries in order, then what became of them
//! is written down in one transaction, which also hands out what is due next.

use std::time::{Duration, Instant};

use session::retry::advice_ms;
use store::{Error, Outcome, Pending, Taken, Tried};

use super::letter::Letter;
use super::post::Answer;
use crate::app::App;
use crate::{clock, points};

/// What was tried is written down at least this often.
const WRITE: Duration = Duration::from_millis(100);
/// How long writing it down is tried again while the database is away.
const PATIENCE: Duration = Duration::from_secs(60);
/// Wait between two tries to write.
const AGAIN: Duration = Duration::from_millis(500);

/// Sends until nothing is due. Whether the store knows that we let go.
pub(super) async fn send(app: App, mut taken: Taken) -> bool {
    loop {
        let Ok(tried) = some(&app, &taken).await else {
            return false;
        };
        points::passed("delivery.sent");
        match settle(&app, &taken.destination, tried).await {
            Ok(Some(next)) => taken = next,
            Ok(None) => return true,
            Err(error) => {
                let destination = taken.destination;
                tracing::warn!(%error, destination, "deliveries are made again");
                return false;
            }
        }
    }
}

/// Sends those that are in hand, or as many as a moment lasts.
async fn some(app: &App, taken: &Taken) -> Result<Vec<Tried>, Error> {
    let began = Instant::now();
    let mut tried = Vec::with_capacity(taken.due.len());
    for pending in &taken.due {
        if app.drain.is_cancelled() || began.elapsed() > WRITE {
            break;
        }
        let one = tokio::select! {
            one = attempt(app, taken, *pending) => one,
            () = app.halt.cancelled() => break,
        };
        match one {
            Ok(one) => tried.push(one),
            Err(error) if tried.is_empty() => return Err(error),
            // It shows again in the next round.
            Err(_) => break,
        }
    }
    Ok(tried)
}

/// Makes one attempt. An error means that the log could not be read.
async fn attempt(app: &App, taken: &Taken, pending: Pending) -> Result<Tried, Error> {
    let at = clock::now();
    let answer = match app
        .store
        .event(&taken.org, &taken.session, pending.seq)
        .await
    {
        Ok(logged) => match (&taken.secrets, Letter::new(taken, &logged)) {
            (Ok(secrets), Ok(letter)) => app.post.send(&taken.url, &letter, secrets, at).await,
            (Err(error), _) => Answer::none("secret", error.to_string()),
            (_, Err(error)) => Answer::none("unreadable", error.to_string()),
        },
        Err(error @ Error::Corrupt { .. }) => Answer::none("unreadable", error.to_string()),
        Err(error) => return Err(error),
    };
    app.metrics.delivery(answer.state);
    Ok(Tried {
        seq: pending.seq,
        round: pending.round,
        at,
        code: answer.code,
        outcome: outcome(app, pending, answer),
    })
}

fn outcome(app: &App, pending: Pending, answer: Answer) -> Outcome {
    let Some(error) = answer.error else {
        return Outcome::Delivered;
    };
    let attempt = u32::try_from(pending.tries).unwrap_or(u32::MAX);
    let advice = advice_ms(None, answer.retry_after.as_deref());
    let rules = app.config.deliveries.rules();
    let wait = rules.wait_ms(attempt.saturating_add(1), advice, rand::random());
    let again = wait.map(|ms| clock::now().plus(i64::try_from(ms).unwrap_or(i64::MAX)));
    if again.is_none() {
        app.metrics.delivery("dead_letter");
    }
    Outcome::Failed { error, again }
}

/// Writes down what was tried, however often it takes: what is not written down is
/// sent again.
async fn settle(app: &App, destination: &str, tried: Vec<Tried>) -> Result<Option<Taken>, Error> {
    let began = Instant::now();
    let name = super::name(app);
    loop {
        let go_on = !app.drain.is_cancelled();
        let now = clock::now();
        let settled = app
            .store
            .settle_deliveries(&name, destination, tried.clone(), now, go_on)
            .await;
        let Err(error) = settled else { return settled };
        let passes = matches!(error, Error::Unavailable(_) | Error::Full);
        if !passes || began.elapsed() > PATIENCE {
            return Err(error);
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = app.halt.cancelled() => return Err(error),
        }
    }
}
