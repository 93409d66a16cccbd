//! The one place that reads the clock and the one that draws random bytes: the
//! rules get both as arguments.
//!
//! Deadlines and leases are moments of this clock, so it must not jump when
//! somebody sets the machine's: it goes on from where it began by the time since
//! boot (which counts the time a machine is suspended), and drifts towards the
//! machine's clock by at most a tenth of the time that passes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use session::Millis;
use session::id::Noun;

/// A clock that follows another without its jumps.
#[derive(Debug, Clone, Copy)]
struct Steady {
    /// The time since boot, in milliseconds, when it was read last.
    boot: i64,
    /// What it said then.
    said: i64,
}

/// Part of the time passed by which it drifts at most.
const DRIFT: i64 = 10;

static STEADY: Mutex<Option<Steady>> = Mutex::new(None);

impl Steady {
    /// What it says at that time since boot, when the machine's clock says `wall`.
    fn read(self, boot: i64, wall: i64) -> Self {
        let passed = (boot - self.boot).max(0);
        let steady = self.said + passed;
        let drift = (wall - steady).clamp(-passed / DRIFT, passed / DRIFT);
        Self {
            boot,
            said: steady + drift,
        }
    }
}

/// This moment, in milliseconds since the Unix epoch.
#[must_use]
pub fn now() -> Millis {
    let (boot, wall) = (since_boot(), wall());
    let mut kept = STEADY.lock().unwrap_or_else(PoisonError::into_inner);
    let before = kept.unwrap_or(Steady { boot, said: wall });
    // Too little time to drift in is left to add up.
    if boot - before.boot < DRIFT && kept.is_some() {
        return Millis(before.said + (boot - before.boot).max(0));
    }
    let read = before.read(boot, wall);
    *kept = Some(read);
    Millis(read.said)
}

/// The machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
fn wall() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis())
        .unwrap_or(i64::MAX)
        .saturating_add(jumped())
}

/// By how much a drill lets the machine's clock jump, in milliseconds:
/// `OC_DRILL_CLOCK=after_ms:by_ms` sets it so long after the process asked first.
/// Several are parted by commas, and add up.
fn jumped() -> i64 {
    static JUMPS: std::sync::LazyLock<Vec<(i64, i64)>> = std::sync::LazyLock::new(|| {
        let read = |text: &str| {
            let (after, by) = text.split_once(':')?;
            Some((since_boot() + after.parse::<i64>().ok()?, by.parse().ok()?))
        };
        let text = drilled().unwrap_or_default();
        text.split(',').filter_map(read).collect()
    });
    if JUMPS.is_empty() {
        return 0;
    }
    let now = since_boot();
    let over = JUMPS.iter().filter(|(at, _)| now >= *at);
    over.map(|(_, by)| by).sum()
}

#[expect(
    clippy::disallowed_methods,
    reason = "no option of the server: it is set by a drill for its own children"
)]
fn drilled() -> Option<String> {
    std::env::var("OC_DRILL_CLOCK").ok()
}

/// Milliseconds since the machine was booted.
fn since_boot() -> i64 {
    let since = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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

    #[test]
    fn a_jump_of_the_machine_s_clock_is_followed_slowly_and_never_backwards() {
        for jump in [3_600_000i64, -3_600_000] {
            let mut clock = Steady {
                boot: 1000,
                said: 50_000,
            };
            let mut wall = 50_000 + jump;
            for step in 1..=100 {
                let before = clock.said;
                wall += 1000;
                clock = clock.read(1000 + step * 1000, wall);
                let passed = clock.said - before;
                assert!((900..=1100).contains(&passed), "{passed}");
            }
        }
    }

    #[test]
    fn a_small_difference_is_made_up_and_a_suspended_machine_s_time_counts() {
        let mut clock = Steady { boot: 0, said: 0 };
        clock = clock.read(10_000, 10_400);
        assert_eq!(clock.said, 10_400);
        clock = clock.read(3_610_000, 3_610_400);
        assert_eq!(clock.said, 3_610_400);
    }

    #[test]
    fn it_says_about_what_the_machine_says() {
        assert!((now().0 - wall()).abs() < 5000);
        let first = now();
        assert!(now() >= first);
    }
}
