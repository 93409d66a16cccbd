//! The connection to one sandbox's guest, kept up for as long as it lives.
//!
//! A lost connection is made again: nothing that runs inside depends on it. The
//! end of the sandbox's first process is the end of the link.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guest::mux::{Mux, Role, greet};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::alive::Life;
use crate::outward::{Outward, Whose};

/// A guest that does not answer a hello in this time is asked again.
const HELLO: Duration = Duration::from_secs(5);
/// For the last words of a guest that has ended.
const LAST: Duration = Duration::from_secs(2);
/// Between two attempts to connect.
const AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How the link is.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// Not connected at the moment.
    Down,
    /// Connected.
    Up(Mux),
    /// Never again: the sandbox is gone, and why.
    Dead(String),
}

/// Keeps the link of one sandbox.
pub(crate) struct Keeper {
    pub(crate) whose: Whose,
    pub(crate) folder: PathBuf,
    pub(crate) outward: Outward,
    pub(crate) link: watch::Sender<Link>,
}

impl Keeper {
    /// Keeps it until the sandbox has ended and all it said has been heard.
    pub(crate) async fn run(&self, life: &Life) {
        let mut keep = pin!(self.keep());
        tokio::select! {
            () = life.ended() => {}
            () = &mut keep => {}
        }
        let mut link = self.link.subscribe();
        let down = link.wait_for(|link| !matches!(link, Link::Up(mux) if !mux.is_closed()));
        // What its guest wrote last is still in the socket.
        let _ = timeout(LAST, async {
            tokio::select! {
                _ = down => {}
                () = keep => {}
            }
        })
        .await;
    }

    async fn keep(&self) {
        let mut pause = AGAIN.0;
        loop {
            match self.connected().await {
                Ok(()) => pause = AGAIN.0,
                Err(error) => {
                    tracing::debug!(sandbox = self.whose.sandbox, %error, "guest not reached")
                }
            }
            self.put(Link::Down);
            sleep(pause).await;
            pause = (pause * 2).min(AGAIN.1);
        }
    }

    /// The link is now so, unless the sandbox has been given up.
    fn put(&self, now: Link) {
        self.link.send_if_modified(|link| {
            let given_up = matches!(link, Link::Dead(_));
            if !given_up {
                *link = now;
            }
            !given_up
        });
    }

    /// One connection, from its beginning to its end.
    async fn connected(&self) -> io::Result<()> {
        let greeted = async {
            let stream = connect(&self.folder).await?;
            greet(stream, Role::Host, epoch())
                .await
                .map_err(io::Error::other)
        };
        let (mux, incoming, running, _) = timeout(HELLO, greeted).await??;
        self.put(Link::Up(mux.clone()));
        tokio::select! {
            () = running.run() => {}
            () = self.outward.serve(&self.whose, incoming) => {}
        }
        mux.close();
        Ok(())
    }
}

/// Grows from one server to the next, as long as the clock does; guests go by
/// the order of connections and only show it.
#[expect(
    clippy::disallowed_methods,
    reason = "an epoch must grow from one server to the next"
)]
fn epoch() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

async fn connect(folder: &Path) -> io::Result<UnixStream> {
    // By way of the folder's descriptor: a socket's address has room for 107 bytes.
    let folder = File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(folder)?;
    UnixStream::connect(format!("/proc/self/fd/{}/guest.sock", folder.as_raw_fd())).await
}
