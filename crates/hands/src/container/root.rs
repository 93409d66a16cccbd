//! The root of a sandbox: two overlays over read-only lower folders.
//!
//! `/` lies over the template's own few files, `/usr` over the host's `/usr`.
//! What is written goes to the sandbox's disk. As root, the lower folders are
//! mounted with shifted owners, so that inside they belong to its root, and are
//! copied up when written; without root the host's `/usr` can only be read.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::dev;
use super::spec::{Spec, Walls};
use super::sys::{self, Done, trying};
use super::template::{HIDDEN, OWN};
use super::userns::RANGE;

/// What is written is whole files and folders, whatever the kernel's defaults: a
/// checkpoint has nothing else.
const PLAIN: &str = ",redirect_dir=off,metacopy=off";
/// Where programs come from.
pub(super) const USR: &str = "/usr";

/// A root, assembled but not yet entered.
#[derive(Debug)]
pub(super) struct Root {
    /// Where it is mounted.
    pub(super) path: PathBuf,
    /// Where the guest may keep output; not below the root. Open: inside, the way to
    /// it is closed.
    pub(super) spool: File,
    /// Whether the disk is a file system of its own.
    pub(super) own_disk: bool,
}

/// Assembles a root with shifted owners. The caller is root, in a mount
/// namespace nobody else sees, and has entered the mount points.
pub(super) fn shifted(
    spec: &Spec,
    walls: &Walls,
    uid: u32,
    userns: std::os::fd::BorrowedFd<'_>,
) -> Done {
    let place = Places::new();
    let disk = disk_of(spec, walls, &place);
    if walls.own_disk {
        sys::attach(std::io::stdin().as_fd(), &disk)?;
    } else {
        folder(&disk)?;
    }
    let layers = Layers::make(&disk, Some(uid))?;
    sys::mount_shifted(&walls.template, &place.base, userns)?;
    sys::mount_shifted(USR, &place.usr, userns)?;
    let (own, hidden) = (place.base.join(OWN), place.base.join(HIDDEN));
    overlay(&[&own], &layers.root, &place.root, PLAIN)?;
    let usr = place.root.join("usr");
    if hidden.exists() {
        overlay(&[&hidden, &place.usr], &layers.usr, &usr, PLAIN)?;
    } else {
        overlay(&[&place.usr], &layers.usr, &usr, PLAIN)?;
    }
    for mount in &spec.mounts {
        let target = shown_at(&place.root, &mount.inside, Some(uid))?;
        sys::mount_shifted(&mount.host, target, userns)?;
    }
    dev::devices(&place.root)?;
    dev::memory_folders(&place.root, spec.limits.memory_bytes)
}

/// The same root, for the process that will enter it. It is nobody inside yet: later
/// the way to the spool is closed.
pub(super) fn assembled(spec: &Spec, walls: &Walls) -> Done<Root> {
    let place = Places::new();
    let spool = disk_of(spec, walls, &place).join(SPOOL);
    Ok(Root {
        spool: File::open(&spool).map_err(trying(spool.display()))?,
        path: place.root,
        own_disk: walls.own_disk,
    })
}

fn disk_of(spec: &Spec, walls: &Walls, place: &Places) -> PathBuf {
    if walls.own_disk {
        place.disk.clone()
    } else {
        spec.folder.join("disk")
    }
}

/// Assembles a root inside a user namespace of one user.
pub(super) fn single(spec: &Spec, walls: &Walls) -> Done<Root> {
    enter_mount_points(walls)?;
    let place = Places::new();
    let layers = Layers::make(&folder(&spec.folder.join("disk"))?, None)?;
    let own = walls.template.join(OWN);
    overlay(&[&own], &layers.root, &place.root, ",userxattr")?;
    let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV;
    sys::bind(USR, place.root.join("usr"), flags)?;
    for mount in &spec.mounts {
        let target = shown_at(&place.root, &mount.inside, None)?;
        sys::bind(&mount.host, target, flags)?;
    }
    dev::devices(&place.root)?;
    dev::memory_folders(&place.root, spec.limits.memory_bytes)?;
    Ok(Root {
        path: place.root,
        spool: File::open(layers.spool).map_err(trying("spool"))?,
        own_disk: false,
    })
}

/// A folder below a new root to mount on. On the way there are only the template's
/// folders and those made here: nobody has been inside.
fn shown_at(root: &Path, inside: &Path, owner: Option<u32>) -> Done<PathBuf> {
    let mut path = root.to_owned();
    for part in inside.components().skip(1) {
        path.push(part);
        match fs::create_dir(&path) {
            Ok(()) => owner.map_or(Ok(()), |owner| sys::chown(&path, owner))?,
            Err(_) if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) => {}
            Err(error) => return Err(trying(path.display())(error)),
        }
    }
    Ok(path)
}

/// Nobody else sees what this process mounts from now on.
pub(super) fn private_mounts() -> Done {
    sys::unshare(libc::CLONE_NEWNS)?;
    sys::mount("", "/", "", libc::MS_REC | libc::MS_PRIVATE, "")
}

/// In the new namespaces: enters the root for good.
pub(super) fn enter(root: &Root) -> Done {
    // Mounts from before are locked together; bound onto itself, the root is one of our own.
    sys::bind(&root.path, &root.path, 0)?;
    dev::inside(&root.path)?;
    sys::pivot(&root.path)
}

/// Mount points, the same for every sandbox: each mounts on them unseen by the others.
struct Places {
    disk: PathBuf,
    base: PathBuf,
    usr: PathBuf,
    root: PathBuf,
}

/// Names of the mount points below [`Walls::mounts`].
pub(crate) const MOUNT_POINTS: [&str; 4] = ["disk", "base", "usr", "root"];

/// Makes [`Walls::mounts`] the current folder: later, as the sandbox's root, the way
/// there from `/` may be closed.
pub(super) fn enter_mount_points(walls: &Walls) -> Done {
    std::env::set_current_dir(&walls.mounts).map_err(trying("enter the mount points"))
}

impl Places {
    /// Relative to the mount points.
    fn new() -> Self {
        let [disk, base, usr, root] = MOUNT_POINTS.map(PathBuf::from);
        Self {
            disk,
            base,
            usr,
            root,
        }
    }
}

/// An overlay's two writable folders.
struct Layer {
    upper: PathBuf,
    work: PathBuf,
}

struct Layers {
    root: Layer,
    usr: Layer,
    spool: PathBuf,
}

/// Where the guest keeps output.
const SPOOL: &str = "spool";
/// What every disk has: the writable folders of both overlays, and the spool.
pub(super) const FOLDERS: [&str; 5] = ["root", "root.work", "usr", "usr.work", SPOOL];

impl Layers {
    fn make(disk: &Path, owner: Option<u32>) -> Done<Self> {
        let make = |name: &str| {
            let path = folder(&disk.join(name))?;
            let now = fs::metadata(&path).map_err(trying(path.display()))?.uid();
            if let Some(owner) = owner
                // A restored one has its owner, somebody of the sandbox.
                && !(owner..owner + RANGE).contains(&now)
            {
                sys::chown(&path, owner)?;
            }
            Ok::<_, String>(path)
        };
        let [root, root_work, usr, usr_work, spool] = FOLDERS.map(make);
        Ok(Self {
            root: Layer {
                upper: root?,
                work: root_work?,
            },
            usr: Layer {
                upper: usr?,
                work: usr_work?,
            },
            spool: spool?,
        })
    }
}

fn folder(path: &Path) -> Done<PathBuf> {
    fs::create_dir_all(path).map_err(trying(path.display()))?;
    Ok(path.to_owned())
}

/// The first of the lower folders is the uppermost.
fn overlay(lower: &[&PathBuf], layer: &Layer, target: &Path, more: &str) -> Done {
    let lower: Vec<String> = lower.iter().map(escaped).collect();
    let lower = lower.join(":");
    let [upper, work] = [&layer.upper, &layer.work].map(escaped);
    let data = format!("lowerdir={lower},upperdir={upper},workdir={work}{more}");
    sys::mount(
        "overlay",
        target,
        "overlay",
        libc::MS_NOSUID | libc::MS_NODEV,
        &data,
    )
}

/// Colons and commas separate in mount data.
fn escaped(path: impl AsRef<Path>) -> String {
    let text = path.as_ref().to_string_lossy();
    text.replace('\\', "\\\\")
        .replace(':', "\\:")
        .replace(',', "\\,")
}
