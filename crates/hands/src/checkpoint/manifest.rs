//! A manifest: every file of a checkpoint, and in which pack its content is.
//!
//! What is true of one sandbox only (inodes, its range of uids) is not in it, so
//! that it means the same on every node.

use serde::{Deserialize, Serialize};

use super::pack::{self, Hash, LEVEL};
use crate::error::Error;

/// Most bytes of a manifest once it is unpacked.
const LARGEST: usize = 1 << 30;

/// First bytes of a content's SHA-256: enough to tell contents apart, short
/// enough that twenty thousand of them stay small.
pub(crate) type Print = [u8; 16];

/// A writable layer of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Place {
    /// What lies over the template.
    Root,
    /// What lies over the host's `/usr`.
    Usr,
    /// The workspace of a sandbox that is a plain process.
    Workspace,
    /// `/tmp`, which is memory.
    Tmp,
}

/// All of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Pieces with content.
    pub(crate) packs: Vec<Pack>,
    /// Contents, each once.
    pub(crate) chunks: Vec<Chunk>,
    /// What was written, by layer.
    pub(crate) layers: Vec<Layer>,
}

/// A piece with the content of many files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pack {
    /// Under which name it is kept.
    pub(crate) name: String,
    /// SHA-256 of the piece.
    pub(crate) hash: Hash,
    /// Bytes of content in it.
    pub(crate) raw: u32,
}

/// A file's content, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    /// What it is.
    pub(crate) print: Print,
    /// In which pack.
    pub(crate) pack: u32,
    /// Where there.
    pub(crate) at: u32,
    /// Its length.
    pub(crate) len: u32,
}

/// The tree of a layer. Folders come after the folder they are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layer {
    /// Which.
    pub(crate) place: Place,
    /// The first is the layer itself.
    pub(crate) folders: Vec<Folder>,
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Folder {
    /// Number of the folder it is in; the layer is in itself.
    pub(crate) parent: u32,
    /// Its name there.
    pub(crate) name: Vec<u8>,
    /// Mode, owner, time.
    pub(crate) meta: Meta,
    /// It hides what the template has in its place.
    pub(crate) opaque: bool,
    /// What is in it and is no folder, by name.
    pub(crate) things: Vec<Thing>,
}

/// Anything but a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Thing {
    /// Its name in its folder.
    pub(crate) name: Vec<u8>,
    /// Mode, owner, time.
    pub(crate) meta: Meta,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What all files have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Permissions.
    pub(crate) mode: u16,
    /// As the sandbox counts.
    pub(crate) uid: u32,
    /// As the sandbox counts.
    pub(crate) gid: u32,
    /// When it was changed: seconds.
    pub(crate) secs: i64,
    /// And nanoseconds.
    pub(crate) nanos: u32,
    /// Attributes given by programs.
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a [`Thing`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A file; between its parts, and after the last, are holes.
    File {
        /// Its length.
        size: u64,
        /// Its content.
        parts: Vec<Part>,
    },
    /// A symbolic link and its target.
    Link(Vec<u8>),
    /// A named pipe.
    Pipe,
    /// The template's file of that name was deleted.
    Gone,
    /// Another name of a thing that comes before it.
    Same {
        /// The other's folder.
        folder: u32,
        /// The other's number there.
        thing: u32,
    },
}

/// A part of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Bytes of hole before it.
    pub(crate) hole: u64,
    /// Number of its chunk.
    pub(crate) chunk: u32,
}

impl Manifest {
    /// As bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let odd = |error: &dyn std::fmt::Display| {
            Error::Refused(format!("the manifest cannot be written: {error}"))
        };
        let raw = postcard::to_stdvec(self).map_err(|error| odd(&error))?;
        zstd::bulk::compress(&raw, LEVEL).map_err(|error| odd(&error))
    }

    /// From these bytes, which are known to be what was encoded.
    ///
    /// # Errors
    /// [`Error::Damaged`] if they make no sense all the same.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let bad = |why: String| Error::Damaged(format!("the manifest {why}"));
        let raw = pack::unpack(bytes, LARGEST).map_err(bad)?;
        let manifest: Self =
            postcard::from_bytes(&raw).map_err(|error| bad(format!("makes no sense: {error}")))?;
        manifest.sound().map_err(|why| bad(why.to_owned()))?;
        Ok(manifest)
    }

    /// All numbers in it name something that is there.
    fn sound(&self) -> Result<(), &'static str> {
        let within = |number: u32, len: usize| (number as usize) < len;
        let placed = |chunk: &Chunk| {
            let pack = self.packs.get(chunk.pack as usize);
            pack.is_some_and(|pack| {
                u64::from(chunk.at) + u64::from(chunk.len) <= u64::from(pack.raw)
            })
        };
        if !self.chunks.iter().all(placed) {
            return Err("names content that no pack has");
        }
        for layer in &self.layers {
            for (n, folder) in layer.folders.iter().enumerate() {
                if !within(folder.parent, n.max(1)) {
                    return Err("has a folder that is in none");
                }
                for thing in &folder.things {
                    let known = match &thing.kind {
                        Kind::File { parts, .. } => parts
                            .iter()
                            .all(|part| within(part.chunk, self.chunks.len())),
                        Kind::Same { folder, thing } => layer
                            .folders
                            .get(*folder as usize)
                            .is_some_and(|folder| within(*thing, folder.things.len())),
                        _ => true,
                    };
                    if !known {
                        return Err("names content it does not have");
                    }
                }
            }
        }
        Ok(())
    }

    /// Files, folders and deletions, and bytes of content.
    pub(crate) fn count(&self) -> (u64, u64) {
        let folders = || self.layers.iter().flat_map(|layer| &layer.folders);
        let things = folders().flat_map(|folder| &folder.things);
        let layers = self.layers.len();
        let files = folders().count() - layers + folders().map(|f| f.things.len()).sum::<usize>();
        let bytes = things.map(|thing| match &thing.kind {
            Kind::File { parts, .. } => parts
                .iter()
                .filter_map(|part| self.chunks.get(part.chunk as usize))
                .map(|chunk| u64::from(chunk.len))
                .sum(),
            _ => 0,
        });
        (files as u64, bytes.sum())
    }
}
