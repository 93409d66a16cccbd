//! Asks again while that is worthwhile, and says so each time.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::model::{Delta, Deltas, tell};
use crate::{Ask, ModelError, Patience};

/// Makes attempts until one succeeds, one fails for good, or patience is used
/// up. Dropping the future drops the attempt, or the wait, that is under way.
pub(crate) async fn persist<'a, T>(
    patience: &Patience,
    ask: &Ask,
    deltas: Option<&Deltas>,
    mut attempt: impl FnMut() -> BoxFuture<'a, Result<T, ModelError>> + Send,
) -> Result<T, ModelError> {
    let rules = patience.rules();
    for number in 1.. {
        let error = match attempt().await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        let advice = error.retry_after.map(millis);
        let wait = rules.wait_ms(number, advice, rand::random());
        let wait = wait.filter(|_| error.retriable);
        tracing::warn!(
            session = %ask.session, model = %ask.model, attempt = number,
            kind = ?error.kind, status = error.status, request_id = error.request_id,
            retry_in_ms = wait, "model call failed: {}", error.message
        );
        let Some(after_ms) = wait else {
            return Err(error);
        };
        let why = error.message;
        let retry = Delta::Retry {
            attempt: number,
            after_ms,
            why,
        };
        deltas.inspect(|deltas| tell(deltas, retry));
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        deltas.inspect(|deltas| tell(deltas, Delta::Restart));
    }
    unreachable!("the rules end every retry")
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
