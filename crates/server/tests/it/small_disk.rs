//! A test on a small disk that nobody else sees: it runs once more in a mount
//! namespace of its own, and must succeed there. It cannot be skipped, only fail.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

const INSIDE: &str = "OC_TEST_INSIDE";

/// Whether this process has the small disk, of that many MiB, at this folder below
/// where temporary files are (`.` is that itself). If not, the test of that name is
/// run by one that has.
pub fn inside(test: &str, at: &str, mib: u32) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    // Who is root already needs no other user for it, and neither do sandboxes.
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let user: &[&str] = if root {
        &[]
    } else {
        &["--user", "--map-root-user"]
    };
    let mounted = format!(
        "mkdir -p \"$TMPDIR/{at}\" && mount -t tmpfs -o size={mib}m tmpfs \"$TMPDIR/{at}\" && \
            exec \"$0\" --exact \"$1\" --test-threads 1"
    );
    let status = Command::new("unshare")
        .args(user)
        .args(["--mount", "--", "sh", "-c", &mounted])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(INSIDE, "1")
        .env("TMPDIR", folder.path())
        .status()
        .expect("unshare (util-linux) is needed");
    assert!(status.success(), "{test} failed on its small disk");
    false
}
