//! The demo's own API key: made once, kept in the data folder for its owner
//! alone, used again by the next run.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::cli::error::CliError;

/// The key of this data folder.
pub(super) fn load_or_create(data: &Path) -> Result<String, CliError> {
    let path = data.join("demo-key");
    let failed = |error: io::Error| {
        CliError::Local(format!(
            "{}: {error}. Give a folder of yours with --data",
            path.display()
        ))
    };
    fs::create_dir_all(data).map_err(failed)?;
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let key = crate::node::new_key();
            file.write_all(key.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&path),
        Err(error) => Err(failed(error)),
    }
}

/// Takes away a folder that holds nothing but the key: nobody knows the key.
pub(super) fn forget(data: &Path) {
    let mut names = fs::read_dir(data).into_iter().flatten().flatten();
    if names.all(|entry| entry.file_name() == "demo-key") {
        let _ = fs::remove_file(data.join("demo-key"));
        let _ = fs::remove_dir(data);
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CliError::Local(format!("{}: {error}", path.display())))?;
    let key = text.trim();
    if key.len() == 68 && key.starts_with("osb_") {
        return Ok(key.to_owned());
    }
    Err(CliError::Local(format!(
        "{} holds no API key: delete it and run the demo again",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let key = load_or_create(&data).unwrap();
        assert_eq!(load_or_create(&data).unwrap(), key);
        let mode = fs::metadata(data.join("demo-key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(data.join("demo-key"), "x").unwrap();
        assert!(
            load_or_create(&data)
                .unwrap_err()
                .to_string()
                .contains("delete it")
        );
    }

    #[test]
    fn only_a_folder_without_anything_else_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        load_or_create(&data).unwrap();
        fs::write(data.join("server.log"), "x").unwrap();
        forget(&data);
        assert!(data.join("demo-key").exists());
        fs::remove_file(data.join("server.log")).unwrap();
        forget(&data);
        assert!(!data.exists());
    }
}
