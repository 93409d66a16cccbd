//! A bound on how often each hook may be called: who knows its token may be anybody.
//! Counted in memory, on each node for itself; it knows nothing of what is called.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use session::Millis;

/// How long calls are counted together, in milliseconds.
const MINUTE: i64 = 60_000;
/// Hooks that are remembered before those of the past are forgotten.
const REMEMBERED: usize = 1024;

/// The calls of each hook in its current minute.
#[derive(Debug, Default)]
pub struct Floods(Mutex<HashMap<String, (Millis, u64)>>);

impl Floods {
    /// Counts a call.
    ///
    /// # Errors
    /// The seconds until the next one is taken, if there were as many as may be.
    pub fn count(&self, hook: &str, most: u64, now: Millis) -> Result<(), u64> {
        let mut hooks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hooks.len() >= REMEMBERED {
            hooks.retain(|_, (since, _)| now.since(*since) < MINUTE);
        }
        let (since, calls) = hooks.entry(hook.to_owned()).or_insert((now, 0));
        if now.since(*since) >= MINUTE {
            (*since, *calls) = (now, 0);
        }
        if *calls >= most {
            let left = MINUTE - now.since(*since);
            return Err(u64::try_from(left).unwrap_or(0).div_ceil(1000));
        }
        *calls += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute_and_then_it_says_when() {
        let floods = Floods::default();
        let at = |ms: i64| Millis(1_000_000 + ms);
        for ms in [0, 10, 20] {
            assert_eq!(floods.count("a", 3, at(ms)), Ok(()));
        }
        assert_eq!(floods.count("a", 3, at(500)), Err(60));
        assert_eq!(floods.count("a", 3, at(59_001)), Err(1));
        assert_eq!(floods.count("b", 3, at(500)), Ok(()), "each for itself");
        assert_eq!(floods.count("a", 3, at(60_000)), Ok(()));
    }

    #[test]
    fn what_is_past_is_forgotten() {
        let floods = Floods::default();
        for n in 0..3 * REMEMBERED as i64 {
            let _ = floods.count(&n.to_string(), 1, Millis(n * 1000));
        }
        let kept = floods.0.lock().unwrap().len();
        assert!(kept <= REMEMBERED, "{kept}");
    }
}
