//! The launcher as the hands use it: one process that is given orders, started when
//! it is first needed and again if it has ended.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::container::orders::{self, Order};
use crate::container::spec::{LAUNCH, Spec, State};
use crate::error::Error;

/// Bytes of an answer at most; the rest of a longer one is nobody's loss.
const LONGEST: u64 = 64 * 1024;

/// Starts sandboxes.
#[derive(Debug)]
pub(crate) struct Launch {
    program: PathBuf,
    running: Mutex<Option<Running>>,
}

/// Dropped, it is killed; what it has split off by then goes on.
#[derive(Debug)]
struct Running {
    process: Child,
    orders: OwnedFd,
}

impl Launch {
    /// Nothing runs yet.
    pub(crate) fn new(program: PathBuf) -> Self {
        Self {
            program,
            running: Mutex::default(),
        }
    }

    /// Starts a sandbox; says how it came out.
    pub(crate) async fn one(
        &self,
        spec: &Spec,
        disk: Option<OwnedFd>,
        until: Instant,
    ) -> Result<State, Error> {
        let failed = |error: io::Error| Error::Launch(format!("the launcher: {error}"));
        let (answer, to) = io::pipe().map_err(failed)?;
        let answer = pipe::Receiver::from_owned_fd(answer.into()).map_err(failed)?;
        let spec = serde_json::to_vec(spec).map_err(|error| Error::Launch(error.to_string()))?;
        let answer_to = to.into();
        let order = Order {
            spec,
            answer: answer_to,
            disk,
        };
        self.send(order).await.map_err(failed)?;
        let mut text = Vec::new();
        let mut answer = answer.take(LONGEST);
        let answered = timeout_at(until, answer.read_to_end(&mut text)).await;
        let Ok(answered) = answered else {
            // It may be stuck itself. The next start gets another.
            *self.running.lock().await = None;
            return Err(Error::Deadline("the launcher did not end"));
        };
        answered.map_err(failed)?;
        serde_json::from_slice(&text).map_err(|_| Error::Launch(words(&text)))
    }

    async fn send(&self, order: Order) -> io::Result<()> {
        let mut running = self.running.lock().await;
        if let Some(Running { process, orders }) = &mut *running
            && process.try_wait()?.is_none()
        {
            match orders::send(orders.as_fd(), &order) {
                // It has just ended.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                sent => return sent,
            }
        }
        let fresh = running.insert(self.start()?);
        orders::send(fresh.orders.as_fd(), &order)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the search path is passed on; it is no option"
    )]
    fn start(&self) -> io::Result<Running> {
        let (orders, theirs) = orders::socket()?;
        let process = Command::new(&self.program)
            .arg(LAUNCH)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Running { process, orders })
    }
}

fn words(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).trim().to_owned();
    if text.is_empty() {
        "the launcher ended without a word".to_owned()
    } else {
        text
    }
}
