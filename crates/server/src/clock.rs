//! The one place that reads the clock and the one that draws random bytes: the
//! rules get both as arguments.

use std::time::UNIX_EPOCH;

use session::Millis;
use session::id::Noun;

/// The wall clock, in milliseconds since the Unix epoch.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
pub fn now() -> Millis {
    let since = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A fresh id of this noun.
#[must_use]
pub fn fresh(noun: Noun) -> String {
    noun.id(rand::random())
}

/// A moment as RFC 3339 in UTC with milliseconds, as the wire shows it.
#[must_use]
pub fn rfc3339(at: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_shows_utc_with_milliseconds() {
        assert_eq!(rfc3339(Millis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            rfc3339(Millis(1_700_000_000_123)),
            "2023-11-14T22:13:20.123Z"
        );
    }
}
