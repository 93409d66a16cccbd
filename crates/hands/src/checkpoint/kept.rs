//! A manifest as a piece: a head that names format and version, a hash of what
//! follows, and that. One too long for a piece has pages, pieces of their own,
//! before its end.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::pack::{self, Hash};
use super::pieces::Pieces;
use crate::error::Error;

/// Format and version.
const HEAD: &[u8; 8] = b"oc-man\x00\x01";
/// Bytes of a page.
const PAGE: usize = 4 << 20;

/// A manifest that was put.
#[derive(Debug)]
pub(super) struct Put {
    /// What it is restored from.
    pub(super) name: String,
    /// Names of its pages.
    pub(super) pages: Vec<String>,
    /// Bytes of all that.
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Body {
    /// Of the whole manifest.
    hash: Hash,
    pages: Vec<String>,
    end: Vec<u8>,
}

/// Puts a manifest, pages first.
pub(super) async fn put(pieces: &Pieces, owner: &str, manifest: &Manifest) -> Result<Put, Error> {
    let mut rest = Bytes::from(manifest.encode()?);
    let (hash, mut pages, mut bytes) = (pack::hash(&rest), Vec::new(), 0);
    while rest.len() > PAGE {
        let page = rest.split_to(PAGE);
        bytes += page.len() as u64;
        pages.push(pieces.keep(owner, page).await?);
    }
    let body = Body {
        hash,
        pages,
        end: rest.into(),
    };
    let piece = sealed(&body)?;
    bytes += piece.len() as u64;
    let name = pieces.keep(owner, piece).await?;
    Ok(Put {
        name,
        pages: body.pages,
        bytes,
    })
}

/// Brings a manifest and the names of its pages.
///
/// # Errors
/// [`Error::Damaged`] if it is not exactly what was put.
pub(super) async fn bring(
    pieces: &Pieces,
    owner: &str,
    name: &str,
) -> Result<(Manifest, Vec<String>), Error> {
    let body = opened(&pieces.fetch(owner, name).await?)?;
    let mut whole = Vec::with_capacity(body.pages.len() * PAGE + body.end.len());
    for page in &body.pages {
        whole.extend_from_slice(&pieces.fetch(owner, page).await?);
    }
    whole.extend_from_slice(&body.end);
    if pack::hash(&whole) != body.hash {
        return Err(bad("is not what was kept"));
    }
    Ok((Manifest::decode(&whole)?, body.pages))
}

fn bad(why: &str) -> Error {
    Error::Damaged(format!("the manifest {why}"))
}

fn sealed(body: &Body) -> Result<Bytes, Error> {
    let body = postcard::to_stdvec(body)
        .map_err(|error| Error::Refused(format!("the manifest cannot be written: {error}")))?;
    Ok([&HEAD[..], &pack::hash(&body), &body].concat().into())
}

fn opened(piece: &[u8]) -> Result<Body, Error> {
    let rest = piece
        .strip_prefix(HEAD)
        .ok_or_else(|| bad("is of another format"))?;
    let (hash, body) = rest
        .split_at_checked(size_of::<Hash>())
        .ok_or_else(|| bad("is cut off"))?;
    if pack::hash(body) != hash {
        return Err(bad("is not what was kept"));
    }
    postcard::from_bytes(body).map_err(|error| bad(&format!("makes no sense: {error}")))
}
