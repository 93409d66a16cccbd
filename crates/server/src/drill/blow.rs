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

/// Between two looks at a log.
const LOOK: Duration = Duration::from_millis(20);
/// How long the database is away.
const AWAY: Duration = Duration::from_secs(20);
/// How long the disk may be full until the server says so.
const FULL: Duration = Duration::from_secs(10);

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
    match trial.fault {
        Fault::Point("lease.late") => return heard(stage, "held up by a drill", ended).await,
        Fault::RunBroken => return heard(stage, "a run broke and is replaced", ended).await,
        Fault::ClockJumped => return Ok(jumped(trial, ended).await),
        Fault::Point(_) => return point(stage, trial.fault, ended).await,
        _ => {}
    }
    if !came(trial.at, seen, ended).await {
        return Ok(None);
    }
    let at = Instant::now();
    let struck = match trial.fault {
        Fault::SandboxKilled => sandboxes::signal(stage.data(), Signal::SIGKILL) > 0,
        Fault::SandboxLost => sandboxes::lose(stage.data()) > 0,
        Fault::ServerStopped => stopped(stage).await?,
        Fault::DatabaseAway => away(stage).await,
        Fault::PowerLost => power(stage).await?,
        Fault::DiskFull => return full(stage, at).await.map(Some),
        _ => false,
    };
    Ok(struck.then(|| Blow {
        at,
        over: Instant::now(),
        odd: None,
    }))
}

/// The clock jumps by itself, so long after the server's start.
async fn jumped(trial: &Trial, ended: &CancellationToken) -> Option<Blow> {
    let (after, _) = trial.jump();
    tokio::select! {
        () = sleep(Duration::from_millis(after)) => {}
        () = ended.cancelled() => return None,
    }
    let at = Instant::now();
    Some(Blow {
        at,
        over: at,
        odd: None,
    })
}

/// The server does it to itself and goes on; its log tells when.
async fn heard(
    stage: &Stage,
    words: &str,
    ended: &CancellationToken,
) -> Result<Option<Blow>, DrillError> {
    loop {
        if stage.heard(words) {
            let at = Instant::now();
            return Ok(Some(Blow {
                at,
                over: at,
                odd: None,
            }));
        }
        if ended.is_cancelled() {
            return Ok(None);
        }
        sleep(LOOK).await;
    }
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

/// Stops the server for longer than its lease lasts. Where another node can be,
/// it takes over meanwhile, and the stopped one comes back to find so.
async fn stopped(stage: &mut Stage) -> Result<bool, DrillError> {
    stage.another().await?;
    let Some(child) = &stage.child else {
        return Ok(false);
    };
    child.signal(Signal::SIGSTOP);
    sleep(Duration::from_millis(LEASE * 1000 + 2500)).await;
    child.signal(Signal::SIGCONT);
    Ok(true)
}

/// Cuts the line to the database for a while.
async fn away(stage: &Stage) -> bool {
    let Some(database) = stage.database() else {
        return false;
    };
    database.line().cut();
    sleep(AWAY).await;
    database.line().mend();
    true
}

/// Cuts the power: server and sandboxes are gone, and of the disk is left what
/// its device had by then. A new server starts on that.
async fn power(stage: &mut Stage) -> Result<bool, DrillError> {
    let Some(child) = &mut stage.child else {
        return Ok(false);
    };
    child.kill().await;
    // Nothing may reach the device any more while it is copied.
    sandboxes::signal(stage.data(), Signal::SIGSTOP);
    let copy = stage.disk()?.copy()?;
    sandboxes::signal(stage.data(), Signal::SIGKILL);
    stage.disk()?.replace(copy)?;
    stage.launch(&[]).await?;
    Ok(true)
}

/// Fills the disk of the database, sees that the server says so, and makes room.
async fn full(stage: &mut Stage, at: Instant) -> Result<Blow, DrillError> {
    let ballast = stage.disk()?.fill()?;
    let line = stage.line();
    let told = tokio::time::timeout(FULL, line.unready()).await;
    std::fs::remove_file(&ballast).map_err(DrillError::at(&ballast))?;
    let odd = told
        .is_err()
        .then(|| "the disk was full and /readyz did not say so".to_owned());
    Ok(Blow {
        at,
        over: Instant::now(),
        odd,
    })
}
