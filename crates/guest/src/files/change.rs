//! Changing: write and edit. A reader sees the old file or the new one, never
//! half of it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{at, fault, open_text};
use crate::file::{FileError, FileFault, FileOut};

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<FileOut, FileError> {
    // A link is followed, so that what it names changes and the link stays.
    let (place, old) = match fs::canonicalize(path) {
        Ok(place) => {
            let meta = place.metadata().map_err(at(path))?;
            if !meta.is_file() {
                return Err(fault(path, FileFault::WrongKind, "is not a regular file"));
            }
            (place, Some(meta))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(at(path)(error)),
    };
    let parent = place
        .parent()
        .ok_or_else(|| fault(path, FileFault::WrongKind, "is a folder"))?;
    fs::create_dir_all(parent).map_err(at(path))?;
    let beside = beside(&place);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&beside)
        .map_err(at(path))?;
    let done = file
        .write_all(bytes)
        .and_then(|()| {
            old.as_ref()
                .map_or(Ok(()), |old| file.set_permissions(old.permissions()))
        })
        .and_then(|()| fs::rename(&beside, &place));
    if let Err(error) = done {
        // The obstacle is told; a leftover that cannot even be removed adds nothing to it.
        let _ = fs::remove_file(&beside);
        return Err(at(path)(error));
    }
    Ok(FileOut::Written {
        size: bytes.len() as u64,
        created: old.is_none(),
    })
}

/// A name in the same folder that nobody else uses.
fn beside(place: &Path) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let short: String = name.chars().take(50).collect();
    place.with_file_name(format!(".{short}.{}.oc-new", std::process::id()))
}

pub(super) fn edit(
    path: &Path,
    old: &str,
    new: &str,
    replace_all: bool,
) -> Result<FileOut, FileError> {
    if old.is_empty() {
        return Err(fault(
            path,
            FileFault::NoMatch,
            "the text to replace is empty",
        ));
    }
    if old == new {
        return Err(fault(
            path,
            FileFault::Invalid,
            "the replacement is the same text",
        ));
    }
    let text = open_text(path)?;
    let count = text.matches(old).count();
    match count {
        0 => {
            return Err(fault(
                path,
                FileFault::NoMatch,
                "the text to replace is not there",
            ));
        }
        2.. if !replace_all => {
            let words = format!("the text to replace is there {count} times; give more of it");
            return Err(fault(path, FileFault::NotUnique, &words));
        }
        _ => {}
    }
    write(path, text.replace(old, new).as_bytes())?;
    Ok(FileOut::Edited {
        replaced: count as u64,
    })
}
