//! The disk of a sandbox: an ext4 file system in a sparse file, so that it is
//! full at its own limit and the host's disk is not.
//!
//! A blank one is made once per size, by `mkfs.ext4`, and copied for each
//! sandbox; only its few used blocks are copied. The loop device goes with the
//! last mount, so nothing is left behind when the sandbox ends. All of that takes
//! longer than the rest of a start, so the hands make a few in advance.
#![expect(unsafe_code, reason = "loop devices are set up by ioctl")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::root;
use super::sys::{self, Done, check, trying};

const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_config` of the kernel.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64` of the kernel.
#[repr(C)]
struct LoopInfo {
    before: [u64; 5],
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    names: [u8; 64 + 64 + 32],
    init: [u64; 2],
}

/// Makes the blank file system of that size below `dir`, unless it is there. The
/// folders every sandbox needs are in it already.
pub(crate) fn blank(dir: &Path, bytes: u64) -> io::Result<PathBuf> {
    let path = dir.join(format!("blank-2-{bytes}.ext4"));
    if path.exists() {
        return Ok(path);
    }
    let beside = path.with_extension(format!("new-{:?}", std::thread::current().id()));
    File::create(&beside)?.set_len(bytes)?;
    let folders = path.with_extension(format!("folders-{:?}", std::thread::current().id()));
    for name in root::FOLDERS {
        fs::create_dir_all(folders.join(name))?;
    }
    let made = make_file_system(&folders, &beside);
    fs::remove_dir_all(folders)?;
    match made {
        // Its content first, then its name: all later disks are copies of it.
        Ok(()) => File::open(&beside)?
            .sync_all()
            .and_then(|()| fs::rename(&beside, &path))
            .map(|()| path),
        Err(error) => {
            fs::remove_file(&beside)?;
            Err(error)
        }
    }
}

fn make_file_system(folders: &Path, place: &Path) -> io::Result<()> {
    // No journal: the disk does not outlive a crash of the host anyway. No copies of
    // the superblock, and all it knows of itself in one place: for each sandbox that
    // is copied.
    let made = Command::new("mkfs.ext4")
        .args([
            "-q",
            "-F",
            "-m",
            "0",
            "-O",
            "^has_journal,^resize_inode,sparse_super2",
            "-E",
        ])
        .arg("lazy_itable_init=1,nodiscard,root_owner=0:0,num_backup_sb=0,packed_meta_blocks=1")
        .arg("-d")
        .args([folders, place])
        .output()?;
    if made.status.success() {
        Ok(())
    } else {
        let why = String::from_utf8_lossy(&made.stderr).into_owned();
        Err(io::Error::other(why))
    }
}

/// Copies the used parts of a sparse file.
fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (File::open(from)?, File::create_new(to)?);
    let len = from.metadata()?.len();
    to.set_len(len)?;
    let seek = |at: u64, whence| -> Option<u64> {
        // SAFETY: no pointers.
        let found = unsafe { libc::lseek(from.as_raw_fd(), at as i64, whence) };
        u64::try_from(found).ok()
    };
    let mut buf = vec![0u8; 256 * 1024];
    let mut at = 0;
    while let Some(start) = seek(at, libc::SEEK_DATA) {
        let end = seek(start, libc::SEEK_HOLE).unwrap_or(len);
        at = start;
        while at < end {
            let room = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(buf.len());
            let piece = buf.get_mut(..room).unwrap_or_default();
            let read = from.read_at(piece, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            to.write_all_at(piece.get(..read).unwrap_or_default(), at)?;
            at += read as u64;
        }
    }
    Ok(())
}

/// A copy of the blank disk as `image`, mounted nowhere yet: it is gone with the
/// last descriptor unless somebody attaches it.
pub(crate) fn make(blank: &Path, image: &Path) -> Done<OwnedFd> {
    copy_sparse(blank, image).map_err(trying("copy the blank disk"))?;
    let image = OpenOptions::new()
        .read(true)
        .write(true)
        .open(image)
        .map_err(trying("disk"))?;
    // The device must stay open until it is mounted, or it clears itself.
    let (device, path) = loop_device(image.as_raw_fd())?;
    // A flush here would be a flush of the host's disk, for files that need not
    // outlive a crash of the host.
    let options = [
        ("source", path.as_str()),
        ("errors", "remount-ro"),
        ("barrier", "0"),
    ];
    let mount = sys::detached("ext4", &options, &["noinit_itable"])?;
    drop(device);
    Ok(mount)
}

fn loop_device(image: RawFd) -> Done<(File, String)> {
    let open = |path: &str| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(trying(path.to_owned()))
    };
    let control = open("/dev/loop-control")?;
    let mut last = String::new();
    // Between asking for a free device and taking it, somebody else may have.
    for _ in 0..1000 {
        // SAFETY: no pointers.
        let free = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
        let path = format!("/dev/loop{}", check(free, "no free loop device")?);
        let device = open(&path)?;
        // SAFETY: zero is a valid value of this plain struct.
        let mut config: LoopConfig = unsafe { std::mem::zeroed() };
        config.fd = image as u32;
        config.info.flags = LO_FLAGS_AUTOCLEAR;
        // SAFETY: the struct is what this call reads.
        let set =
            unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) };
        match check(set, "set up loop device") {
            Ok(_) => return Ok((device, path)),
            Err(error) => last = error,
        }
        if io::Error::last_os_error().raw_os_error() != Some(libc::EBUSY) {
            break;
        }
    }
    Err(last)
}
