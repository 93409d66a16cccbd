//! The `bash` tool: a fresh shell for each call.

use std::time::Duration;

use hands::{Exec, KillReason, Known, Live, Receipt as Ran, Sandbox};
use serde::Deserialize;
use session::fact::Outcome;
use session::state::OpenCall;
use session::tool;

use super::{Around, Done, args, exec_id, text};
use crate::points;

/// Bytes of output kept for the blob store.
const KEPT: u64 = 8 * 1024 * 1024;
/// How long a stopped command may take to be gone.
const GONE: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct Bash {
    command: String,
    #[serde(default, alias = "timeout")]
    timeout_seconds: Option<u64>,
    #[serde(default)]
    background: bool,
}

pub(super) async fn run(
    sandbox: &dyn Sandbox,
    open: &OpenCall,
    around: &Around,
    live: Live,
) -> Result<Done, hands::Error> {
    let bash: Bash = match args::read("bash", &open.call.input) {
        Ok(bash) => bash,
        Err(why) => return Ok(Done::refused(why)),
    };
    if bash.command.contains('\0') {
        return Ok(Done::refused(
            "A command cannot hold a NUL byte. Nothing was done.".to_owned(),
        ));
    }
    let id = exec_id(open);
    if bash.background {
        return background(sandbox, open, &id, &bash.command, around).await;
    }
    let seconds = bash
        .timeout_seconds
        .unwrap_or(tool::COMMAND)
        .clamp(1, around.longest.max(1));
    let mut exec = Exec::shell(&id, &bash.command);
    exec.timeout_ms = Some(seconds * 1000);
    exec.spool_cap = KEPT;
    exec.env.clone_from(&around.env);
    if points::armed("exec.started") {
        // To begin and to wait are one request otherwise; a second one finds the run.
        sandbox.start(exec.clone()).await?;
        points::passed("exec.started");
    }
    let ran = sandbox.exec(exec, Some(live)).await?;
    finished(sandbox, &id, ran).await
}

/// Starts the command and leaves it running: its output goes to a file that the
/// model can read, since nobody waits for it.
async fn background(
    sandbox: &dyn Sandbox,
    open: &OpenCall,
    id: &str,
    command: &str,
    around: &Around,
) -> Result<Done, hands::Error> {
    let stem = format!("/tmp/background/{}", open.seq);
    let line = format!(
        "mkdir -p /tmp/background && echo $$ > {stem}.pid && exec > {stem}.log 2>&1\n{command}"
    );
    let mut exec = Exec::shell(id, &line);
    exec.spool_cap = 0;
    exec.env.clone_from(&around.env);
    sandbox.start(exec).await?;
    points::passed("exec.started");
    let text = format!(
        "Running in the background. Output: {stem}.log. To stop it: kill $(cat {stem}.pid)"
    );
    Ok(Done::plain(text, false))
}

/// What is told of a command that came to an end.
async fn finished(sandbox: &dyn Sandbox, id: &str, ran: Ran) -> Result<Done, hands::Error> {
    let output = if ran.output.omitted > 0 {
        Some(kept(sandbox, id, &ran).await?)
    } else {
        None
    };
    let mut told = text::captured(&ran.output);
    let outcome = outcome(&ran);
    for note in [ran.note(), ending(&ran)].into_iter().flatten() {
        if !told.is_empty() {
            told.push('\n');
        }
        told.push_str(&format!("[{note}]"));
    }
    if told.is_empty() {
        told.push_str("(no output)");
    }
    Ok(Done {
        text: told,
        is_error: ran.exit_code != Some(0),
        outcome,
        output: output.map(Into::into),
        bytes: ran.total_bytes,
        duration_ms: Some(ran.duration_ms),
    })
}

fn ending(ran: &Ran) -> Option<String> {
    match (ran.exit_code, ran.signal) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit code {code}")),
        (None, Some(signal)) if ran.killed.is_none() => Some(format!("ended by signal {signal}")),
        _ => None,
    }
}

fn outcome(ran: &Ran) -> Outcome {
    let reason = match ran.killed {
        Some(KillReason::Oom { .. }) => "out_of_memory",
        Some(KillReason::Canceled) => "canceled",
        Some(KillReason::TimedOut) => "timeout",
        None => {
            return Outcome::Done {
                exit_code: ran.exit_code.or(ran.signal.map(|signal| 128 + signal)),
            };
        }
    };
    Outcome::Killed {
        reason: reason.to_owned(),
    }
}

/// All output that the sandbox kept, and a last line if it did not keep all.
async fn kept(sandbox: &dyn Sandbox, id: &str, ran: &Ran) -> Result<Vec<u8>, hands::Error> {
    let mut bytes = Vec::with_capacity(usize::try_from(ran.spooled_bytes).unwrap_or(0));
    loop {
        let part = sandbox.output(id, bytes.len() as u64).await?;
        if part.bytes.is_empty() {
            break;
        }
        bytes.extend_from_slice(&part.bytes);
    }
    if !ran.full_available() {
        let lost = ran.total_bytes.saturating_sub(bytes.len() as u64);
        bytes.extend_from_slice(format!("\n[… {lost} bytes were not kept …]\n").as_bytes());
    }
    Ok(bytes)
}

/// Stops the command, if it runs, and tells what came of it.
pub(super) async fn stopped(
    sandbox: &dyn Sandbox,
    open: &OpenCall,
    why: &str,
) -> Result<Done, hands::Error> {
    let id = exec_id(open);
    if sandbox.known(&id).await? == Known::Unknown {
        return Ok(Done::refused(format!("Not run: {why}.")));
    }
    sandbox.kill(&id).await?;
    let ended = tokio::time::timeout(GONE, sandbox.exec(Exec::shell(&id, ""), None)).await;
    let ran = ended.map_err(|_| hands::Error::Deadline("a killed command to be gone"))??;
    let mut done = finished(sandbox, &id, ran).await?;
    let ours = matches!(&done.outcome, Outcome::Killed { reason } if reason == "canceled");
    done.text = said_once(&done.text, why, ours);
    done.is_error = true;
    if let Outcome::Killed { reason } = &mut done.outcome {
        why.clone_into(reason);
    }
    Ok(done)
}

/// The text with why the command was stopped: in the place of the sandbox's own words
/// if it was stopped for that, since the sandbox knows only that it was told to.
fn said_once(text: &str, why: &str, ours: bool) -> String {
    match text.rsplit_once("[killed: canceled").filter(|_| ours) {
        Some((before, after)) => format!("{before}[stopped: {why}{after}"),
        None => format!("{text}\n[stopped: {why}]"),
    }
}
