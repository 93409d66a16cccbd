//! A small disk of its own for a test: a mount that nobody else sees and that
//! is gone with the process.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const INSIDE: &str = "OC_TEST_INSIDE";

/// Whether this process may mount. If not, the test of that name is run by one
/// that may, and must succeed there.
pub fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads", "1"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (util-linux) is needed");
    assert!(status.success(), "{test} failed on its small disk");
    false
}

pub struct Disk(tempfile::TempDir);

impl Disk {
    pub fn of_megabytes(size: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}m"), "tmpfs"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "cannot mount a small disk");
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no room until the answer is dropped.
    pub fn fill(&self) -> Ballast {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
        Ballast(path)
    }
}

pub struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}
