//! Filling the layers of a new sandbox from a checkpoint, before it starts.
//!
//! Nobody else can reach them yet. Whatever fails, the caller throws the disk away
//! and nothing was started.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, Mode, OFlags};
use tokio::task::{JoinSet, spawn_blocking};

use super::grow::Grow;
use super::kept;
use super::manifest::{Kind, Layer, Manifest, Place};
use super::pack;
use super::pieces::Pieces;
use super::reach::{memory, name};
use super::seen::Seen;
use crate::error::Error;
use crate::remote::Remote;

/// Packs that are fetched and written at once.
const AT_ONCE: usize = 4;

/// A checkpoint to restore.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    manifest: Arc<Manifest>,
    name: String,
    owner: String,
    pieces: Pieces,
}

/// Where a sandbox's layers are to be.
#[derive(Debug)]
pub(crate) struct Ground {
    /// The folder they are folders of.
    pub(crate) folder: OwnedFd,
    /// First of the sandbox's host uids; without it, all belongs to this user.
    pub(crate) shift: Option<u32>,
    /// Layers the sandbox will have.
    pub(crate) places: &'static [Place],
}

/// Where a part of a pack goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) layer: usize,
    pub(super) folder: u32,
    pub(super) thing: u32,
}

impl Files {
    /// Brings the manifest.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it cannot be read.
    pub(crate) async fn of(pieces: &Pieces, owner: &str, name: &str) -> Result<Self, Error> {
        let (manifest, _) = kept::bring(pieces, owner, name).await?;
        Ok(Self {
            manifest: Arc::new(manifest),
            name: name.to_owned(),
            owner: owner.to_owned(),
            pieces: pieces.clone(),
        })
    }

    /// Puts all files on the disk of a sandbox that does not run yet; notes in
    /// `record`, the sandbox's folder, what the next checkpoint need not read.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a pack that is not what was kept, [`Error::Refused`]
    /// if a sandbox of this kind cannot have these files.
    pub(crate) async fn fill(&self, ground: Ground, record: &Path) -> Result<(), Error> {
        let mut layers = Vec::new();
        for (number, layer) in self.manifest.layers.iter().enumerate() {
            if ground.places.contains(&layer.place) {
                layers.push((number, ground.layer(layer.place).map_err(filled)?));
            } else if !self.comes_later(layer, &ground) {
                return Err(Error::Refused(format!(
                    "the checkpoint has files in a layer ({:?}) that sandboxes here do not have",
                    layer.place
                )));
            }
        }
        let mut seen = self.grow(layers, ground.shift).await?;
        seen.manifest.clone_from(&self.name);
        let record = record.to_owned();
        blocking(move || seen.write(&record)).await
    }

    /// `/tmp` is there only once the sandbox runs, and an empty one may be missing.
    fn comes_later(&self, layer: &Layer, ground: &Ground) -> bool {
        let empty = layer.folders.len() == 1 && layer.folders.iter().all(|f| f.things.is_empty());
        layer.place == Place::Tmp && (ground.shift.is_some() || empty)
    }

    /// Puts what was in `/tmp` there, before anybody can use the sandbox.
    ///
    /// # Errors
    /// As [`Files::fill`].
    pub(crate) async fn fill_memory(&self, remote: &Remote) -> Result<(), Error> {
        let mut layers = self.manifest.layers.iter().enumerate();
        let (pid, shift) = {
            let state = remote.state();
            (state.pid, state.uid)
        };
        let Some((number, _)) = layers.find(|(_, layer)| layer.place == Place::Tmp) else {
            return Ok(());
        };
        if shift.is_some() {
            let tmp = memory(pid).map_err(filled)?;
            self.grow(vec![(number, tmp)], shift).await?;
        }
        Ok(())
    }

    /// Grows these layers, given by number.
    async fn grow(&self, layers: Vec<(usize, OwnedFd)>, shift: Option<u32>) -> Result<Seen, Error> {
        let grow = Arc::new(Grow {
            manifest: Arc::clone(&self.manifest),
            layers,
            shift,
        });
        let begun = Arc::clone(&grow);
        blocking(move || begun.skeleton()).await?;
        self.packs(&grow).await?;
        blocking(move || grow.finish()).await
    }

    async fn packs(&self, grow: &Arc<Grow>) -> Result<(), Error> {
        let mut spots = self.spots(grow).into_iter();
        let mut work = JoinSet::new();
        loop {
            while work.len() < AT_ONCE
                && let Some((pack, spots)) = spots.next()
            {
                work.spawn(self.clone().pack(pack, spots, Arc::clone(grow)));
            }
            match work.join_next().await {
                Some(done) => done.map_err(|error| Error::Launch(error.to_string()))??,
                None => return Ok(()),
            }
        }
    }

    /// Brings one pack and writes what is in it.
    async fn pack(self, number: u32, spots: Vec<Spot>, grow: Arc<Grow>) -> Result<(), Error> {
        let Some(pack) = self.manifest.packs.get(number as usize) else {
            return Ok(());
        };
        let piece = self.pieces.fetch(&self.owner, &pack.name).await?;
        let pack = pack.clone();
        let opened = spawn_blocking(move || {
            let raw = pack::open(&piece, &pack)?;
            drop(piece);
            grow.write(number, &raw, &spots).map_err(filled)
        });
        opened
            .await
            .map_err(|error| Error::Launch(error.to_string()))?
    }

    /// By pack, the files with content in it, each once.
    fn spots(&self, grow: &Grow) -> BTreeMap<u32, Vec<Spot>> {
        let mut spots: BTreeMap<u32, Vec<Spot>> = BTreeMap::new();
        for (layer, tree, _) in grow.layers() {
            for (folder, things) in (0u32..).zip(tree.folders.iter().map(|f| &f.things)) {
                for (thing, found) in (0u32..).zip(things) {
                    let Kind::File { parts, .. } = &found.kind else {
                        continue;
                    };
                    let chunk = |n: u32| self.manifest.chunks.get(n as usize);
                    let mut packs: Vec<u32> = parts
                        .iter()
                        .filter_map(|part| chunk(part.chunk).map(|chunk| chunk.pack))
                        .collect();
                    packs.sort_unstable();
                    packs.dedup();
                    for pack in packs {
                        let spot = Spot {
                            layer,
                            folder,
                            thing,
                        };
                        spots.entry(pack).or_default().push(spot);
                    }
                }
            }
        }
        spots
    }
}

impl Ground {
    /// Opens a layer's folder, made if absent.
    pub(super) fn layer(&self, place: Place) -> io::Result<OwnedFd> {
        let name = name(place);
        match fs::mkdirat(&self.folder, name, Mode::RWXU) {
            Err(error) if error != rustix::io::Errno::EXIST => return Err(error.into()),
            _ => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(fs::openat(&self.folder, name, flags, Mode::empty())?)
    }
}

/// A full disk is a limit and no failure of the host.
fn filled(source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::StorageFull {
        return Error::Refused("the files need more room than the sandbox's disk has".to_owned());
    }
    Error::Io {
        what: "restore the files of a sandbox".to_owned(),
        source,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| Error::Launch(error.to_string()))?
        .map_err(filled)
}
