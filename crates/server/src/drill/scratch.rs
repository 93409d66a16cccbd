//! The ground a drill stands on: a scratch folder inside the user's data folder,
//! so that it is the same disk, with nothing of the user's in it; and taken away
//! afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::DrillError;
use super::image::Image;

/// Where and with what a drill is held.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The program to drill: this one.
    pub program: PathBuf,
    /// The user's data folder.
    pub data: PathBuf,
    /// How sandboxes are made.
    pub sandbox_driver: String,
    /// Options of the server that a drill takes over as they are: name of the
    /// variable, value.
    pub options: Vec<(String, String)>,
    /// The PostgreSQL server in whose place a scratch database is drilled.
    pub database_url: Option<String>,
    /// Whether the scratch folder stays.
    pub keep: bool,
}

/// A folder of the drill. It goes when this is dropped, its sandboxes first.
#[derive(Debug)]
pub(super) struct Scratch {
    dir: PathBuf,
    program: PathBuf,
    driver: String,
    keep: bool,
    /// Whether the user's data folder was not there before.
    made: bool,
    /// The disk its data folder is, where it has one of its own.
    image: Option<Image>,
}

impl Scratch {
    /// A new folder below `data/drill`.
    pub(super) fn new(ground: &Ground) -> Result<Self, DrillError> {
        let data = std::path::absolute(&ground.data).map_err(DrillError::at(&ground.data))?;
        let made = !data.exists();
        let dir = data
            .join("drill")
            .join(format!("{:08x}", rand::random::<u32>()));
        fs::create_dir_all(dir.join("data")).map_err(DrillError::at(&dir))?;
        Ok(Self {
            dir,
            program: ground.program.clone(),
            driver: ground.sandbox_driver.clone(),
            keep: ground.keep,
            made,
            image: None,
        })
    }

    /// Gives the data folder a disk of its own.
    pub(super) fn own_disk(&mut self) -> Result<(), DrillError> {
        let image = Image::mount(&self.dir.join("disk.ext4"), &self.data())?;
        self.image = Some(image);
        Ok(())
    }

    /// The disk of the data folder.
    pub(super) fn disk(&mut self) -> Result<&mut Image, DrillError> {
        let none = || DrillError::Tool("the data folder has no disk of its own".to_owned());
        self.image.as_mut().ok_or_else(none)
    }

    /// The folder itself.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The data folder of its server.
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The data folder of a second node: the same master key, sandboxes of its
    /// own.
    pub(super) fn second(&self) -> Result<PathBuf, DrillError> {
        let folder = self.dir.join("second");
        fs::create_dir_all(&folder)
            .and_then(|()| {
                let key = |data: &Path| data.join("master.key");
                fs::copy(key(&self.data()), key(&folder)).map(drop)
            })
            .map_err(DrillError::at(&folder))?;
        Ok(folder)
    }

    /// Ends the sandboxes of a data folder; they outlive their server on purpose.
    fn reap(&self, data: &Path) {
        if !data.join("hands").exists() {
            return;
        }
        // What cannot be ended here is named by `oc doctor`; the drill is over.
        let _ = Command::new(&self.program)
            .args(["doctor", "--reap", "--data"])
            .arg(data)
            .env("OC_SANDBOX_DRIVER", &self.driver)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.reap(&self.data());
        self.reap(&self.dir.join("second"));
        drop(self.image.take());
        if self.keep {
            return;
        }
        let _ = fs::remove_dir_all(&self.dir);
        // Only if nothing else is in them.
        let Some(all) = self.dir.parent() else { return };
        let _ = fs::remove_dir(all);
        if let (true, Some(data)) = (self.made, all.parent()) {
            let _ = fs::remove_dir(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(data: &Path, keep: bool) -> Ground {
        Ground {
            program: PathBuf::from("/bin/true"),
            data: data.to_owned(),
            sandbox_driver: "auto".to_owned(),
            options: Vec::new(),
            database_url: None,
            keep,
        }
    }

    #[test]
    fn a_drill_leaves_nothing_and_takes_nothing_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        fs::create_dir(&there).unwrap();
        fs::write(there.join("oc.db"), "mine").unwrap();
        for data in [there.clone(), folder.path().join("new")] {
            let scratch = Scratch::new(&ground(&data, false)).unwrap();
            assert!(scratch.data().starts_with(&data) && scratch.data().is_dir());
            drop(scratch);
        }
        assert_eq!(fs::read_to_string(there.join("oc.db")).unwrap(), "mine");
        assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
        assert!(!folder.path().join("new").exists());
    }

    #[test]
    fn it_stays_if_it_is_to_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(&ground(folder.path(), true)).unwrap();
        let data = scratch.data();
        drop(scratch);
        assert!(data.is_dir());
    }
}
