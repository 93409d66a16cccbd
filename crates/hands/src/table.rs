//! Which sandboxes there are and whose they are. Pure bookkeeping.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::remote::Remote;

/// An owner's place: filled once, by whoever is first.
pub(crate) type Slot = Arc<OnceCell<Arc<Remote>>>;

/// All sandboxes of these hands.
#[derive(Debug, Default)]
pub(crate) struct Table {
    all: HashMap<String, Arc<Remote>>,
    owned: HashMap<String, Slot>,
    warm: VecDeque<Arc<Remote>>,
    ranges: BTreeSet<u32>,
    starting: usize,
}

impl Table {
    /// Room for one more: the number of its uid range. `None` at `max`.
    pub(crate) fn reserve(&mut self, max: usize) -> Option<u32> {
        if self.all.len() + self.starting >= max {
            return None;
        }
        let range = (0u32..).find(|range| !self.ranges.contains(range))?;
        self.ranges.insert(range);
        self.starting += 1;
        Some(range)
    }

    /// A start that was reserved came to nothing.
    pub(crate) fn give_up(&mut self, range: u32) {
        self.starting -= 1;
        self.ranges.remove(&range);
    }

    /// A start that was reserved succeeded.
    pub(crate) fn started(&mut self, remote: Arc<Remote>) {
        self.starting -= 1;
        self.all
            .insert(remote.state().id.clone(), Arc::clone(&remote));
    }

    /// A sandbox that was there already.
    pub(crate) fn adopt(&mut self, remote: Arc<Remote>, range: Option<u32>) {
        self.ranges.extend(range);
        let (id, owner) = {
            let state = remote.state();
            (state.id.clone(), state.owner.clone())
        };
        self.all.insert(id, Arc::clone(&remote));
        match owner {
            Some(owner) => {
                let slot = Arc::new(OnceCell::new_with(Some(remote)));
                self.owned.insert(owner, slot);
            }
            None => self.warm.push_back(remote),
        }
    }

    /// The owner's place.
    pub(crate) fn slot(&mut self, owner: &str) -> Slot {
        Arc::clone(self.owned.entry(owner.to_owned()).or_default())
    }

    /// The owner's sandbox, if there is one.
    pub(crate) fn find(&self, owner: &str) -> Option<Arc<Remote>> {
        self.owned.get(owner)?.get().cloned()
    }

    /// Takes an owner's place away, if it still is that one.
    pub(crate) fn vacate(&mut self, owner: &str, slot: &Slot) {
        if self
            .owned
            .get(owner)
            .is_some_and(|now| Arc::ptr_eq(now, slot))
        {
            self.owned.remove(owner);
        }
    }

    /// Whether the owner's place still is that one.
    pub(crate) fn holds(&self, owner: &str, slot: &Slot) -> bool {
        self.owned
            .get(owner)
            .is_some_and(|now| Arc::ptr_eq(now, slot))
    }

    /// Everything of an owner.
    pub(crate) fn disown(&mut self, owner: &str) -> Vec<Arc<Remote>> {
        self.owned.remove(owner);
        let theirs = |remote: &&Arc<Remote>| remote.state().owner.as_deref() == Some(owner);
        self.all.values().filter(theirs).cloned().collect()
    }

    /// Owners there are.
    pub(crate) fn owners(&self) -> Vec<String> {
        self.owned.keys().cloned().collect()
    }

    /// Puts a started sandbox where anybody may take it.
    pub(crate) fn warm_up(&mut self, remote: Arc<Remote>) {
        self.warm.push_back(remote);
    }

    /// The sandbox that has been warm for longest.
    pub(crate) fn take_warm(&mut self) -> Option<Arc<Remote>> {
        self.warm.pop_front()
    }

    /// Forgets a sandbox; false if it was forgotten before.
    pub(crate) fn forget(&mut self, remote: &Arc<Remote>, range: Option<u32>) -> bool {
        let (id, owner) = {
            let state = remote.state();
            (state.id.clone(), state.owner.clone())
        };
        self.warm.retain(|other| !Arc::ptr_eq(other, remote));
        if let Some(owner) = owner
            && self
                .find(&owner)
                .is_some_and(|now| Arc::ptr_eq(&now, remote))
        {
            self.owned.remove(&owner);
        }
        let known = self.all.remove(&id).is_some();
        if known && let Some(range) = range {
            self.ranges.remove(&range);
        }
        known
    }

    /// Alive, warm, being started.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.all.len(), self.warm.len(), self.starting)
    }
}
