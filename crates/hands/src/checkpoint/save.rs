//! Making a checkpoint: walk, read, compress and keep at the same time, and only
//! then the manifest. What was put before a failure is named by nothing.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};

use super::Saved;
use super::compare;
use super::kept;
use super::manifest::{Chunk, Kind, Layer, Manifest, Pack, Part};
use super::pack;
use super::pieces::Pieces;
use super::reach::Reach;
use super::read::{Contents, Full};
use super::seen::Seen;
use super::walk::{Walked, walk};
use crate::error::Error;

/// Full packs that wait to be compressed, while the sandbox stands still.
const WAITING: usize = 4;
/// Packs that wait until they are kept, beside those that are compressed.
const ON_THE_WAY: usize = 4;

/// What to save.
pub(super) struct Save<'a> {
    /// Whose files.
    pub(super) owner: &'a str,
    /// The sandbox's folder on the host.
    pub(super) folder: PathBuf,
    /// Where pieces go.
    pub(super) pieces: &'a Pieces,
}

/// The checkpoint before; none has no name.
#[derive(Debug, Default)]
pub(super) struct Last {
    name: String,
    manifest: Manifest,
    pages: Vec<String>,
    /// What the files were then, if that is known.
    seen: Option<Seen>,
}

/// What was read.
struct Draft {
    walked: Vec<Walked>,
    chunks: Vec<Chunk>,
    seen: Seen,
}

impl Save<'_> {
    /// Makes the checkpoint. The sandbox is as it is until `still` is dropped, which
    /// is as soon as it is read.
    pub(super) async fn run(
        self,
        reach: Reach,
        still: impl Send + 'static,
        last: Last,
    ) -> Result<Saved, Error> {
        let (send, full) = mpsc::channel(WAITING);
        let last = Arc::new(last);
        let before = Arc::clone(&last);
        let reading = spawn_blocking(move || {
            let draft = read(&reach, &before, send);
            drop(still);
            // Its folder may have been cleared away as it was read.
            reach.alive()?;
            draft
        });
        let kept = self.keep(full).await;
        let draft = reading
            .await
            .map_err(|error| Error::Lost(error.to_string()))??;
        self.finish(&last, draft, kept?).await
    }

    /// The checkpoint to build upon: of those that are kept the newest that this sandbox
    /// was filled from or kept as. Any other may be damaged without a sign, and would
    /// damage what is built upon it. One that cannot be read is as good as none: the
    /// files are here, and will be safe again.
    pub(super) async fn last(&self, kept: &[&str]) -> Result<Last, Error> {
        let folder = self.folder.clone();
        let read = spawn_blocking(move || Seen::read(&folder)).await;
        let seen = read.map_err(|error| Error::Lost(error.to_string()))?;
        let newest = seen.as_ref().and_then(|seen| seen.newest_of(kept));
        let Some(name) = newest.map(str::to_owned) else {
            return Ok(Last::default());
        };
        match kept::bring(self.pieces, self.owner, &name).await {
            Err(error @ Error::Damaged(_)) => {
                tracing::warn!(owner = self.owner, %error, "the last checkpoint is of no use");
                Ok(Last::default())
            }
            Err(error) => Err(error),
            Ok((manifest, pages)) => Ok(Last {
                seen: seen.filter(|seen| seen.manifest == name),
                name,
                manifest,
                pages,
            }),
        }
    }

    /// Compresses packs as they are read and keeps them.
    async fn keep(&self, mut full: mpsc::Receiver<Full>) -> Result<Vec<(u32, Pack, u64)>, Error> {
        let most = available_parallelism().map_or(2, NonZero::get).min(4);
        let turns = Arc::new(Semaphore::new(most));
        let (mut work, mut kept) = (JoinSet::new(), Vec::new());
        loop {
            tokio::select! {
                pack = full.recv(), if work.len() < most + ON_THE_WAY => match pack {
                    Some((number, raw)) => {
                        let (pieces, owner) = (self.pieces.clone(), self.owner.to_owned());
                        work.spawn(one(number, raw, Arc::clone(&turns), pieces, owner));
                    }
                    None => break,
                },
                Some(done) = work.join_next() => kept.push(joined(done)?),
            }
        }
        while let Some(done) = work.join_next().await {
            kept.push(joined(done)?);
        }
        kept.sort_unstable_by_key(|(number, ..)| *number);
        Ok(kept)
    }

    async fn finish(
        &self,
        last: &Last,
        draft: Draft,
        kept: Vec<(u32, Pack, u64)>,
    ) -> Result<Saved, Error> {
        let same = compare::nothing_changed(&draft.walked, &last.manifest);
        let mut added: u64 = kept.iter().map(|(_, _, bytes)| bytes).sum();
        let new = kept.into_iter().map(|(_, pack, _)| pack);
        let packs = last.manifest.packs.iter().cloned().chain(new);
        let layers = draft.walked.into_iter().map(|walked| walked.layer);
        let manifest = compact(Manifest {
            packs: packs.collect(),
            chunks: draft.chunks,
            layers: layers.collect(),
        });
        let unchanged = same && added == 0;
        let (name, pages) = if unchanged {
            (last.name.clone(), last.pages.clone())
        } else {
            let put = kept::put(self.pieces, self.owner, &manifest).await?;
            added += put.bytes;
            (put.name, put.pages)
        };
        let mut seen = draft.seen;
        seen.manifest.clone_from(&name);
        seen.base.clone_from(&last.name);
        self.note(seen).await;
        let (files, bytes) = manifest.count();
        let packs = manifest.packs.into_iter().map(|pack| pack.name);
        Ok(Saved {
            manifest: name,
            packs: packs.chain(pages).collect(),
            files,
            bytes,
            added,
            unchanged,
        })
    }

    /// Leaves word for the next checkpoint. Without it all is read again; nothing
    /// else depends on it.
    async fn note(&self, seen: Seen) {
        let folder = self.folder.clone();
        let noted = spawn_blocking(move || seen.write(&folder)).await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(%error, "what was seen of a sandbox is not noted");
        }
    }
}

/// While the sandbox stands still.
fn read(reach: &Reach, last: &Last, full: mpsc::Sender<Full>) -> Result<Draft, Error> {
    let (mut now, manifest) = (Seen::now(), &last.manifest);
    let mut walked = walk(reach)?;
    if let Some(seen) = &last.seen {
        compare::take_known(&mut walked, manifest, seen);
    }
    let mut contents = Contents::new(manifest, full);
    contents.read(reach, &mut walked)?;
    // Packs are tidied up only beside other work.
    if !compare::nothing_changed(&walked, manifest) {
        let tired = compare::tired(manifest);
        contents.forget(&tired);
        compare::forget_tired(&mut walked, manifest, &tired);
        contents.read(reach, &mut walked)?;
    }
    contents.flush()?;
    let stamps = walked
        .iter_mut()
        .map(|walked| std::mem::take(&mut walked.stamps));
    now.stamps = stamps.collect();
    Ok(Draft {
        walked,
        chunks: contents.chunks,
        seen: now,
    })
}

async fn one(
    number: u32,
    raw: Vec<u8>,
    turns: Arc<Semaphore>,
    pieces: Pieces,
    owner: String,
) -> Result<(u32, Pack, u64), Error> {
    let content = raw.len() as u32;
    // Processors are for compressing; what waits for a disk takes none.
    let turn = turns.acquire().await;
    let sealed = spawn_blocking(move || pack::seal(&raw)).await;
    drop(turn);
    let (piece, hash) = sealed
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(Error::io("compress the files of a sandbox"))?;
    let bytes = piece.len() as u64;
    let name = pieces.keep(&owner, Bytes::clone(&piece)).await?;
    let pack = Pack {
        name,
        hash,
        raw: content,
    };
    Ok((number, pack, bytes))
}

fn joined<T>(done: Result<Result<T, Error>, tokio::task::JoinError>) -> Result<T, Error> {
    done.map_err(|error| Error::Lost(error.to_string()))?
}

/// Without contents and packs that nothing names.
fn compact(mut manifest: Manifest) -> Manifest {
    const UNUSED: u32 = u32::MAX;
    let mut chunks = vec![UNUSED; manifest.chunks.len()];
    let mut packs = vec![UNUSED; manifest.packs.len()];
    let (mut kept_chunks, mut kept_packs) = (Vec::new(), Vec::new());
    for part in parts(&mut manifest.layers) {
        let at = part.chunk as usize;
        let (Some(place), Some(chunk)) = (chunks.get_mut(at), manifest.chunks.get(at)) else {
            continue;
        };
        if *place == UNUSED {
            let (Some(pack), Some(content)) = (
                packs.get_mut(chunk.pack as usize),
                manifest.packs.get(chunk.pack as usize),
            ) else {
                continue;
            };
            if *pack == UNUSED {
                *pack = kept_packs.len() as u32;
                kept_packs.push(content.clone());
            }
            *place = kept_chunks.len() as u32;
            kept_chunks.push(Chunk {
                pack: *pack,
                ..*chunk
            });
        }
        part.chunk = *place;
    }
    (manifest.chunks, manifest.packs) = (kept_chunks, kept_packs);
    manifest
}

fn parts(layers: &mut [Layer]) -> impl Iterator<Item = &mut Part> {
    let folders = layers.iter_mut().flat_map(|layer| &mut layer.folders);
    let things = folders.flat_map(|folder| &mut folder.things);
    let parts = things.filter_map(|thing| match &mut thing.kind {
        Kind::File { parts, .. } => Some(parts),
        _ => None,
    });
    parts.flatten()
}
