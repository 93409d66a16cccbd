//! Starts sandboxes: what must be there once, and the launcher run for each.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use crate::checkpoint::{Files, Ground, Place};
use crate::config::{DriverKind, HandsConfig, Launcher, Limits, Mount};
use crate::container::cgroup::{self, Hierarchies};
use crate::container::spec::{Spec, State, Walls};
use crate::container::{RANGE, is_root, root, template};
use crate::disks::Disks;
use crate::error::Error;
use crate::folders::Folders;
use crate::launch::Launch;
use crate::remote;

/// The guest, built for this host with this crate.
const GUEST: &[u8] = include_bytes!(env!("OC_GUEST"));

/// What all starts share.
#[derive(Debug)]
pub(crate) struct Starter {
    folders: Arc<Folders>,
    launch: Launch,
    guest: PathBuf,
    uid_base: u32,
    alone_ms: u64,
    walls: Option<Common>,
}

/// What all walled sandboxes share.
#[derive(Debug)]
struct Common {
    root: bool,
    mounts: PathBuf,
    templates: PathBuf,
    template: OnceCell<PathBuf>,
    trust: Option<String>,
    disks: Option<Disks>,
    hierarchies: Hierarchies,
}

/// What one sandbox is to be like.
pub(crate) struct Order {
    pub(crate) limits: Limits,
    pub(crate) files: Option<Files>,
    pub(crate) mounts: Vec<Mount>,
}

impl Order {
    /// One that anybody may take.
    pub(crate) fn usual(limits: Limits) -> Self {
        Self {
            limits,
            files: None,
            mounts: Vec::new(),
        }
    }
}

impl Starter {
    /// Makes what must be there once below the configured folder.
    pub(crate) fn prepare(config: &HandsConfig) -> Result<Self, Error> {
        let dir = config.dir.clone();
        let made = |path: PathBuf| {
            fs::create_dir_all(&path).map_err(Error::io(format!("make {}", path.display())))?;
            Ok::<_, Error>(path)
        };
        made(dir.clone())?;
        let dir = fs::canonicalize(&dir).map_err(Error::io("find the folder of the hands"))?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))
            .map_err(Error::io("close the folder of the hands"))?;
        let folders = Arc::new(Folders::open(&dir)?);
        let guest = guest(&dir).map_err(Error::io("write the guest program"))?;
        let launcher = match &config.launcher {
            Launcher::Itself => PathBuf::from("/proc/self/exe"),
            Launcher::Program(path) => path.clone(),
        };
        let walls = match config.driver {
            DriverKind::Process => None,
            DriverKind::Auto | DriverKind::Container => Some(Common::prepare(&dir, config)?),
        };
        if walls.is_none() {
            tracing::warn!(
                "sandboxes are plain processes: commands have every right this server has"
            );
        }
        let uid_base = config.uid_base;
        let alone_ms = u64::try_from(config.alone.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            folders,
            launch: Launch::new(launcher),
            guest,
            uid_base,
            alone_ms,
            walls,
        })
    }

    /// The folders of all sandboxes.
    pub(crate) fn folders(&self) -> &Arc<Folders> {
        &self.folders
    }

    /// The cgroups a sandbox of that id has or had.
    pub(crate) fn groups(&self, id: &str) -> Vec<cgroup::Group> {
        self.walls
            .as_ref()
            .map(|walls| walls.hierarchies.groups(id))
            .unwrap_or_default()
    }

    /// The first uid of the range with that number, if sandboxes have ranges.
    pub(crate) fn uid(&self, range: u32) -> Option<u32> {
        let root = self.walls.as_ref().is_some_and(|walls| walls.root);
        root.then(|| self.uid_base + range * RANGE)
    }

    /// Starts one. What a failed start left is removed.
    pub(crate) async fn start(
        &self,
        id: &str,
        uid: Option<u32>,
        order: &Order,
        created_ms: i64,
        until: Instant,
    ) -> Result<State, Error> {
        let walls = match &self.walls {
            Some(common) => Some(common.walls(id, uid, until).await?),
            None => None,
        };
        let groups = walls
            .as_ref()
            .map(|walls| walls.groups.clone())
            .unwrap_or_default();
        let folder = self.folders.make(id);
        let folder = folder.map_err(Error::io("make the sandbox's folder"))?;
        let guest = self.guest.clone();
        let left = until.saturating_duration_since(Instant::now());
        let spec = Spec {
            id: id.to_owned(),
            folder,
            guest,
            limits: order.limits,
            created_ms,
            within_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            alone_ms: self.alone_ms,
            half: order.files.is_some(),
            mounts: order.mounts.clone(),
            walls,
        };
        let folder = spec.folder.clone();
        let launched = async {
            let disk = timeout_at(until, self.disk(&spec))
                .await
                .map_err(|_| Error::Deadline("the disk was not made"))??;
            let left = until.saturating_duration_since(Instant::now());
            // All files are there before anything runs: what dies half-way has
            // nothing in its `state.json` and is never taken for a sandbox. Each piece has a
            // deadline of its own.
            if let Some(files) = &order.files {
                let ground = ground(&spec, disk.as_ref())?;
                files.fill(ground, &spec.folder).await?;
            }
            self.launch.one(&spec, disk, Instant::now() + left).await
        };
        match launched.await {
            Ok(state) => Ok(state),
            Err(error) => {
                let log = fs::read_to_string(folder.join("guest.log")).unwrap_or_default();
                tracing::warn!(sandbox = id, %error, log, "a sandbox did not start");
                let error = match error {
                    Error::Launch(why) if !log.is_empty() => Error::Launch(format!("{why}: {log}")),
                    other => other,
                };
                cgroup::kill(&groups);
                remote::clear(&self.folders, &folder, &groups).await;
                Err(error)
            }
        }
    }

    /// The disk for a sandbox, if it gets one of its own.
    async fn disk(&self, spec: &Spec) -> Result<Option<OwnedFd>, Error> {
        match self.walls.as_ref().and_then(|walls| walls.disks.as_ref()) {
            Some(disks) => disks
                .take(&spec.folder, spec.limits.disk_bytes)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Makes disks in advance until enough are there.
    pub(crate) async fn stock(&self) {
        if let Some(walls) = &self.walls
            && let Err(error) = walls.template().await
        {
            tracing::warn!(%error, "no template");
        }
        if let Some(disks) = self.walls.as_ref().and_then(|walls| walls.disks.as_ref()) {
            disks.stock().await;
        }
    }

    /// What holds here, for [`Caps`](crate::Caps).
    pub(crate) fn walled(&self) -> Option<Walled<'_>> {
        self.walls.as_ref().map(|walls| Walled {
            root: walls.root,
            own_disks: walls.disks.is_some(),
            hierarchies: &walls.hierarchies,
        })
    }
}

/// Where the layers of a sandbox will be.
fn ground(spec: &Spec, disk: Option<&OwnedFd>) -> Result<Ground, Error> {
    let made = |path: PathBuf| {
        fs::create_dir_all(&path)?;
        fs::File::open(path).map(OwnedFd::from)
    };
    let folder = match (disk, &spec.walls) {
        (Some(disk), _) => disk.try_clone(),
        (None, Some(_)) => made(spec.folder.join("disk")),
        (None, None) => made(spec.folder.clone()),
    };
    let shift = spec.walls.as_ref().and_then(|walls| walls.uid);
    let places: &[Place] = match (&spec.walls, shift) {
        (None, _) => &[Place::Workspace],
        (Some(_), None) => &[Place::Root],
        (Some(_), Some(_)) => &[Place::Root, Place::Usr],
    };
    Ok(Ground {
        folder: folder.map_err(Error::io("reach the disk of a new sandbox"))?,
        shift,
        places,
    })
}

/// What the walls of this host's sandboxes are made of.
pub(crate) struct Walled<'a> {
    pub(crate) root: bool,
    pub(crate) own_disks: bool,
    pub(crate) hierarchies: &'a Hierarchies,
}

impl Common {
    fn prepare(dir: &Path, config: &HandsConfig) -> Result<Self, Error> {
        let mounts = dir.join("mounts");
        for name in root::MOUNT_POINTS {
            fs::create_dir_all(mounts.join(name)).map_err(Error::io("make the mount points"))?;
        }
        let templates = dir.join("template");
        fs::create_dir_all(&templates).map_err(Error::io("make the template"))?;
        let root = is_root();
        let disks = if root {
            Disks::open(dir, config.limits.disk_bytes)?
        } else {
            None
        };
        let hierarchies = Hierarchies::open();
        hierarchies.sweep(now());
        Ok(Self {
            root,
            mounts,
            templates,
            template: OnceCell::new(),
            trust: config.trust.clone(),
            disks,
            hierarchies,
        })
    }

    async fn walls(&self, id: &str, uid: Option<u32>, until: Instant) -> Result<Walls, Error> {
        let late = |_| Error::Deadline("the template was not made");
        let template = timeout_at(until, self.template()).await.map_err(late)??;
        Ok(Walls {
            uid,
            mounts: self.mounts.clone(),
            template,
            trust: self.trust.is_some(),
            own_disk: self.disks.is_some(),
            groups: self.hierarchies.groups(id),
        })
    }

    /// The template, made before the first start: all of `/usr` is looked at for it.
    async fn template(&self) -> Result<PathBuf, Error> {
        let made = self.template.get_or_try_init(|| async {
            let (dir, hide, trust) = (self.templates.clone(), self.root, self.trust.clone());
            let make = move || template::make(&dir, hide, trust.as_deref());
            let made = tokio::task::spawn_blocking(make).await;
            made.map_err(|error| Error::Launch(error.to_string()))?
                .map_err(Error::io("make the template"))
        });
        made.await.cloned()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the ids of sandboxes bear the time they were asked for"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Whether a file is there and holds just that. Somebody who may not read it, as
/// nobody but root may read the guest, takes the right length for it.
fn holds(path: &Path, content: &[u8]) -> bool {
    match fs::read(path) {
        Ok(found) => found == content,
        Err(_) => fs::metadata(path).is_ok_and(|found| found.len() == content.len() as u64),
    }
}

/// The guest program as a file, named by its content: a newer server does not
/// change what older sandboxes run.
///
/// Nobody may read it: what runs a program it cannot read belongs, for `/proc`,
/// to the owner of the program and not to the user it runs as. Without that, the
/// root of the sandbox would own the guest's entries there.
///
/// What is there is compared: after a power loss a name may have come to the
/// disk before its content.
fn guest(dir: &Path) -> io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    hasher.write(GUEST);
    let place = dir.join(format!("guest-{:016x}", hasher.finish()));
    if !holds(&place, GUEST) {
        let beside = dir.join(format!("guest-new-{}", std::process::id()));
        fs::write(&beside, GUEST)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o111))?;
        fs::rename(beside, &place)?;
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_a_power_loss_left_empty_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let place = guest(dir.path()).unwrap();
        fs::remove_file(&place).unwrap();
        fs::write(&place, "").unwrap();
        assert_eq!(guest(dir.path()).unwrap(), place);
        let found = fs::metadata(&place).unwrap();
        assert_eq!(found.len(), GUEST.len() as u64);
        assert_eq!(found.permissions().mode() & 0o777, 0o111);
    }
}
