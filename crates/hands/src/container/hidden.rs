//! What not everybody on the host may read of its `/usr`: it is hidden from sandboxes.
//!
//! Inside, the owner of every file there is the sandbox's root, who would read what
//! on the host only root may. So a layer with a whiteout for each such file and
//! folder lies over `/usr`. What is installed or closed later is hidden by the next
//! server.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Everybody may read.
const READ: u32 = 0o004;
/// Everybody may list and enter.
const ENTER: u32 = 0o005;

/// One thing in the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cover {
    /// A folder as the host has it: something below is hidden.
    Folder {
        /// Permissions.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// It is hidden, with all below it.
    Gone,
}

/// The layer over `/usr`, by paths below it, parents first. The host is looked at
/// once per process: that takes as long as a walk over all of `/usr`.
pub(super) fn of_usr() -> &'static BTreeMap<PathBuf, Cover> {
    static SEEN: OnceLock<BTreeMap<PathBuf, Cover>> = OnceLock::new();
    SEEN.get_or_init(|| below(Path::new(super::root::USR)))
}

fn below(root: &Path) -> BTreeMap<PathBuf, Cover> {
    let mut covers = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root.join(&folder));
        for entry in entries.into_iter().flatten().flatten() {
            // A link shows nothing itself; what is gone by now hides nothing.
            let Ok(meta) = entry.metadata() else { continue };
            let path = folder.join(entry.file_name());
            let open = if meta.is_dir() { ENTER } else { READ };
            if !meta.is_symlink() && meta.mode() & open != open {
                cover(root, path, &mut covers);
            } else if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    covers
}

fn cover(root: &Path, path: PathBuf, covers: &mut BTreeMap<PathBuf, Cover>) {
    for parent in path.ancestors().skip(1) {
        if let Ok(meta) = fs::symlink_metadata(root.join(parent)) {
            let (mode, uid, gid) = (meta.mode() & 0o7777, meta.uid(), meta.gid());
            covers.insert(parent.to_owned(), Cover::Folder { mode, uid, gid });
        }
    }
    covers.insert(path, Cover::Gone);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_some_may_not_read_is_hidden_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for (path, mode) in [
            ("lib", 0o755),
            ("lib/open", 0o755),
            ("lib/listed", 0o711),
            ("lib/own", 0o700),
        ] {
            fs::create_dir(dir.path().join(path)).unwrap();
            fs::write(dir.path().join(path).join("file"), "x").unwrap();
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(dir.path().join(path), mode).unwrap();
        }
        for (path, mode) in [
            ("lib/open/secret", 0o640),
            ("lib/open/public", 0o604),
            ("lib/open/tool", 0o4711),
        ] {
            fs::write(dir.path().join(path), "x").unwrap();
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(dir.path().join(path), mode).unwrap();
        }
        symlink("secret", dir.path().join("lib/open/link")).unwrap();
        let covers = below(dir.path());
        let gone: Vec<_> = covers
            .iter()
            .filter(|(_, cover)| **cover == Cover::Gone)
            .map(|(path, _)| path.to_str().unwrap())
            .collect();
        assert_eq!(
            gone,
            ["lib/listed", "lib/open/secret", "lib/open/tool", "lib/own"]
        );
        let folders: Vec<_> = covers
            .iter()
            .filter(|(_, cover)| **cover != Cover::Gone)
            .map(|(path, _)| path.to_str().unwrap())
            .collect();
        assert_eq!(folders, ["", "lib", "lib/open"]);
        let mode = covers[Path::new("lib/open")];
        assert!(
            matches!(mode, Cover::Folder { mode: 0o755, .. }),
            "{mode:?}"
        );
    }
}
