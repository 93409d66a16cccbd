//! The folder of runtimes. `<name>/<version>/` is an engine, `<name>/current`
//! names the version that is used; `<name>/runtime.toml` is a registered program.
//! Each of them appears by a rename, so a crash leaves nothing half.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Error;
use super::custom::Custom;
use super::error::at;
use super::package::{ENGINES, Engine, engine};

/// Begins the names of folders that are being filled.
const NEW: &str = ".new-";
/// Who holds it may change the folder.
const LOCK: &str = ".lock";
/// In an engine's folder: the version that is used.
const CURRENT: &str = "current";
/// In a program's folder: how it is run.
const MANIFEST: &str = "runtime.toml";

/// The runtimes of this install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtimes {
    folder: PathBuf,
}

/// A runtime that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runtime {
    /// A vendor's engine.
    Engine(Installed),
    /// A program that a user registered.
    Custom(Custom),
}

/// An engine that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its program, from that folder.
    pub program: PathBuf,
}

impl Installed {
    /// How many bytes its files have.
    ///
    /// # Errors
    /// If its folder cannot be read.
    pub fn bytes(&self) -> Result<u64, Error> {
        size(&self.folder).map_err(at(&self.folder))
    }
}

impl Runtimes {
    /// The runtimes in that folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        // An engine runs in another folder than ours.
        Self {
            folder: std::path::absolute(&folder).unwrap_or(folder),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The runtime of that name, or of one of its other names.
    ///
    /// # Errors
    /// [`Error::Missing`] if it is known and not installed, [`Error::Unknown`]
    /// if it is not known.
    pub fn find(&self, name: &str) -> Result<Runtime, Error> {
        if let Some(engine) = engine(name) {
            let found = self.engine(engine)?.map(Runtime::Engine);
            return found.ok_or_else(|| Error::Missing(engine.name.to_owned()));
        }
        if Custom::named(name).is_err() {
            return Err(Error::Unknown(name.to_owned()));
        }
        match Custom::load(name, &self.folder.join(name).join(MANIFEST))? {
            Some(custom) => Ok(Runtime::Custom(custom)),
            None => Err(Error::Unknown(name.to_owned())),
        }
    }

    /// The engine, if it is installed.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn engine(&self, engine: &Engine) -> Result<Option<Installed>, Error> {
        let folder = self.folder.join(engine.name);
        let current = folder.join(CURRENT);
        let version = match fs::read_to_string(&current) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if gone(&error) => return Ok(None),
            Err(error) => return Err(at(&current)(error)),
        };
        let folder = folder.join(&version);
        let there = folder.join(engine.program()).is_file();
        Ok(there.then(|| Installed {
            name: engine.name.to_owned(),
            version,
            folder,
            program: engine.program().into(),
        }))
    }

    /// The programs that users registered, by name.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn customs(&self) -> Result<Vec<Custom>, Error> {
        let mut found = Vec::new();
        for name in names(&self.folder)? {
            let manifest = self.folder.join(&name).join(MANIFEST);
            found.extend(Custom::load(&name, &manifest)?);
        }
        Ok(found)
    }

    /// Registers a program, or describes it anew.
    ///
    /// # Errors
    /// If its name is taken, it cannot be run as described, or the folder cannot
    /// be written.
    pub fn add(&self, custom: &Custom) -> Result<(), Error> {
        let _held = self.hold()?;
        custom.check()?;
        self.put(&custom.name, MANIFEST, &custom.text()?)
    }

    /// Removes a runtime: all versions of an engine, or what is written here of a
    /// program. The program's own folder stays.
    ///
    /// # Errors
    /// If it is not there, or cannot be removed.
    pub fn remove(&self, name: &str) -> Result<String, Error> {
        let _held = self.hold()?;
        let name = engine(name).map_or(name, |engine| engine.name);
        if Custom::form(name).is_err() || !self.folder.join(name).is_dir() {
            return Err(Error::Missing(name.to_owned()));
        }
        // Gone at once by its name; a crash leaves what the next one sweeps.
        let away = self.fresh()?;
        let from = self.folder.join(name);
        fs::rename(&from, away.path.join(name)).map_err(at(&from))?;
        Ok(name.to_owned())
    }

    /// The versions of an engine that are there.
    pub(super) fn has(&self, engine: &str, version: &str) -> bool {
        self.folder.join(engine).join(version).is_dir()
    }

    /// Puts a filled folder in its place as a version of an engine.
    pub(super) fn keep(&self, new: &New, engine: &str, version: &str) -> Result<(), Error> {
        let folder = self.folder.join(engine);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let filled = new.path.join(version);
        fs::rename(&filled, folder.join(version)).map_err(at(&filled))?;
        sync(&folder)
    }

    /// Lets that version of an engine be the one that is used.
    pub(super) fn point(&self, engine: &str, version: &str) -> Result<(), Error> {
        self.put(engine, CURRENT, &format!("{version}\n"))
    }

    /// The one right to change the folder; what a crash left is swept away.
    pub(super) fn hold(&self) -> Result<File, Error> {
        fs::create_dir_all(&self.folder).map_err(at(&self.folder))?;
        let path = self.folder.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::Busy(self.folder.clone())),
            Err(fs::TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        for left in all(&self.folder)?
            .iter()
            .filter(|name| name.starts_with(NEW))
        {
            let left = self.folder.join(left);
            fs::remove_dir_all(&left).map_err(at(&left))?;
        }
        Ok(file)
    }

    /// A folder that is gone when it is dropped.
    pub(super) fn fresh(&self) -> Result<New, Error> {
        let path = self.folder.join(format!("{NEW}{}", std::process::id()));
        fs::create_dir(&path).map_err(at(&path))?;
        Ok(New { path })
    }

    /// Writes a small file in a runtime's folder, whole or not at all.
    fn put(&self, name: &str, file: &str, text: &str) -> Result<(), Error> {
        let new = self.fresh()?;
        let beside = new.path.join(file);
        let written = File::create(&beside).and_then(|mut to| {
            to.write_all(text.as_bytes())?;
            to.sync_all()
        });
        written.map_err(at(&beside))?;
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        fs::rename(&beside, folder.join(file)).map_err(at(&beside))?;
        sync(&folder)
    }
}

/// A folder beside the runtimes that is being filled, or emptied.
#[derive(Debug)]
pub(super) struct New {
    /// Where it is.
    pub path: PathBuf,
}

impl Drop for New {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a folder is left over");
        }
    }
}

/// The folders of runtimes, in order.
fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = all(folder)?;
    names.retain(|name| Custom::named(name).is_ok());
    names.sort();
    Ok(names)
}

fn all(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(at(folder)(error)),
    };
    let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name());
    let names: io::Result<Vec<_>> = entries.map(name).collect();
    let names = names.map_err(at(folder))?;
    Ok(names
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect())
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() {
            size(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(bytes)
}

fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn sync(folder: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(at(folder))
}

/// Whether a name is an engine's, or one that we keep for ourselves.
pub(super) fn reserved(name: &str) -> bool {
    ENGINES
        .iter()
        .any(|engine| engine.name == name || engine.aliases.contains(&name))
        || matches!(name, "native" | "pi" | "flue")
}
