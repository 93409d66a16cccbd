//! What commands left running when they ended. It may run on, until it leaves no
//! room for another command: then it goes, or the sandbox would be of no use for
//! the rest of its life.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::tree::Tree;

/// The leftovers of commands that have ended.
#[derive(Debug, Default)]
pub(super) struct Left(Mutex<Vec<Arc<Tree>>>);

impl Left {
    /// Notes what a command left, if it left anything. Without cgroups there is no
    /// limit of processes for a sandbox either, and nothing need be noted.
    pub(super) fn keep(&self, tree: Arc<Tree>) {
        let mut left = self.trees();
        left.push(tree);
        left.retain(|tree| matches!(**tree, Tree::Cgroup { .. }) && !tree.members().is_empty());
    }

    /// Ends all of it.
    pub(super) fn end(&self) {
        for tree in self.trees().drain(..) {
            tree.kill();
        }
    }

    fn trees(&self) -> MutexGuard<'_, Vec<Arc<Tree>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
