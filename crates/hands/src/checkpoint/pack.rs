//! Packs: the contents of many files in one piece, so that twenty thousand files
//! are a few dozen pieces and not as many flushes of a disk.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::manifest::{Pack, Print};
use crate::error::Error;

/// Bytes of content in a pack.
pub(crate) const PACK: usize = 4 << 20;
/// Longest part of a file that is kept as one.
///
/// Files are cut at fixed places: what grows to great length in a workspace is
/// appended to (logs) or changed in place (databases, images), and then all parts
/// but the changed ones are known again. Cuts that follow the content would also
/// find what was shifted, but everything would be read byte by byte for it while
/// the sandbox stands still.
pub(crate) const CHUNK: usize = 256 << 10;
/// Of the compression: what `zstd` does unless told otherwise.
pub(super) const LEVEL: i32 = 3;
/// Format and version.
const HEAD: &[u8; 8] = b"oc-pack\x01";

pub(crate) type Hash = [u8; 32];

/// SHA-256: on processors of these days done by an instruction, and here already.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// What tells a content from others.
pub(crate) fn print(bytes: &[u8]) -> Print {
    let mut print = Print::default();
    print.copy_from_slice(hash(bytes).split_at(size_of::<Print>()).0);
    print
}

/// The piece with that content, and its hash.
pub(crate) fn seal(raw: &[u8]) -> std::io::Result<(Bytes, Hash)> {
    let mut piece = Vec::with_capacity(zstd::zstd_safe::compress_bound(raw.len()) + HEAD.len());
    piece.extend_from_slice(HEAD);
    let body = zstd::bulk::compress(raw, LEVEL)?;
    piece.extend_from_slice(&body);
    let hash = hash(&piece);
    Ok((piece.into(), hash))
}

/// The content of a piece.
///
/// # Errors
/// [`Error::Damaged`] if it is not the one the manifest means.
pub(crate) fn open(piece: &[u8], pack: &Pack) -> Result<Vec<u8>, Error> {
    let bad = |why: &str| Error::Damaged(format!("piece {} {why}", pack.name));
    if hash(piece) != pack.hash {
        return Err(bad("is not what was kept"));
    }
    let body = piece
        .strip_prefix(HEAD)
        .ok_or_else(|| bad("is of another format"))?;
    let raw = unpack(body, pack.raw as usize).map_err(|error| bad(&error))?;
    if raw.len() == pack.raw as usize {
        Ok(raw)
    } else {
        Err(bad("has another length"))
    }
}

/// Decompresses at most that many bytes.
pub(super) fn unpack(body: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let says = zstd::zstd_safe::get_frame_content_size(body)
        .ok()
        .flatten()
        .and_then(|len| usize::try_from(len).ok())
        .ok_or("does not say its length")?;
    if says > most {
        return Err("is too long".to_owned());
    }
    zstd::bulk::decompress(body, says).map_err(|error| format!("cannot be unpacked: {error}"))
}
