//! Which names a sandbox was told the addresses of, and when.
//!
//! A program that connects to an address has usually just asked for a name.
//! Under an allowlist that is how a connection that says no name of its own
//! (ssh, a database) is known to go to a host of the list. Short and bounded:
//! an address soon belongs to somebody else.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an answer counts. Longer than any time to live we tell a program
/// of, so that one that keeps to it is never refused.
const LIFE: Duration = Duration::from_secs(600);
/// Addresses kept of one answer, answers of one sandbox, and sandboxes.
const ADDRESSES: usize = 64;
const EACH: usize = 256;
const SANDBOXES: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Names {
    told: Mutex<HashMap<String, VecDeque<Told>>>,
}

#[derive(Debug)]
struct Told {
    name: String,
    addresses: Vec<IpAddr>,
    at: Instant,
}

impl Names {
    /// Remembers that `sandbox` was told `addresses` for `name`.
    pub(crate) fn remember(&self, sandbox: &str, name: &str, addresses: &[IpAddr]) {
        let now = Instant::now();
        let mut all = self.lock();
        if !all.contains_key(sandbox) {
            // Nobody says when a sandbox has ended; its answers end by themselves.
            all.retain(|_, told| told.back().is_some_and(|last| now - last.at < LIFE));
            if all.len() >= SANDBOXES {
                return;
            }
        }
        let told = all.entry(sandbox.to_owned()).or_default();
        told.retain(|one| one.name != name && now - one.at < LIFE);
        if told.len() >= EACH {
            told.pop_front();
        }
        told.push_back(Told {
            name: name.to_owned(),
            addresses: addresses
                .iter()
                .take(ADDRESSES)
                .map(IpAddr::to_canonical)
                .collect(),
            at: now,
        });
    }

    /// Whether `sandbox` was lately told `address` for a name that `admits`.
    pub(crate) fn known(
        &self,
        sandbox: &str,
        address: IpAddr,
        admits: impl Fn(&str) -> bool,
    ) -> bool {
        let (now, address) = (Instant::now(), address.to_canonical());
        let all = self.lock();
        all.get(sandbox).is_some_and(|told| {
            told.iter().any(|one| {
                now - one.at < LIFE && one.addresses.contains(&address) && admits(&one.name)
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Told>>> {
        // Nothing panics while it holds the lock, so what is inside is sound.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_counts_for_its_sandbox_its_name_and_its_time() {
        let names = Names::default();
        names.remember("a", "git.example", &[address(1), address(2)]);
        let yes = |name: &str| name == "git.example";
        assert!(names.known("a", address(2), yes));
        assert!(!names.known("a", address(3), yes));
        assert!(!names.known("b", address(1), yes));
        assert!(!names.known("a", address(1), |name| name == "other.example"));
        tokio::time::advance(LIFE).await;
        assert!(!names.known("a", address(1), yes));
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_answer_replaces_the_older_one_of_its_name() {
        let names = Names::default();
        names.remember("a", "git.example", &[address(1)]);
        names.remember("a", "git.example", &[address(2)]);
        assert!(!names.known("a", address(1), |_| true));
        assert!(names.known("a", address(2), |_| true));
    }

    #[tokio::test(start_paused = true)]
    async fn little_is_kept_of_one_sandbox_and_of_all() {
        let names = Names::default();
        for number in 0..=EACH {
            names.remember("a", &format!("{number}.example"), &[address(1)]);
        }
        assert!(!names.known("a", address(1), |name| name == "0.example"));
        assert_eq!(names.lock()["a"].len(), EACH);
        for number in 0..SANDBOXES {
            names.remember(&number.to_string(), "git.example", &[address(1)]);
        }
        assert_eq!(names.lock().len(), SANDBOXES);
        tokio::time::advance(LIFE).await;
        names.remember("late", "git.example", &[address(1)]);
        assert!(names.known("late", address(1), |_| true));
        assert_eq!(names.lock().len(), 1);
    }
}
