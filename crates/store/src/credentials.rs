//! Model credentials: write-only for callers, sealed at rest.

use secrecy::SecretString;
use session::Millis;

use crate::{Error, Store};

/// A credential to be made.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// A fresh id.
    pub id: String,
    /// The provider's name.
    pub provider: String,
    /// A name for people.
    pub name: Option<String>,
    /// The provider's key.
    pub secret: SecretString,
    /// Whether it becomes the org's default for its provider.
    pub default: bool,
    /// When.
    pub at: Millis,
}

/// A credential, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRow {
    /// Its id.
    pub id: String,
    /// The provider's name.
    pub provider: String,
    /// A name for people.
    pub name: Option<String>,
    /// The last characters of the value, at most four.
    pub last4: String,
    /// Whether it is the org's default for its provider.
    pub is_default: bool,
    /// When it was made.
    pub created: Millis,
}

impl Store {
    /// Makes a credential.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_credential(
        &self,
        org: &str,
        new: NewCredential,
    ) -> Result<CredentialRow, Error> {
        let _ = (org, new);
        crate::store::unbuilt()
    }

    /// All credentials of an org, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn credentials(&self, org: &str) -> Result<Vec<CredentialRow>, Error> {
        let _ = org;
        crate::store::unbuilt()
    }

    /// One credential.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such credential.
    pub async fn credential(&self, org: &str, id: &str) -> Result<CredentialRow, Error> {
        let _ = (org, id);
        crate::store::unbuilt()
    }

    /// The org's default for a provider.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn default_credential(
        &self,
        org: &str,
        provider: &str,
    ) -> Result<Option<CredentialRow>, Error> {
        let _ = (org, provider);
        crate::store::unbuilt()
    }

    /// The value of a credential, for the model client alone.
    ///
    /// # Errors
    /// [`Error::Sealed`] if it cannot be opened.
    pub async fn credential_secret(
        &self,
        org: &str,
        id: &str,
    ) -> Result<Option<SecretString>, Error> {
        let _ = (org, id);
        crate::store::unbuilt()
    }

    /// Gives a credential a new value, for running sessions too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such credential.
    pub async fn rotate_credential(
        &self,
        org: &str,
        id: &str,
        secret: SecretString,
    ) -> Result<CredentialRow, Error> {
        let _ = (org, id, secret);
        crate::store::unbuilt()
    }

    /// Makes a credential the org's default for its provider.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such credential.
    pub async fn set_default_credential(
        &self,
        org: &str,
        id: &str,
    ) -> Result<CredentialRow, Error> {
        let _ = (org, id);
        crate::store::unbuilt()
    }

    /// Deletes a credential and its value.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such credential.
    pub async fn delete_credential(&self, org: &str, id: &str) -> Result<(), Error> {
        let _ = (org, id);
        crate::store::unbuilt()
    }
}
