//! Where an engine runs, as whoever starts it gives it to us.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Starts a program in a place of its own, with no way out but the door. The
/// error says why not, in words for the user.
pub type Spawn = Arc<dyn Fn(Start) -> BoxFuture<'static, Result<Place, String>> + Send + Sync>;

/// Opens a connection to a port inside the place.
pub type Reach = Arc<dyn Fn(u16) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync>;

/// The address of the door, as engines are told it.
pub const DOOR: &str = "http://192.0.2.1";

/// The same for whoever carries their connections. It is one for documentation
/// (RFC 5737): nothing else can be meant by it.
pub const DOOR_ADDRESS: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 80));

/// What is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// For which session.
    pub session: String,
    /// The runtime's name.
    pub runtime: String,
    /// The program and its arguments. The program is a path inside the
    /// runtime's folder. Empty for a runtime that is started by a command of its
    /// own, in its folder.
    pub command: Vec<String>,
    /// The environment, all of it but `HOME` and `PATH`. Where it names the
    /// door, it does so as `http://192.0.2.1`.
    pub env: BTreeMap<String, String>,
    /// Files that have to be there: a path below the home folder, which is the
    /// working folder as well, and the content.
    pub files: Vec<(String, Vec<u8>)>,
}

/// A program that runs.
pub struct Place {
    /// Its home folder, as it sees it.
    pub home: String,
    /// Where it reaches the door.
    pub door: String,
    /// Its standard input and output.
    pub stdio: Box<dyn Stream>,
    /// The way to its ports.
    pub reach: Reach,
    /// The end of what it wrote to its standard error, once it has ended.
    pub last_words: Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
    /// Dropping this kills the program and all it started.
    pub hold: Box<dyn Any + Send>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}
