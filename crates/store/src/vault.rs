//! Secrets at rest: AES-256-GCM under an org's data key, which the master key
//! wraps. What was sealed for one place opens at no other.

mod file;
mod master;
mod ring;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use secrecy::{ExposeSecret, SecretBox};

pub(crate) use file::KeyFile;
pub use master::MasterKey;
pub(crate) use ring::Ring;

use crate::Error;

/// Bytes of a nonce, which stands before what it sealed.
const NONCE: usize = 12;

/// Where a sealed value belongs: it is bound to table, row and column.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) row: &'a str,
    pub(crate) column: &'static str,
}

impl Place<'_> {
    fn bytes(self) -> Vec<u8> {
        format!("{}|{}|{}", self.table, self.row, self.column).into_bytes()
    }
}

/// A key that seals: the master key, or an org's data key.
pub(crate) struct Seal(SecretBox<[u8; 32]>);

impl Seal {
    pub(crate) fn new(key: SecretBox<[u8; 32]>) -> Self {
        Self(key)
    }

    /// A fresh key.
    pub(crate) fn fresh() -> Self {
        Self(SecretBox::init_with(rand::random))
    }

    /// Whether it is the same key.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(self.0.expose_secret().into())
    }

    /// Seals bytes for a place.
    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE] = rand::random();
        let aad = place.bytes();
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::Sealed)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for this place.
    pub(crate) fn open(
        &self,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<SecretBox<Vec<u8>>, Error> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Error::Sealed)?;
        let aad = place.bytes();
        let payload = Payload {
            msg: sealed,
            aad: &aad,
        };
        let plain = self.cipher().decrypt(&Nonce::from(*nonce), payload);
        plain
            .map(|plain| SecretBox::new(Box::new(plain)))
            .map_err(|_| Error::Sealed)
    }

    /// Wraps another key for a place.
    pub(crate) fn wrap(&self, place: Place<'_>, key: &Self) -> Result<Vec<u8>, Error> {
        self.seal(place, key.0.expose_secret())
    }

    /// Unwraps a key of this place.
    pub(crate) fn unwrap(&self, place: Place<'_>, wrapped: &[u8]) -> Result<Self, Error> {
        let plain = self.open(place, wrapped)?;
        let key: [u8; 32] = plain
            .expose_secret()
            .as_slice()
            .try_into()
            .map_err(|_| Error::Sealed)?;
        Ok(Self(SecretBox::new(Box::new(key))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HERE: Place<'_> = Place {
        table: "credentials",
        row: "cred_1",
        column: "sealed",
    };

    #[test]
    fn what_is_sealed_opens_at_its_place() {
        let seal = Seal::fresh();
        for plain in [&b""[..], b"sk-1", &[0; 100_000]] {
            let sealed = seal.seal(HERE, plain).unwrap();
            assert_eq!(
                seal.open(HERE, &sealed).unwrap().expose_secret().as_slice(),
                plain
            );
        }
    }

    #[test]
    fn it_opens_nowhere_else_and_with_no_other_key() {
        let seal = Seal::fresh();
        let sealed = seal.seal(HERE, b"sk-1").unwrap();
        let elsewhere = [
            Place {
                row: "cred_2",
                ..HERE
            },
            Place {
                column: "other",
                ..HERE
            },
            Place {
                table: "orgs",
                ..HERE
            },
        ];
        for place in elsewhere {
            assert!(matches!(seal.open(place, &sealed), Err(Error::Sealed)));
        }
        assert!(matches!(
            Seal::fresh().open(HERE, &sealed),
            Err(Error::Sealed)
        ));
    }

    #[test]
    fn a_changed_bit_is_seen() {
        let seal = Seal::fresh();
        let sealed = seal.seal(HERE, b"sk-1").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(seal.open(HERE, &changed).is_err(), "byte {at}");
            assert!(seal.open(HERE, &sealed[..at]).is_err(), "first {at} bytes");
        }
    }

    #[test]
    fn two_seals_of_one_value_differ() {
        let seal = Seal::fresh();
        assert_ne!(
            seal.seal(HERE, b"sk-1").unwrap(),
            seal.seal(HERE, b"sk-1").unwrap()
        );
    }

    #[test]
    fn a_wrapped_key_seals_as_before() {
        let (master, data) = (Seal::fresh(), Seal::fresh());
        let sealed = data.seal(HERE, b"sk-1").unwrap();
        let wrapped = master.wrap(HERE, &data).unwrap();
        let again = master.unwrap(HERE, &wrapped).unwrap();
        assert_eq!(again.open(HERE, &sealed).unwrap().expose_secret(), b"sk-1");
        assert!(data.unwrap(HERE, &wrapped).is_err());
    }
}
