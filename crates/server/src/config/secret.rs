//! A value that is taken in and never shown: not printed, not logged, and written
//! as "(set)" wherever options are listed.

use std::convert::Infallible;
use std::ops::Deref;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An option that is secret.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// An empty variable is an absent one: scripts set `X=` to unset it.
    pub(super) fn is_empty(&mut self) -> bool {
        self.expose_secret().is_empty()
    }
}

impl Deref for Secret {
    type Target = SecretString;

    fn deref(&self) -> &SecretString {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::from)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("(set)")
    }
}
