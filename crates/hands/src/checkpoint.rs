//! Checkpoints: the files of a sandbox at a moment, and a sandbox that has them again.
//!
//! Only what differs from the template is kept: the upper layers of the sandbox's
//! overlays, and `/tmp`, which is memory. What its guest keeps (output of commands,
//! receipts), sockets and `/dev/shm` are not.
//!
//! Made: the tree is walked ([`walk`]), compared with the last checkpoint
//! ([`compare`], [`seen`]), and what is new is read into packs ([`read`], [`pack`])
//! while the sandbox stands still ([`freeze`]); packs are compressed and put as they
//! come, the manifest ([`manifest`], [`kept`]) last ([`save`]). Restored: the tree
//! is grown on a disk no sandbox has yet ([`restore`], [`grow`]).

mod compare;
mod cursor;
mod freeze;
mod grow;
mod kept;
mod lease;
mod manifest;
mod pack;
mod pieces;
mod reach;
mod read;
mod restore;
mod save;
mod seen;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use freeze::thaw;
pub(crate) use manifest::Place;
pub use pieces::{Get, Pieces, Put};
pub(crate) use restore::{Files, Ground};

use freeze::Frozen;
use reach::Reach;
use save::Save;

use crate::error::Error;
use crate::hands::Hands;
use crate::sandbox::Sandbox;

/// A checkpoint that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The piece that names all others: what [`Hands::obtain`] restores from.
    pub manifest: String,
    /// All other pieces it needs, older ones included.
    pub packs: Vec<String>,
    /// Files, folders, links and deletions in it.
    pub files: u64,
    /// Bytes of content in it, as the sandbox counts them.
    pub bytes: u64,
    /// Bytes of the pieces that were put for it.
    pub added: u64,
    /// Nothing differs from the last one: that one is meant, and nothing was put.
    pub unchanged: bool,
}

impl Hands {
    /// Keeps the files of the owner's sandbox. `kept` are the manifests of checkpoints that
    /// are kept: upon the newest of them that this sandbox was filled from or kept as is
    /// built, and nothing that is unchanged since is read or put again. Whatever else is
    /// among them, also one that was passed over as damaged, is not relied on.
    ///
    /// The sandbox stands still while it is read, where the host can make it.
    ///
    /// # Errors
    /// [`Error::Lost`] if there is no sandbox, [`Error::Refused`] where the files cannot be
    /// reached, and those of the pieces.
    pub async fn checkpoint(&self, owner: &str, kept: &[&str]) -> Result<Saved, Error> {
        let remote = self.remote(owner).filter(|remote| remote.alive());
        let remote = remote.ok_or_else(|| Error::Lost("there is none".to_owned()))?;
        // One at a time: the end of one would let the sandbox go on under the other.
        let _alone = remote.saving().await;
        let _room = self.room().await;
        let save = Save {
            owner,
            folder: remote.folder().to_owned(),
            pieces: self.pieces(),
        };
        let last = save.last(kept).await?;
        let state = remote.state().clone();
        let reach = Reach::find(remote.folder(), &state)?;
        let still = (Frozen::freeze(&state.groups).await?, remote.hold());
        save.run(reach, still, last).await
    }

    /// Bytes written to the disk of the owner's sandbox so far; `None` where it
    /// has no disk of its own, or does not live.
    #[must_use]
    pub fn written(&self, owner: &str) -> Option<u64> {
        let remote = self.remote(owner)?;
        let state = remote.state().clone();
        if !state.own_disk {
            return None;
        }
        reach::written(remote.folder(), &state).ok()
    }
}
