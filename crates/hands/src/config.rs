//! What the hands are told when they are opened.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

/// How sandboxes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverKind {
    /// `Container`; an error where the kernel does not allow it, never `Process`.
    #[default]
    Auto,
    /// Namespaces, cgroups and a seccomp filter.
    Container,
    /// A plain process in a folder: no isolation, for development only.
    Process,
}

/// What a sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory, its `/tmp` included.
    pub memory_bytes: u64,
    /// Processors' worth of time.
    pub cpus: f32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes it may write to its disk.
    pub disk_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            cpus: 2.0,
            pids: 512,
            disk_bytes: 4 << 30,
        }
    }
}

/// A folder of the host that a sandbox sees, read only, without devices or programs
/// that change their user. All in it is seen, whoever may read it on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The folder, absolute.
    pub host: PathBuf,
    /// Where it is seen: absolute, and nothing of the system's own.
    pub inside: PathBuf,
}

/// How the launcher is run: a program that hands its arguments to
/// `launcher_main` before it does anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launcher {
    /// The running program itself.
    Itself,
    /// Another program.
    Program(PathBuf),
}

/// Settings of the hands.
#[derive(Debug, Clone)]
pub struct HandsConfig {
    /// Folder of everything sandboxes need and leave; made if absent.
    pub dir: PathBuf,
    /// How sandboxes are made.
    pub driver: DriverKind,
    /// How the launcher is run.
    pub launcher: Launcher,
    /// Sandboxes kept started and unowned.
    pub warm: usize,
    /// What a sandbox may use unless its owner says otherwise.
    pub limits: Limits,
    /// How long a start may take, from asking for it to the guest's first answer.
    pub boot_deadline: Duration,
    /// What a guest may take for an answer that is ready at once. One that runs a
    /// command is asked that often whether it is still there.
    pub answer_deadline: Duration,
    /// A sandbox that no server has been connected to for this long ends by itself.
    pub alone: Duration,
    /// Sandboxes alive at once, warm ones included.
    pub max_sandboxes: usize,
    /// First host uid given to sandboxes when run as root; each takes 65,536.
    pub uid_base: u32,
    /// A certificate authority, as PEM, that programs inside trust besides those the
    /// host trusts. Sandboxes that run already are not told of another.
    pub trust: Option<String>,
}

impl HandsConfig {
    /// The defaults, in `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            driver: DriverKind::Auto,
            launcher: Launcher::Itself,
            warm: 2,
            limits: Limits::default(),
            boot_deadline: Duration::from_secs(30),
            answer_deadline: Duration::from_secs(10),
            alone: Duration::from_secs(24 * 3600),
            max_sandboxes: 256,
            uid_base: 100_000,
            trust: None,
        }
    }
}

/// Both halves of a connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where a connection wants to go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum To {
    /// An address the program inside already had.
    Addr(SocketAddr),
    /// A name it asked a proxy for, and a port.
    Name(String, u16),
}

/// A connection that leaves a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Which sandbox.
    pub sandbox: String,
    /// Whose it is now; nobody's while it is warm.
    pub owner: Option<String>,
    /// Where to.
    pub to: To,
}

/// The gate, given by whoever opens the hands: every connection that leaves a
/// sandbox is made by it or not at all.
pub type Dial =
    Arc<dyn Fn(Target) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync>;

/// A name that a sandbox asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// Which sandbox.
    pub sandbox: String,
    /// Whose it is now.
    pub owner: Option<String>,
    /// The name.
    pub name: String,
}

/// Looks a host name up, for the name server inside the sandboxes.
pub type Resolve = Arc<dyn Fn(Lookup) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;
