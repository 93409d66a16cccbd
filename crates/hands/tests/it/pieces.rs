//! Pieces kept in a plain folder, named by number.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hands::Pieces;

/// Pieces of all owners in one folder.
#[derive(Clone)]
pub struct Kept(Arc<tempfile::TempDir>);

impl Kept {
    pub fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn piece(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Files in it.
    pub fn count(&self) -> usize {
        std::fs::read_dir(self.path()).unwrap().count()
    }

    pub fn pieces(&self) -> Pieces {
        let (to, from) = (self.clone(), self.clone());
        Pieces {
            put: Arc::new(move |owner, bytes| {
                let folder = to.clone();
                Box::pin(async move {
                    let (file, path) = tempfile::Builder::new()
                        .prefix(&format!("{owner}-"))
                        .tempfile_in(folder.path())?
                        .keep()?;
                    drop(file);
                    std::fs::write(&path, &bytes)?;
                    let name = path.file_name().unwrap_or_default();
                    Ok(name.to_string_lossy().into_owned())
                })
            }),
            get: Arc::new(move |_, name| {
                let folder = from.clone();
                Box::pin(async move {
                    if name.contains('/') {
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    Ok(std::fs::read(folder.piece(&name))?.into())
                })
            }),
        }
    }
}
