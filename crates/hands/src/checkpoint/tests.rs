//! Trees of all kinds, kept and restored, without a sandbox around them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};

use super::manifest::Place;
use super::reach::Reach;
use super::restore::{Files, Ground};
use super::save::Save;
use super::{Pieces, Saved};
use crate::error::Error;

/// Pieces in memory, named by number.
fn memory() -> (Pieces, Arc<Mutex<Vec<Bytes>>>) {
    let all: Arc<Mutex<Vec<Bytes>>> = Arc::default();
    let (to, from) = (Arc::clone(&all), Arc::clone(&all));
    let pieces = Pieces {
        put: Arc::new(move |_, piece| {
            let mut all = to.lock().unwrap();
            all.push(piece);
            let name = (all.len() - 1).to_string();
            Box::pin(async move { Ok(name) })
        }),
        get: Arc::new(move |_, name| {
            let piece = name
                .parse()
                .ok()
                .and_then(|n: usize| from.lock().unwrap().get(n).cloned());
            Box::pin(async move { piece.ok_or_else(|| std::io::ErrorKind::NotFound.into()) })
        }),
    };
    (pieces, all)
}

/// A layer on this host, with its uids from `base` on.
struct Layer {
    dir: tempfile::TempDir,
    base: u32,
}

impl Layer {
    fn new(base: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        chown(dir.path().join("root"), Some(base), Some(base)).unwrap();
        Self { dir, base }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.root().join(name), bytes).unwrap();
        chown(self.root().join(name), Some(self.base), Some(self.base)).unwrap();
    }

    async fn save(&self, pieces: &Pieces, kept: &[&str]) -> Saved {
        let save = Save {
            owner: "a",
            folder: self.dir.path().to_owned(),
            pieces,
        };
        let last = save.last(kept).await.unwrap();
        let reach = Reach {
            layers: vec![(Place::Root, File::open(self.root()).unwrap().into())],
            shift: Some(self.base),
            life: None,
        };
        save.run(reach, (), last).await.unwrap()
    }

    async fn restored(pieces: &Pieces, manifest: &str, base: u32) -> Result<Self, Error> {
        let dir = tempfile::tempdir().unwrap();
        let ground = Ground {
            folder: File::open(dir.path()).unwrap().into(),
            shift: Some(base),
            places: &[Place::Root, Place::Usr],
        };
        let files = Files::of(pieces, "a", manifest).await?;
        files.fill(ground, dir.path()).await?;
        Ok(Self { dir, base })
    }

    /// Everything about everything in it.
    fn look(&self) -> BTreeMap<PathBuf, String> {
        let mut seen = BTreeMap::new();
        let mut open = vec![self.root()];
        while let Some(path) = open.pop() {
            let meta = path.symlink_metadata().unwrap();
            let kind = meta.file_type();
            let content = if kind.is_file() {
                format!(
                    "{:?} {}",
                    super::pack::hash(&fs::read(&path).unwrap()),
                    holes(&path, &meta)
                )
            } else if kind.is_symlink() {
                format!("{:?}", fs::read_link(&path).unwrap())
            } else {
                String::new()
            };
            let gone = kind.is_char_device();
            let about = format!(
                "{kind:?} {:o} {}:{} {}.{} {} {} {content} {:?}",
                meta.mode(),
                if gone { 0 } else { meta.uid() - self.base },
                if gone { 0 } else { meta.gid() - self.base },
                if gone { 0 } else { meta.mtime() },
                if gone { 0 } else { meta.mtime_nsec() },
                if kind.is_dir() { 0 } else { meta.len() },
                // Gone is gone, whether under one name or several.
                if kind.is_dir() || gone {
                    0
                } else {
                    meta.nlink()
                },
                attributes(&path),
            );
            if kind.is_dir() {
                open.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            }
            seen.insert(path.strip_prefix(self.root()).unwrap().to_owned(), about);
        }
        seen
    }
}

/// Whether much of a large file is hole.
fn holes(path: &Path, meta: &fs::Metadata) -> bool {
    let _ = path;
    meta.len() > 1 << 20 && meta.blocks() * 512 < meta.len() / 2
}

fn attributes(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = Vec::with_capacity(4096);
    rustix::fs::llistxattr(path, rustix::buffer::spare_capacity(&mut names)).unwrap();
    let names = String::from_utf8(names).unwrap();
    let value = |name: &str| {
        let mut value = Vec::with_capacity(4096);
        rustix::fs::lgetxattr(path, name, rustix::buffer::spare_capacity(&mut value)).unwrap();
        (name.to_owned(), value)
    };
    let mut all: Vec<_> = names.split_terminator('\0').map(value).collect();
    all.sort();
    all
}

/// One change of a tree; one that makes no sense where it comes is skipped.
#[derive(Debug, Clone)]
enum Change {
    Folder(Vec<u8>, u16, bool),
    File(Vec<u8>, u16, Vec<u8>),
    Repeat(Vec<u8>, u32, u8),
    Sparse(Vec<u8>, u32),
    Link(Vec<u8>, Vec<u8>),
    Same(Vec<u8>, Vec<u8>),
    Pipe(Vec<u8>),
    Gone(Vec<u8>),
    Remove(Vec<u8>),
    Move(Vec<u8>, Vec<u8>),
    Own(Vec<u8>, u16),
    Mark(Vec<u8>, Vec<u8>),
}

/// A path of short names, so that changes meet.
fn place(root: &Path, path: &[u8]) -> PathBuf {
    let mut place = root.to_owned();
    for step in path {
        let name: &[u8] = match step % 5 {
            0 => b"a",
            1 => b"b c",
            2 => b"\xff\n",
            3 => b"d",
            _ => b"-e",
        };
        place.push(std::ffi::OsStr::from_bytes(name));
    }
    place
}

impl Change {
    fn apply(&self, layer: &Layer) {
        let root = layer.root();
        let at = |path: &[u8]| place(&root, path);
        let owned = |path: &PathBuf| lchown(path, Some(layer.base), Some(layer.base));
        if let Self::File(path, ..) | Self::Repeat(path, ..) | Self::Sparse(path, _) = self
            && at(path)
                .symlink_metadata()
                .is_ok_and(|meta| !meta.is_file())
        {
            // A pipe would wait for a reader; what a link leads to has its own turn.
            return;
        }
        // Whether it makes sense is the file system's to say.
        let _ = match self {
            Self::Folder(path, mode, opaque) => fs::create_dir(at(path)).and_then(|()| {
                fs::set_permissions(at(path), fs::Permissions::from_mode((mode & 0o7777).into()))?;
                if *opaque {
                    setxattr(
                        at(path),
                        "trusted.overlay.opaque",
                        b"y",
                        XattrFlags::empty(),
                    )?;
                    setxattr(
                        at(path),
                        "trusted.overlay.impure",
                        b"y",
                        XattrFlags::empty(),
                    )?;
                    rustix::fs::removexattr(at(path), "trusted.overlay.impure")?;
                }
                owned(&at(path))
            }),
            Self::File(path, mode, bytes) => fs::write(at(path), bytes).and_then(|()| {
                owned(&at(path))?;
                fs::set_permissions(at(path), fs::Permissions::from_mode((mode & 0o7777).into()))
            }),
            Self::Repeat(path, len, byte) => {
                let ramp = (0..*len % 3_000_000).map(|n| (n / 5000) as u8 ^ byte);
                fs::write(at(path), ramp.collect::<Vec<_>>()).and_then(|()| owned(&at(path)))
            }
            Self::Sparse(path, to) => File::create(at(path)).and_then(|mut file| {
                file.write_all(b"begin")?;
                file.seek(SeekFrom::Start(2_000_000 + u64::from(*to)))?;
                file.write_all(b"end")?;
                file.set_len(6_000_000 + u64::from(*to))?;
                owned(&at(path))
            }),
            Self::Link(path, target) => {
                symlink(place(Path::new(""), target), at(path)).and_then(|()| owned(&at(path)))
            }
            Self::Same(path, other) => fs::hard_link(at(other), at(path)),
            Self::Pipe(path) => mknodat(CWD, at(path), FileType::Fifo, Mode::RUSR, 0)
                .map_err(Into::into)
                .and_then(|()| owned(&at(path))),
            Self::Gone(path) => mknodat(CWD, at(path), FileType::CharacterDevice, Mode::empty(), 0)
                .map_err(Into::into),
            Self::Remove(path) => {
                fs::remove_file(at(path)).or_else(|_| fs::remove_dir_all(at(path)))
            }
            Self::Move(from, to) => fs::rename(at(from), at(to)),
            Self::Own(path, id) => {
                let id = layer.base + u32::from(*id);
                lchown(at(path), Some(id), Some(id))
            }
            Self::Mark(path, value) => {
                let found = at(path).symlink_metadata();
                found.and_then(|meta| {
                    if meta.is_file() || meta.is_dir() {
                        setxattr(at(path), "user.mark", value, XattrFlags::empty())?;
                    }
                    Ok(())
                })
            }
        };
    }
}

fn change() -> impl Strategy<Value = Change> {
    let path = || prop::collection::vec(0u8..5, 1..4);
    let some = || prop::collection::vec(any::<u8>(), 0..50);
    prop_oneof![
        4 => (path(), any::<u16>(), any::<bool>()).prop_map(|(p, m, o)| Change::Folder(p, m, o)),
        6 => (path(), any::<u16>(), some()).prop_map(|(p, m, b)| Change::File(p, m, b)),
        2 => (path(), any::<u32>(), any::<u8>()).prop_map(|(p, l, b)| Change::Repeat(p, l, b)),
        1 => (path(), 0u32..1_000_000).prop_map(|(p, t)| Change::Sparse(p, t)),
        2 => (path(), path()).prop_map(|(p, t)| Change::Link(p, t)),
        2 => (path(), path()).prop_map(|(p, t)| Change::Same(p, t)),
        1 => path().prop_map(Change::Pipe),
        1 => path().prop_map(Change::Gone),
        2 => path().prop_map(Change::Remove),
        2 => (path(), path()).prop_map(|(f, t)| Change::Move(f, t)),
        1 => (path(), any::<u16>()).prop_map(|(p, i)| Change::Own(p, i)),
        1 => (path(), some()).prop_map(|(p, v)| Change::Mark(p, v)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_restored_as_it_was_and_as_it_became(
        first in prop::collection::vec(change(), 1..40),
        then in prop::collection::vec(change(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ((pieces, _), layer) = (memory(), Layer::new(100_000));
            first.iter().for_each(|change| change.apply(&layer));
            let (one, was) = (layer.save(&pieces, &[]).await, layer.look());
            let again = layer.save(&pieces, &[&one.manifest]).await;
            assert!(again.unchanged && again.manifest == one.manifest && again.packs == one.packs);
            then.iter().for_each(|change| change.apply(&layer));
            let (two, became) = (layer.save(&pieces, &[&one.manifest]).await, layer.look());
            assert_eq!(two.unchanged, was == became);
            let back = Layer::restored(&pieces, &one.manifest, 300_000).await.unwrap();
            assert_eq!(back.look(), was);
            let other = Layer::restored(&pieces, &two.manifest, 500_000).await.unwrap();
            assert_eq!(other.look(), became);
            let third = other.save(&pieces, &[&two.manifest]).await;
            assert!(third.unchanged, "{third:?}");
        });
    }
}

#[tokio::test]
async fn packs_that_are_mostly_dead_or_small_are_written_anew() {
    let ((pieces, _), layer) = (memory(), Layer::new(100_000));
    let noise = |seed: u64| -> Vec<u8> {
        let mut state = seed | 1;
        let next = std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
        next.take(100_000).collect()
    };
    for n in 0..40 {
        layer.write(&n.to_string(), &noise(n + 1));
    }
    let full = layer.save(&pieces, &[]).await;
    for n in 2..40 {
        fs::remove_file(layer.root().join(n.to_string())).unwrap();
    }
    let left = layer.save(&pieces, &[&full.manifest]).await;
    layer.write("new", b"new");
    let anew = layer.save(&pieces, &[&left.manifest]).await;
    assert!(
        anew.packs.iter().all(|pack| !full.packs.contains(pack)),
        "{anew:?}"
    );
    assert!(anew.added > 200_000 && anew.added < 300_000, "{anew:?}");
    let mut last = anew;
    for n in 100..140 {
        layer.write(&n.to_string(), &noise(n));
        last = layer.save(&pieces, &[&last.manifest]).await;
        assert!(last.packs.len() <= 20, "{}: {:?}", n, last.packs);
    }
    let back = Layer::restored(&pieces, &last.manifest, 300_000)
        .await
        .unwrap();
    assert_eq!(back.look(), layer.look());
}

#[tokio::test]
async fn a_damaged_last_checkpoint_is_no_hindrance_to_the_next() {
    let ((pieces, all), layer) = (memory(), Layer::new(100_000));
    layer.write("f", b"content");
    let first = layer.save(&pieces, &[]).await;
    let at: usize = first.manifest.parse().unwrap();
    all.lock().unwrap()[at] = Bytes::from_static(b"oc-man\x00\x01rubbish");
    let second = layer.save(&pieces, &[&first.manifest]).await;
    assert!(!second.unchanged && second.manifest != first.manifest);
    let back = Layer::restored(&pieces, &second.manifest, 300_000)
        .await
        .unwrap();
    assert_eq!(back.look(), layer.look());
    assert!(matches!(
        Layer::restored(&pieces, &first.manifest, 300_000).await,
        Err(Error::Damaged(_))
    ));
}

/// All pieces of a checkpoint but its manifest become something else, if no other has them.
fn spoil(all: &Mutex<Vec<Bytes>>, bad: &Saved, good: &Saved) {
    for pack in bad.packs.iter().filter(|pack| !good.packs.contains(pack)) {
        let at: usize = pack.parse().unwrap();
        all.lock().unwrap()[at] = Bytes::from_static(b"oc-pack\x01rubbish");
    }
}

#[tokio::test]
async fn a_checkpoint_is_built_only_upon_what_its_sandbox_is_known_to_have() {
    let ((pieces, all), layer) = (memory(), Layer::new(100_000));
    layer.write("f", b"one");
    let first = layer.save(&pieces, &[]).await;
    layer.write("f", b"two");
    let second = layer.save(&pieces, &[&first.manifest]).await;
    spoil(&all, &second, &first);
    assert!(matches!(
        Layer::restored(&pieces, &second.manifest, 300_000).await,
        Err(Error::Damaged(_))
    ));
    let again = Layer::restored(&pieces, &first.manifest, 300_000);
    let again = again.await.unwrap();
    // The work is done again: what the damaged checkpoint says that it has.
    again.write("f", b"two");
    let kept = [&*second.manifest, &first.manifest];
    let third = again.save(&pieces, &kept).await;
    let back = Layer::restored(&pieces, &third.manifest, 500_000).await;
    assert_eq!(back.unwrap().look(), again.look());
}

#[tokio::test]
async fn a_file_somebody_writes_to_through_memory_is_read_every_time() {
    let ((pieces, _), layer) = (memory(), Layer::new(100_000));
    let path = layer.root().join("f");
    fs::write(&path, "before").unwrap();
    let open = File::options().write(true).open(&path).unwrap();
    let first = layer.save(&pieces, &[]).await;
    let record = fs::read(layer.dir.path().join("files.seen")).unwrap();
    let record: super::seen::Seen = postcard::from_bytes(&record).unwrap();
    assert_eq!(record.of(0, 0), [super::seen::Stamp::NEVER]);
    drop(open);
    layer.save(&pieces, &[&first.manifest]).await;
    let record = fs::read(layer.dir.path().join("files.seen")).unwrap();
    let record: super::seen::Seen = postcard::from_bytes(&record).unwrap();
    assert_ne!(record.of(0, 0), [super::seen::Stamp::NEVER]);
}

#[tokio::test]
async fn a_deep_tree_is_kept_with_few_descriptors() {
    let ((pieces, _), layer) = (memory(), Layer::new(100_000));
    let mut at =
        rustix::fs::open(layer.root(), rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, "d", rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let saved = layer.save(&pieces, &[]).await;
    assert_eq!(saved.files, 3000);
    let back = Layer::restored(&pieces, &saved.manifest, 300_000)
        .await
        .unwrap();
    assert_eq!(back.save(&pieces, &[&saved.manifest]).await.files, 3000);
}
