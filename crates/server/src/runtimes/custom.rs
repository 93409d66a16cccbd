//! A program that a user registered as a runtime: its folder and the command that
//! starts it there. It speaks the brain contract; see `docs/runtimes.md`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::error::at;
use super::folder::reserved;

/// A program that a user registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// Its name as a runtime.
    #[serde(skip)]
    pub name: String,
    /// The folder that is shown to it, read-only.
    pub dir: PathBuf,
    /// The command that starts it there.
    pub command: Vec<String>,
}

impl Custom {
    /// Whether a runtime of a user's own may have that name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn named(name: &str) -> Result<(), Error> {
        if reserved(name) {
            return Err(Error::Name(name.to_owned(), "it is one of ours"));
        }
        Self::form(name)
    }

    /// Whether any runtime may have that name: it is a folder's name, too.
    pub(super) fn form(name: &str) -> Result<(), Error> {
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let first = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        if !first || name.len() > 40 || !name.bytes().all(fine) {
            return Err(Error::Name(
                name.to_owned(),
                "give up to 40 lowercase letters, digits, - and _, a letter first",
            ));
        }
        Ok(())
    }

    /// Whether it can be run as it is described.
    ///
    /// # Errors
    /// What is missing.
    pub fn check(&self) -> Result<(), Error> {
        Self::named(&self.name)?;
        if !self.dir.is_absolute() || !self.dir.is_dir() {
            let dir = self.dir.display();
            return Err(Error::Custom(format!("{dir} is no folder")));
        }
        if self.command.first().is_none_or(String::is_empty) {
            return Err(Error::Custom("the command is empty".to_owned()));
        }
        Ok(())
    }

    /// What is written about it at that path, if anything is.
    pub(super) fn load(name: &str, path: &Path) -> Result<Option<Self>, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
            Err(error) => return Err(at(path)(error)),
        };
        let custom: Self = toml::from_str(&text)
            .map_err(|error| Error::Custom(format!("{}: {error}", path.display())))?;
        Ok(Some(Self {
            name: name.to_owned(),
            ..custom
        }))
    }

    /// The text that is written about it.
    pub(super) fn text(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| Error::Custom(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_word_that_is_not_one_of_ours() {
        for name in ["mine", "a", "my-brain_2"] {
            assert!(Custom::named(name).is_ok(), "{name}");
        }
        let long = "a".repeat(41);
        for name in [
            "",
            "native",
            "claude",
            "claude-agent-sdk",
            "pi",
            "Mine",
            "1a",
            "a/b",
            "..",
            ".a",
            &long,
        ] {
            assert!(Custom::named(name).is_err(), "{name}");
        }
    }
}
