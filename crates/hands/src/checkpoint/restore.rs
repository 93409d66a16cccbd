//! Filling the layers of a new sandbox from a checkpoint, before it starts.
//!
//! Nobody else can reach them yet. Whatever fails, the caller throws the disk away
//! and nothing was started.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, Mode, OFlags};
use tokio::task::{JoinSet, spawn_blocking};

use super::cursor::Cursor;
use super::grow::Grow;
use super::manifest::{Kind, Manifest, Place};
use super::pack;
use super::pieces::Pieces;
use super::reach::name;
use super::seen::{Seen, Stamp};
use crate::error::Error;

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
        let manifest = Manifest::decode(&pieces.fetch(owner, name).await?)?;
        Ok(Self {
            manifest: Arc::new(manifest),
            name: name.to_owned(),
            owner: owner.to_owned(),
            pieces: pieces.clone(),
        })
    }

    /// Puts all files in their places; notes in `record`, the sandbox's folder,
    /// what the next checkpoint need not read.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a pack that is not what was kept, [`Error::Refused`]
    /// if a sandbox of this kind cannot have these files.
    pub(crate) async fn fill(&self, ground: Ground, record: &Path) -> Result<(), Error> {
        for layer in &self.manifest.layers {
            if !ground.places.contains(&layer.place) {
                return Err(Error::Refused(format!(
                    "the checkpoint has files in a layer ({:?}) that sandboxes here do not have",
                    layer.place
                )));
            }
        }
        let manifest = Arc::clone(&self.manifest);
        let grown = blocking(move || {
            let grow = Grow::new(manifest, &ground)?;
            grow.skeleton()?;
            Ok(Arc::new(grow))
        });
        let grow = grown.await?;
        self.packs(&grow).await?;
        let (name, record) = (self.name.clone(), record.to_owned());
        blocking(move || {
            let mut seen = grow.finish()?;
            seen.manifest = name;
            seen.write(&record)
        })
        .await
    }

    async fn packs(&self, grow: &Arc<Grow>) -> Result<(), Error> {
        let mut spots = self.spots().into_iter();
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
    fn spots(&self) -> BTreeMap<u32, Vec<Spot>> {
        let mut spots: BTreeMap<u32, Vec<Spot>> = BTreeMap::new();
        for (layer, tree) in self.manifest.layers.iter().enumerate() {
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

/// The stamps of things that were just written.
pub(super) fn stamps(manifest: &Manifest, layers: &[OwnedFd]) -> io::Result<Seen> {
    let mut all = Vec::with_capacity(layers.len());
    for (layer, fd) in manifest.layers.iter().zip(layers) {
        let mut cursor = Cursor::new(fd.as_fd())?;
        let mut stamps = Vec::with_capacity(layer.folders.len());
        for (number, folder) in (0u32..).zip(&layer.folders) {
            let dir = cursor.go(&layer.folders, None, number)?;
            let stamp = |name: &[u8]| {
                let stat = fs::statat(dir, name, fs::AtFlags::SYMLINK_NOFOLLOW)?;
                Ok::<_, io::Error>(Stamp::of(&stat))
            };
            let names = folder.things.iter().map(|thing| stamp(&thing.name));
            stamps.push(names.collect::<io::Result<Vec<_>>>()?);
        }
        all.push(stamps);
    }
    let mut seen = Seen::now();
    seen.stamps = all;
    Ok(seen)
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
