//! Installs an engine: asks the registry, checks the published hash over the
//! bytes as they come, unpacks what is kept and puts it in its place.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::error::at;
use super::fetch::{Hashed, Pieces};
use super::folder::New;
use super::integrity::Hash;
use super::unpack::unpack;
use super::{Engine, Error, Installed, Package, Registry, Runtimes};

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(3600);
/// Pieces that may wait to be unpacked.
const WAITING: usize = 64;

/// What is to be installed, and from where.
#[derive(Debug, Clone)]
pub struct Install {
    /// Which engine.
    pub engine: &'static Engine,
    /// Which version; the tested one if none is given.
    pub version: Option<String>,
    /// Who tells of it, and where it comes from.
    pub registry: Registry,
    /// The package itself, where it is here already.
    pub file: Option<PathBuf>,
}

/// How far an install is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The registry is asked.
    Asking,
    /// Bytes that came, and how many there are if that is known.
    Fetching(u64, Option<u64>),
    /// The rest is unpacked and written.
    Unpacking,
}

impl Install {
    /// Installs it, and lets it be the version that is used. What is there
    /// already is not fetched again.
    ///
    /// # Errors
    /// If it cannot be had, is not what was published, or cannot be kept: then
    /// everything is as before.
    pub async fn run(
        self,
        runtimes: &Runtimes,
        mut told: impl FnMut(Step),
    ) -> Result<Installed, Error> {
        let package = self
            .engine
            .package(self.version.as_deref(), std::env::consts::ARCH)?;
        let _held = runtimes.hold()?;
        if !runtimes.has(self.engine.name, &package.version) {
            let new = runtimes.fresh()?;
            let work = self.fill(&package, &new, &mut told);
            let done = tokio::time::timeout(DEADLINE, work).await;
            done.map_err(|_| {
                let seconds = DEADLINE.as_secs();
                Error::Registry(format!("the package did not come within {seconds} s"))
            })??;
            runtimes.keep(&new, self.engine.name, &package.version)?;
        }
        runtimes.point(self.engine.name, &package.version)?;
        let there = runtimes.engine(self.engine)?;
        there.ok_or_else(|| Error::Package(format!("it has no {}", self.engine.program())))
    }

    /// Fills a folder with what is kept of the package.
    async fn fill(
        &self,
        package: &Package,
        new: &New,
        told: &mut impl FnMut(Step),
    ) -> Result<(), Error> {
        let folder = new.path.join(&package.version);
        fs::create_dir(&folder).map_err(at(&folder))?;
        let wanted = Wanted {
            named: format!("{} {}", package.name, package.published),
            keep: package.keep,
            folder,
        };
        told(Step::Asking);
        if let Some(path) = &self.file {
            let hash = match package.integrity {
                Some(known) => Hash::parse(known).map_err(Error::Registry)?,
                None => self.registry.look_up(package).await?.integrity,
            };
            let file = File::open(path).map_err(at(path))?;
            told(Step::Unpacking);
            return wanted.unpacked(file, hash).await;
        }
        let published = self.registry.look_up(package).await?;
        let (to, from) = mpsc::channel(WAITING);
        let fetching = async {
            let fetched = self.registry.fetch(published.address, to, |came, whole| {
                told(Step::Fetching(came, whole));
            });
            let fetched = fetched.await;
            told(Step::Unpacking);
            fetched
        };
        let unpacking = wanted.unpacked(Pieces::new(from), published.integrity);
        let (fetched, unpacked) = tokio::join!(fetching, unpacking);
        // What broke off cannot be unpacked either: the first reason counts.
        fetched.and(unpacked)
    }
}

/// What is made of a package's bytes.
struct Wanted {
    named: String,
    keep: &'static [(&'static str, &'static str)],
    folder: PathBuf,
}

impl Wanted {
    /// Unpacks the bytes on a thread that may block.
    async fn unpacked(self, from: impl Read + Send + 'static, hash: Hash) -> Result<(), Error> {
        let work = tokio::task::spawn_blocking(move || self.unpack(from, &hash));
        match work.await {
            Ok(done) => done,
            Err(error) => Err(Error::Package(error.to_string())),
        }
    }

    /// That the hash is wrong says more than that it cannot be unpacked.
    fn unpack(self, from: impl Read, hash: &Hash) -> Result<(), Error> {
        let mut from = Hashed::new(from);
        let unpacked = unpack(&mut from, self.keep, &self.folder);
        let checked = from.check(hash);
        match checked.map_err(at(&self.folder))? {
            Ok(()) => unpacked.and_then(|()| synced(&self.folder)),
            Err(got) => Err(Error::Hash {
                package: self.named,
                got: got.text(),
                want: hash.text(),
            }),
        }
    }
}

fn synced(folder: &Path) -> Result<(), Error> {
    let done = File::open(folder).and_then(|folder| folder.sync_all());
    done.map_err(at(folder))
}
