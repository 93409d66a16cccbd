//! A folder of skills as one archive. What skills may be the server says; here
//! is only what cannot be packed.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::error::CliError;
use crate::skills::{BYTES, FILES, SKILL};

/// Most bytes of an archive that is sent as it is.
const ARCHIVE: u64 = 2 * 1024 * 1024;

/// The archive at a path, or of the folder at a path.
pub(super) async fn archive(path: PathBuf) -> Result<Vec<u8>, CliError> {
    let packed = tokio::task::spawn_blocking(move || packed(&path)).await;
    packed.map_err(|error| CliError::Local(error.to_string()))?
}

fn packed(path: &Path) -> Result<Vec<u8>, CliError> {
    let meta = fs::metadata(path).map_err(|error| cannot(path, error))?;
    if !meta.is_dir() {
        if meta.len() > ARCHIVE {
            return Err(CliError::Local(format!(
                "{} is too large for skills",
                path.display()
            )));
        }
        return fs::read(path).map_err(|error| cannot(path, error));
    }
    let path = fs::canonicalize(path).map_err(|error| cannot(path, error))?;
    // A skill's own folder is packed with its name.
    let above = if path.join(SKILL).exists() {
        path.parent().unwrap_or(&path)
    } else {
        &path
    };
    let mut pack = Pack {
        zip: ZipWriter::new(Cursor::new(Vec::new())),
        above,
        files: 0,
        left: BYTES as u64,
    };
    pack.folder(&path)?;
    let done = pack.zip.finish().map_err(|error| cannot(&path, error))?;
    Ok(done.into_inner())
}

struct Pack<'a> {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    above: &'a Path,
    files: usize,
    left: u64,
}

impl Pack<'_> {
    fn folder(&mut self, folder: &Path) -> Result<(), CliError> {
        let listed = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let listed = listed.map_err(|error| cannot(folder, error))?;
        let mut paths: Vec<_> = listed.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            if is_beside(&path) {
                continue;
            }
            let meta = fs::symlink_metadata(&path).map_err(|error| cannot(&path, error))?;
            if meta.is_dir() {
                self.folder(&path)?;
            } else if meta.is_file() {
                self.file(&path, &meta)?;
            } else {
                return Err(cannot(&path, "it is neither a file nor a folder"));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, meta: &fs::Metadata) -> Result<(), CliError> {
        self.files += 1;
        let left = self.left.checked_sub(meta.len());
        let Some(left) = left.filter(|_| self.files <= FILES) else {
            return Err(CliError::Local(format!(
                "skills have at most {FILES} files of {} KiB together",
                BYTES / 1024
            )));
        };
        self.left = left;
        let name = path.strip_prefix(self.above).unwrap_or(path);
        let name = name
            .to_str()
            .ok_or_else(|| cannot(path, "its name is not UTF-8"))?;
        let options = SimpleFileOptions::default().unix_permissions(meta.permissions().mode());
        let bytes = fs::read(path).map_err(|error| cannot(path, error))?;
        let failed = |error: zip::result::ZipError| cannot(path, error);
        self.zip.start_file(name, options).map_err(failed)?;
        Ok(self.zip.write_all(&bytes)?)
    }
}

/// What lies in folders and is no part of a skill.
fn is_beside(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    matches!(name, Some(".git" | ".DS_Store"))
}

fn cannot(path: &Path, why: impl std::fmt::Display) -> CliError {
    CliError::Local(format!("cannot pack {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skills::unzip;

    fn names(path: &Path) -> Vec<(String, u32)> {
        let files = unzip(&packed(path).unwrap()).unwrap();
        files
            .into_iter()
            .map(|file| (file.path, file.mode))
            .collect()
    }

    #[test]
    fn a_folder_of_skills_and_a_skill_s_own_are_packed_alike() {
        let folder = tempfile::tempdir().unwrap();
        let skill = folder.path().join("tea");
        fs::create_dir_all(skill.join("bin")).unwrap();
        fs::create_dir_all(folder.path().join(".git")).unwrap();
        fs::write(folder.path().join(".git/config"), "x").unwrap();
        fs::write(skill.join(SKILL), "x").unwrap();
        fs::write(skill.join("bin/brew"), "x").unwrap();
        fs::set_permissions(skill.join("bin/brew"), fs::Permissions::from_mode(0o755)).unwrap();
        let want = [("tea/SKILL.md", 0o644), ("tea/bin/brew", 0o755)];
        let want = want.map(|(path, mode)| (path.to_owned(), mode));
        assert_eq!(names(folder.path()), want);
        assert_eq!(names(&skill), want);
        let zip = folder.path().join("tea.zip");
        fs::write(&zip, packed(&skill).unwrap()).unwrap();
        assert_eq!(names(&zip), want);
    }

    #[test]
    fn what_cannot_be_packed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let why = || packed(path).unwrap_err().to_string();
        assert!(
            packed(&path.join("no"))
                .unwrap_err()
                .to_string()
                .contains("no")
        );
        std::os::unix::fs::symlink("/etc/passwd", path.join("link")).unwrap();
        assert!(why().contains("link: it is neither"), "{}", why());
        fs::remove_file(path.join("link")).unwrap();
        fs::write(path.join("big"), vec![b'x'; BYTES + 1]).unwrap();
        assert!(why().contains("256 KiB"), "{}", why());
    }
}
