//! Skills of agents: what a revision says of them, and the bundle of their files,
//! sealed in the blob store under its own digest. What a bundle is made of this
//! does not know. A revision is kept for ever, and so is the bundle that it names.

use bytes::Bytes;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::vault::Place;
use crate::{Error, Store};

/// The folder of all bundles.
const SKILLS: &str = "skills";
/// What a digest begins with.
const SHA256: &str = "sha256:";

/// The skills of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// `sha256:` and the hex digest of the bundle.
    pub digest: String,
    /// The skills in it, by name.
    pub skills: Vec<SkillRow>,
}

/// A skill of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillRow {
    /// The name of its folder.
    pub name: String,
    /// What it is for, on one line.
    pub description: Option<String>,
    /// Its files, by path.
    pub files: Vec<SkillFile>,
}

/// A file of a skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillFile {
    /// Its path, from the skill's folder on.
    pub path: String,
    /// Its permissions.
    pub mode: u32,
    /// Its bytes.
    pub size: u64,
}

fn place(key: &str) -> Place<'_> {
    Place {
        table: "skills",
        row: key,
        column: "sealed",
    }
}

impl Store {
    /// Keeps a bundle, durably; its digest. The same bundle again is the same.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such org; [`Error::Full`],
    /// [`Error::Unavailable`].
    pub async fn skills_put(&self, org: &str, bundle: Bytes) -> Result<String, Error> {
        let hex = Sha256::digest(&bundle)
            .iter()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let key = format!("{SKILLS}/{org}/{hex}");
        let seal = self.data_key(org).await?;
        let sealed = seal.aside(key.clone(), move |seal, key| {
            seal.seal(place(key), &bundle).map(Bytes::from)
        });
        self.blobs().put(&key, sealed.await?).await?;
        Ok(format!("{SHA256}{hex}"))
    }

    /// A bundle by its digest.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is gone, was changed, or belongs to another org;
    /// [`Error::NotFound`] if there is no such org.
    pub async fn skills_get(&self, org: &str, digest: &str) -> Result<Bytes, Error> {
        let hex = digest.strip_prefix(SHA256).unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::Damaged(digest.to_owned()));
        }
        let key = format!("{SKILLS}/{org}/{hex}");
        let damaged = |error| match error {
            Error::Corrupt { .. } | Error::Sealed => Error::Damaged(digest.to_owned()),
            other => other,
        };
        let seal = self.data_key(org).await?;
        let sealed = self.blobs().get(&key).await.map_err(damaged)?;
        let open = seal.aside(key, move |seal, key| {
            let plain = seal.open(place(key), &sealed)?;
            Ok(Bytes::copy_from_slice(plain.expose_secret()))
        });
        open.await.map_err(damaged)
    }
}
