//! What this user's commands remember between runs: an address and a key in
//! `~/.oc/config.json`, which only its owner can read. Other programs keep things
//! there too: what we do not know stays as it is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::CliError;

/// What may be set.
pub(super) const NAMES: [&str; 3] = ["api_url", "api_key", "sessions_api_url"];

/// The remembered values.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    kept: Map<String, Value>,
}

impl Home {
    /// What the user who runs this program keeps; nothing if there is no file.
    pub(super) fn load() -> Result<Self, CliError> {
        let home = std::env::home_dir().unwrap_or_default();
        Self::at(home.join(".oc/config.json"))
    }

    fn at(path: PathBuf) -> Result<Self, CliError> {
        let kept = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| CliError::Local(format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(failed(&path, &error)),
        };
        Ok(Self { path, kept })
    }

    /// Where it is kept.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A value, if it is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.kept.get(name)?.as_str()?;
        (!value.is_empty()).then_some(value)
    }

    /// Where sessions are: published tools may keep that address apart.
    pub(super) fn url(&self) -> Option<&str> {
        self.get("sessions_api_url").or(self.get("api_url"))
    }

    /// Remembers a value, or forgets it.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.kept.insert(name.to_owned(), value.into()),
            None => self.kept.remove(name),
        };
    }

    /// Writes everything beside the old file and puts it in its place, so that a
    /// crash leaves one of the two.
    pub(super) fn save(&self) -> Result<(), CliError> {
        let failed = |error: io::Error| failed(&self.path, &error);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let beside = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside).map_err(failed)?;
        let text = format!("{:#}\n", Value::Object(self.kept.clone()));
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, &self.path))
            .map_err(failed)
    }
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::Local(format!("{}: {error}", path.display()))
}

/// As much of a key as may be shown.
pub(super) fn masked(key: &str) -> String {
    let shown: String = key.chars().take(8).collect();
    format!("{shown}…")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_what_others_keep_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".oc/config.json");
        let mut home = Home::at(path.clone()).unwrap();
        assert_eq!(home.url(), None);
        home.set("api_url", Some("http://h"));
        home.set("api_key", Some("osb_1"));
        home.save().unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::write(
            &path,
            r#"{"api_url":"http://h","sessions_api_url":"http://s","login":{"a":1}}"#,
        )
        .unwrap();
        let mut home = Home::at(path.clone()).unwrap();
        assert_eq!(home.url(), Some("http://s"));
        home.set("sessions_api_url", None);
        home.save().unwrap();
        let home = Home::at(path).unwrap();
        assert_eq!((home.url(), home.get("api_key")), (Some("http://h"), None));
        assert_eq!(home.kept["login"]["a"], 1);
    }

    #[test]
    fn a_broken_file_is_named_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, "{").unwrap();
        let error = Home::at(path).unwrap_err().to_string();
        assert!(error.contains("config.json"), "{error}");
    }

    #[test]
    fn a_key_is_shown_by_its_beginning() {
        assert_eq!(masked("osb_0123456789"), "osb_0123…");
    }
}
