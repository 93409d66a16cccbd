//! The master key: a file of 64 hex digits that only its owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::{KeyFile, Seal};
use crate::Error;

/// The key that wraps every org's data key.
#[derive(Debug)]
pub struct MasterKey {
    key: SecretBox<[u8; 32]>,
    /// Where it was read from, for a change of keys.
    file: Option<KeyFile>,
}

impl MasterKey {
    /// The key in that file; made there with mode 0600 if there is no file.
    ///
    /// # Errors
    /// If the file cannot be read or made, is not a key, or others may read it.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        let found = match Self::load(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path).and_then(|()| Self::load(path))
            }
            found => found,
        };
        found.map_err(|source| Error::File {
            path: path.to_owned(),
            source: Arc::new(source),
        })
    }

    /// A key from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self {
            key: SecretBox::new(Box::new(bytes)),
            file: None,
        }
    }

    /// The key in that file, if there is one.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        let file = Some(KeyFile::at(path));
        load(path).map(|key| Self { key, file })
    }

    /// Where it was read from.
    pub(super) fn file(&self) -> Option<KeyFile> {
        self.file.clone()
    }

    pub(crate) fn seal(self) -> Seal {
        Seal::new(self.key)
    }
}

fn load(path: &Path) -> io::Result<SecretBox<[u8; 32]>> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        let why = "others may read this key; run `chmod 600` on it, or replace it if they may have";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let text = SecretString::from(fs::read_to_string(path)?);
    let key = bytes(text.expose_secret().trim_end());
    key.map(|key| SecretBox::new(Box::new(key)))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a key of 64 hex digits"))
}

fn bytes(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    let mut key = [0; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::try_from(digit(2 * at)? * 16 + digit(2 * at + 1)?).ok()?;
    }
    Some(key)
}

/// Writes a new key aside and links it into place, so that no one ever reads
/// half a key and the first of two makers wins.
fn create(path: &Path) -> io::Result<()> {
    let random: [u8; 32] = rand::random();
    let mut hex = String::with_capacity(65);
    for byte in random {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
    }
    hex.push('\n');
    let hex = SecretString::from(hex);
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let written = write(&aside, hex.expose_secret()).and_then(|()| fs::hard_link(&aside, path));
    fs::remove_file(&aside)?;
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.and_then(|()| sync_folder(path)),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn same(a: &MasterKey, b: &MasterKey) -> bool {
        a.key.expose_secret() == b.key.expose_secret()
    }

    #[test]
    fn the_first_start_makes_a_key_and_the_next_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let made = MasterKey::load_or_create(&path).unwrap();
        assert!(same(&made, &MasterKey::load_or_create(&path).unwrap()));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left aside"
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        MasterKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = MasterKey::load_or_create(&path).unwrap_err().to_string();
        assert!(error.contains("others may read"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("empty", ""),
            ("short", "abcd"),
            ("words", &"xy".repeat(32)),
            ("signs", &"+1".repeat(32)),
        ] {
            let path = folder.path().join(name);
            write(&path, text).unwrap();
            assert!(MasterKey::load_or_create(&path).is_err(), "{name}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let shown = format!("{:?}", MasterKey::from_bytes([0xab; 32]));
        assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
    }
}
