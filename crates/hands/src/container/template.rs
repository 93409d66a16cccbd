//! The template `base`: a few files of our making over the host's `/usr`.
//!
//! It downloads nothing and holds nothing of the host but its certificates, its
//! choice of alternatives and where its libraries are. It is never changed once
//! made: sandboxes lie over it. Another content is another folder. Beside its own
//! files is what hides parts of the host's `/usr`.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::hidden::{self, Cover};
use super::{sys, trust};

/// In the template's folder, its own files.
pub(super) const OWN: &str = "own";
/// In the template's folder, what lies over the host's `/usr`; absent if nothing is
/// to be hidden.
pub(super) const HIDDEN: &str = "hidden";

const FOLDERS: [(&str, u32); 22] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
    ("var/lib/dpkg", 0o755),
    ("workspace", 0o755),
];

const FILES: [(&str, &str); 13] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    (
        "etc/group",
        "root:x:0:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n",
    ),
    (
        "etc/shadow",
        "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n",
    ),
    ("etc/hostname", "sandbox\n"),
    (
        "etc/hosts",
        "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost sandbox\n",
    ),
    (
        "etc/resolv.conf",
        "nameserver 127.0.0.1\noptions timeout:10 attempts:1\n",
    ),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n\
         protocols: files\nservices: files\n",
    ),
    ("etc/shells", "/bin/sh\n/bin/bash\n"),
    (
        "etc/profile",
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
    ),
    (
        "etc/gitconfig",
        "[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n[core]\n\tpager = cat\n\
         [user]\n\tname = agent\n\temail = agent@sandbox.invalid\n",
    ),
    (
        "etc/os-release",
        "NAME=\"OpenComputer base\"\nID=opencomputer\n",
    ),
    (
        "etc/protocols",
        "icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\n",
    ),
    (
        "etc/services",
        "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\nssh 22/tcp\n",
    ),
];

/// Parts of the host's `/etc` that its programs need and that hold no secret.
const FROM_HOST: [&str; 9] = [
    "alternatives",
    "ca-certificates.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki/tls/certs",
    "ssl",
];
/// Folders of the host's root that are links into `/usr` nearly everywhere.
const INTO_USR: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// One thing in the template.
#[derive(Debug, Hash)]
pub(super) enum Item {
    Folder(u32),
    File(Vec<u8>),
    Link(PathBuf),
    Cover(Cover),
}

/// Makes the template below `dir`, unless it is there, and returns its folder. With
/// `hide`, sandboxes see only what everybody may read of the host's `/usr`; with
/// `trust`, they trust that authority as well.
pub(crate) fn make(dir: &Path, hide: bool, trust: Option<&str>) -> io::Result<PathBuf> {
    let mut items = items(trust);
    if hide {
        for (path, cover) in hidden::of_usr() {
            items.insert(Path::new(HIDDEN).join(path), Item::Cover(*cover));
        }
    }
    let mut hasher = DefaultHasher::new();
    items.hash(&mut hasher);
    let place = dir.join(format!("base-{:016x}", hasher.finish()));
    if whole(&place, &items) {
        return Ok(place);
    }
    let beside = dir.join(format!("new-{}", std::process::id()));
    if beside.exists() {
        fs::remove_dir_all(&beside)?;
    }
    fs::create_dir_all(&beside)?;
    // A parent sorts before what is in it.
    for (path, item) in &items {
        item.make(&beside.join(path))?;
    }
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755))?;
    match fs::rename(&beside, &place) {
        // Somebody else was as fast.
        Err(_) if whole(&place, &items) => fs::remove_dir_all(&beside)?,
        Err(_) if place.exists() => {
            let torn = dir.join(format!("torn-{}", std::process::id()));
            fs::rename(&place, &torn)?;
            fs::rename(&beside, &place)?;
            fs::remove_dir_all(torn)?;
        }
        other => other?,
    }
    Ok(place)
}

/// Whether a template is there and as it was made: after a power loss a folder
/// may have come to the disk before what is in it.
fn whole(place: &Path, items: &BTreeMap<PathBuf, Item>) -> bool {
    items.iter().all(|(path, item)| {
        let path = place.join(path);
        match item {
            Item::Folder(_) => path.is_dir(),
            Item::File(bytes) => fs::read(&path).is_ok_and(|found| found == *bytes),
            Item::Link(target) => fs::read_link(&path).is_ok_and(|found| found == *target),
            Item::Cover(Cover::Folder { .. }) => path.is_dir(),
            Item::Cover(Cover::Gone) => sys::is_whiteout(&path),
        }
    })
}

impl Item {
    fn make(&self, path: &Path) -> io::Result<()> {
        let folder = |mode| {
            fs::create_dir_all(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
        };
        match self {
            Self::Folder(mode) => folder(*mode),
            Self::File(bytes) => {
                fs::write(path, bytes)?;
                fs::set_permissions(path, fs::Permissions::from_mode(0o644))
            }
            Self::Link(target) => symlink(target, path),
            Self::Cover(Cover::Gone) => sys::whiteout(path),
            Self::Cover(Cover::Folder { mode, uid, gid }) => {
                fs::create_dir_all(path)?;
                chown(path, Some(*uid), Some(*gid))?;
                folder(*mode)
            }
        }
    }
}

fn items(trust: Option<&str>) -> BTreeMap<PathBuf, Item> {
    let mut items = BTreeMap::from([(PathBuf::new(), Item::Folder(0o755))]);
    for (path, mode) in FOLDERS {
        items.insert(PathBuf::from(path), Item::Folder(mode));
    }
    for (path, text) in FILES {
        items.insert(PathBuf::from(path), Item::File(text.as_bytes().to_vec()));
    }
    for name in INTO_USR {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            items.insert(PathBuf::from(name), Item::Link(target));
        }
    }
    for name in FROM_HOST {
        for parent in Path::new(name)
            .ancestors()
            .skip(1)
            .filter(|p| !p.as_os_str().is_empty())
        {
            items
                .entry(Path::new("etc").join(parent))
                .or_insert(Item::Folder(0o755));
        }
        copy(
            &Path::new("/etc").join(name),
            &Path::new("etc").join(name),
            &mut items,
        );
    }
    // Private keys are no certificates.
    items.retain(|path, _| !path.starts_with("etc/ssl/private"));
    if let Some(pem) = trust {
        trust::add(&mut items, pem);
    }
    items
        .into_iter()
        .map(|(path, item)| (Path::new(OWN).join(path), item))
        .collect()
}

/// Takes in a file, a link or a folder of the host; what is not there is left out.
fn copy(from: &Path, to: &Path, items: &mut BTreeMap<PathBuf, Item>) {
    let Ok(meta) = from.symlink_metadata() else {
        return;
    };
    if meta.is_symlink() {
        if let Ok(target) = fs::read_link(from) {
            items.insert(to.to_owned(), Item::Link(target));
        }
    } else if meta.is_file() {
        // Only what everybody may read: the rest is nobody's business inside.
        if meta.permissions().mode() & 0o004 != 0
            && let Ok(bytes) = fs::read(from)
        {
            items.insert(to.to_owned(), Item::File(bytes));
        }
    } else if meta.is_dir()
        && meta.permissions().mode() & 0o005 == 0o005
        && let Ok(entries) = fs::read_dir(from)
    {
        items.insert(to.to_owned(), Item::Folder(0o755));
        for entry in entries.flatten() {
            copy(&entry.path(), &to.join(entry.file_name()), items);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_template_that_a_power_loss_left_torn_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let place = make(dir.path(), true, None).unwrap();
        let passwd = place.join(OWN).join("etc/passwd");
        let text = fs::read(&passwd).unwrap();
        fs::write(&passwd, "").unwrap();
        fs::remove_file(place.join(OWN).join("bin")).unwrap();
        assert_eq!(make(dir.path(), true, None).unwrap(), place);
        assert_eq!(fs::read(&passwd).unwrap(), text);
        assert!(fs::read_link(place.join(OWN).join("bin")).is_ok());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_template_is_made_once_and_holds_nothing_private_of_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let made_at = make(dir.path(), false, None).unwrap();
        let place = made_at.join(OWN);
        let made = fs::metadata(place.join("etc/passwd"))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(make(dir.path(), false, None).unwrap(), made_at);
        assert_eq!(
            fs::metadata(place.join("etc/passwd"))
                .unwrap()
                .modified()
                .unwrap(),
            made
        );
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing half made is left"
        );
        let shadow = fs::read_to_string(place.join("etc/shadow")).unwrap();
        assert!(!shadow.contains('$'), "no password hash: {shadow}");
        for gone in ["etc/ssl/private", "etc/ssh", "etc/machine-id", "root/.ssh"] {
            assert!(!place.join(gone).exists(), "{gone}");
        }
        for empty in ["home", "root", "opt", "srv", "usr", "workspace"] {
            assert_eq!(
                fs::read_dir(place.join(empty)).unwrap().count(),
                0,
                "{empty}"
            );
        }
        assert_eq!(
            fs::read_link(place.join("bin")).unwrap(),
            fs::read_link("/bin").unwrap()
        );
        let mode =
            |path: &str| fs::metadata(place.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            (mode("tmp"), mode("root"), mode("etc/passwd")),
            (0o1777, 0o700, 0o644)
        );
    }
}
