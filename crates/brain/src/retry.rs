//! Asks again while that is worthwhile, and says so each time. However often:
//! all attempts and the waits between them together end in time.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use crate::model::{Delta, Deltas, tell};
use crate::{Ask, ErrorKind, ModelError, Patience};

/// Makes attempts until one succeeds, one fails for good, or patience is used
/// up. Dropping the future drops the attempt, or the wait, that is under way.
pub(crate) async fn persist<'a, T>(
    patience: &Patience,
    ask: &Ask,
    deltas: Option<&Deltas>,
    mut attempt: impl FnMut() -> BoxFuture<'a, Result<T, ModelError>> + Send,
) -> Result<T, ModelError> {
    let rules = patience.rules();
    let end = Instant::now() + patience.total;
    for number in 1.. {
        let error = match timeout_at(end, attempt()).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => error,
            Err(_) => ModelError::new(ErrorKind::Timeout, "The answer took too long as a whole."),
        };
        let advice = error.retry_after.map(millis);
        let wait = rules.wait_ms(number, advice, rand::random());
        let in_time = |ms: &u64| Instant::now() + Duration::from_millis(*ms) < end;
        let begun = ask.metered && error.begun();
        let wait = wait.filter(|_| error.retriable && !begun).filter(in_time);
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
