//! The blow of a run: waits for its moment, breaks what is to be broken, and
//! mends it.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::error::DrillError;
use super::fault::Fault;
use super::plan::Trial;
use super::sandboxes;
use super::stage::{LEASE, Stage};

/// How long after the last session's rest a point may still be passed.
const LATE: Duration = Duration::from_secs(8);

/// What was done.
#[derive(Debug, Clone)]
pub(super) struct Blow {
    /// When it fell.
    pub(super) at: Instant,
    /// From when on nothing stood in the way of going on.
    pub(super) over: Instant,
    /// What about it was not as it should be.
    pub(super) odd: Option<String>,
}

/// Strikes at the moment of the trial; `None` if it never came, because the
/// sessions had `ended` before.
pub(super) async fn strike(
    stage: &mut Stage,
    trial: &Trial,
    seen: watch::Receiver<u64>,
    ended: &CancellationToken,
) -> Result<Option<Blow>, DrillError> {
    if let Fault::Point(_) = trial.fault {
        return point(stage, trial.fault, ended).await;
    }
    if !came(trial.at, seen, ended).await {
        return Ok(None);
    }
    let at = Instant::now();
    let struck = match trial.fault {
        Fault::SandboxKilled => sandboxes::signal(stage.data(), Signal::SIGKILL) > 0,
        Fault::SandboxLost => sandboxes::lose(stage.data()) > 0,
        Fault::ServerStopped => stopped(stage).await,
        _ => false,
    };
    Ok(struck.then(|| Blow {
        at,
        over: Instant::now(),
        odd: None,
    }))
}

/// Waits for so many events; false if the sessions end first.
async fn came(at: u64, mut seen: watch::Receiver<u64>, ended: &CancellationToken) -> bool {
    tokio::select! {
        seen = seen.wait_for(|seen| *seen >= at) => seen.is_ok(),
        () = ended.cancelled() => false,
    }
}

/// The server kills itself; it is started again, unarmed.
async fn point(
    stage: &mut Stage,
    fault: Fault,
    ended: &CancellationToken,
) -> Result<Option<Blow>, DrillError> {
    let Some(child) = &mut stage.child else {
        return Ok(None);
    };
    let status = tokio::select! {
        status = child.ended() => status,
        () = too_late(fault, ended) => return Ok(None),
    };
    let at = Instant::now();
    let signal = status.and_then(|status| status.signal());
    let odd = (signal != Some(Signal::SIGKILL as i32))
        .then(|| format!("the server ended by itself ({status:?}); see its log"));
    stage.launch(&[]).await?;
    Ok(Some(Blow { at, over: at, odd }))
}

/// When no passing of the point is to be waited for any longer.
async fn too_late(fault: Fault, ended: &CancellationToken) {
    ended.cancelled().await;
    // Some points are passed when a session is at rest already.
    if fault.name().starts_with("checkpoint") || fault.name().starts_with("hibernate") {
        sleep(LATE).await;
    }
}

/// Stops the server for longer than its lease lasts.
async fn stopped(stage: &Stage) -> bool {
    let Some(child) = &stage.child else {
        return false;
    };
    child.signal(Signal::SIGSTOP);
    sleep(Duration::from_millis(LEASE * 1000 + 1500)).await;
    child.signal(Signal::SIGCONT);
    true
}
