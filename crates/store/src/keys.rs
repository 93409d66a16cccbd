//! Orgs and their API keys. A key itself is never stored.

use session::Millis;

use crate::{Error, Store};

/// An owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Millis,
}

/// A key to be made.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// A fresh id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// A name for people.
    pub name: String,
    /// The key; only its hash and its first characters are kept.
    pub key: &'a str,
    /// When.
    pub at: Millis,
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// A name for people.
    pub name: String,
    /// Its first characters, to tell it from others.
    pub prefix: String,
    /// When it was made.
    pub created: Millis,
    /// When it was last seen, to the minute or so.
    pub last_used: Option<Millis>,
    /// Since when it opens nothing.
    pub revoked: Option<Millis>,
}

impl Store {
    /// Makes the default org, and its first key: the given one if it is not
    /// there yet, else this one if there is no key at all. Whether a key was
    /// made.
    ///
    /// # Errors
    /// As every write.
    pub async fn bootstrap(&self, key: &str, given: bool, at: Millis) -> Result<bool, Error> {
        let _ = (key, given, at);
        crate::store::unbuilt()
    }

    /// The key, if it is one and not revoked.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn authenticate(&self, key: &str, now: Millis) -> Result<Option<KeyRow>, Error> {
        let _ = (key, now);
        crate::store::unbuilt()
    }

    /// All orgs, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn orgs(&self) -> Result<Vec<OrgRow>, Error> {
        crate::store::unbuilt()
    }

    /// Makes a key.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_key(&self, new: NewKey<'_>) -> Result<KeyRow, Error> {
        let _ = new;
        crate::store::unbuilt()
    }

    /// All keys of an org, newest first; revoked ones too.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn keys(&self, org: &str) -> Result<Vec<KeyRow>, Error> {
        let _ = org;
        crate::store::unbuilt()
    }

    /// Makes a key open nothing from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such key.
    pub async fn revoke_key(&self, org: &str, id: &str, at: Millis) -> Result<(), Error> {
        let _ = (org, id, at);
        crate::store::unbuilt()
    }
}
