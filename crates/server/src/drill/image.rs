//! A disk of the drill's own: an ext4 file system in a file, on a loop device.
//! It can be filled up without harm to anybody, and what reached its device can
//! be told from what only waits in the page cache: that is a power loss.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::DrillError;

/// Bytes of the disk; the file takes only what is written.
const SIZE: u64 = 384 << 20;
/// Seconds until the file system would write by itself: longer than any run, so
/// that only what is asked to be kept is.
const COMMIT: &str = "loop,noatime,commit=600";

/// A mounted disk. It is unmounted when this is dropped.
#[derive(Debug)]
pub(super) struct Image {
    /// The file behind the loop device.
    file: PathBuf,
    /// Where it is mounted.
    at: PathBuf,
    copies: u32,
}

impl Image {
    /// Makes a disk in that file and mounts it on an empty folder.
    pub(super) fn mount(file: &Path, at: &Path) -> Result<Self, DrillError> {
        let made = File::create(file).and_then(|made| made.set_len(SIZE));
        made.map_err(DrillError::at(file))?;
        tool(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(file))?;
        mount(file, at)?;
        Ok(Self {
            file: file.to_owned(),
            at: at.to_owned(),
            copies: 0,
        })
    }

    /// Copies what the device has. What waits in the page cache of the file
    /// system on it is not there.
    pub(super) fn copy(&mut self) -> Result<PathBuf, DrillError> {
        self.copies += 1;
        let copy = self.file.with_extension(format!("{}.ext4", self.copies));
        let mut command = Command::new("cp");
        command.args(["--sparse=always", "--reflink=never"]);
        tool(command.arg(&self.file).arg(&copy))?;
        Ok(copy)
    }

    /// Goes on with a copy in place of the disk.
    pub(super) fn replace(&mut self, copy: PathBuf) -> Result<(), DrillError> {
        unmount(&self.at);
        mount(&copy, &self.at)?;
        let old = std::mem::replace(&mut self.file, copy);
        // The old device may live a moment longer; its file's name need not.
        let _ = fs::remove_file(old);
        Ok(())
    }

    /// Fills the disk up; the file that does it.
    pub(super) fn fill(&self) -> Result<PathBuf, DrillError> {
        let path = self.at.join("ballast");
        let mut ballast = File::create(&path).map_err(DrillError::at(&path))?;
        for size in [1 << 20, 4096, 1] {
            // Each goes on until nothing of that size fits any more.
            while ballast.write_all(&vec![7; size]).is_ok() {}
            let _ = ballast.sync_all();
        }
        Ok(path)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        unmount(&self.at);
    }
}

/// Whether such a disk can be made here: tried for once.
pub(super) fn possible(scratch: &Path) -> Result<(), String> {
    let (file, at) = (scratch.join("try.ext4"), scratch.join("try"));
    let tried = fs::create_dir_all(&at)
        .map_err(DrillError::at(&at))
        .and_then(|()| Image::mount(&file, &at).map(drop));
    let _ = fs::remove_file(&file);
    let _ = fs::remove_dir(&at);
    tried.map_err(|error| format!("no disk of its own can be mounted here: {error}"))
}

fn mount(file: &Path, at: &Path) -> Result<(), DrillError> {
    let mut command = Command::new("mount");
    tool(command.args(["-t", "ext4", "-o", COMMIT]).arg(file).arg(at))
}

/// Lazily: what still holds a file there lets it go by itself.
fn unmount(at: &Path) {
    let _ = tool(Command::new("umount").arg("-l").arg(at));
}

fn tool(command: &mut Command) -> Result<(), DrillError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output();
    let failed = match done {
        Ok(done) if done.status.success() => return Ok(()),
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(DrillError::Tool(format!("{name}: {failed}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways: a machine that allows it shows what was not synced as gone,
    /// and one that does not says why.
    #[test]
    fn a_copy_has_what_was_synced_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        if let Err(why) = possible(scratch.path()) {
            assert!(why.contains("mount") || why.contains("mkfs"), "{why}");
            return;
        }
        let at = scratch.path().join("disk");
        fs::create_dir(&at).unwrap();
        let mut image = Image::mount(&scratch.path().join("disk.ext4"), &at).unwrap();
        for (name, synced) in [("synced", true), ("cached", false)] {
            let mut file = File::create(at.join(name)).unwrap();
            file.write_all(b"text").unwrap();
            if synced {
                file.sync_all().unwrap();
                File::open(&at).unwrap().sync_all().unwrap();
            }
        }
        let copy = image.copy().unwrap();
        assert_eq!(fs::read(at.join("cached")).unwrap(), b"text");
        image.replace(copy).unwrap();
        assert_eq!(fs::read(at.join("synced")).unwrap(), b"text");
        assert_ne!(fs::read(at.join("cached")).unwrap_or_default(), b"text");
    }

    #[test]
    fn a_full_disk_takes_nothing_until_there_is_room_again() {
        let scratch = tempfile::tempdir().unwrap();
        if possible(scratch.path()).is_err() {
            assert!(!scratch.path().join("try").exists());
            return;
        }
        let at = scratch.path().join("disk");
        fs::create_dir(&at).unwrap();
        let image = Image::mount(&scratch.path().join("disk.ext4"), &at).unwrap();
        let ballast = image.fill().unwrap();
        assert!(fs::write(at.join("more"), vec![1; 8192]).is_err());
        fs::remove_file(ballast).unwrap();
        fs::write(at.join("more"), vec![1; 8192]).unwrap();
    }
}
