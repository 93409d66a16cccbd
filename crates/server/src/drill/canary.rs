//! Canaries: proves on the user's own machine that no secret comes where it must
//! not be.
//!
//! Random values are given to a server of the drill as model keys and as secrets
//! of agents; sessions of each runtime use them and look for them; then every
//! place is searched for their bytes. A canary that did not arrive where it is
//! meant to would prove nothing, so that is looked at as well. What it may not
//! know: how the server keeps secrets. It looks at files, processes and answers.

mod host;
mod inside;
mod needles;
mod play;
mod report;
mod search;

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

pub use report::{Arrival, Canaries, Place};

use super::error::DrillError;
use super::provider::Provider;
use super::receiver::Receiver;
use super::scratch::Ground;
use super::stage::{Disk, Stage};
use crate::runtimes::Runtimes;
use host::Host;
use needles::{Canary, Needles};
use play::Play;

/// Runtimes that are tried, where they are installed.
const RUNTIMES: [&str; 3] = ["native", "claude", "codex"];
/// How long all sessions together may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Lets canaries fly and looks where they are.
///
/// # Errors
/// If the search cannot be held here. What it finds is in the report.
pub async fn canary(
    ground: &Ground,
    runtimes: PathBuf,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Canaries, DrillError> {
    let ground = Ground {
        // The embedded database is a file that can be searched whole.
        database_url: None,
        ..ground.clone()
    };
    let mut stage = Stage::set(&ground, Disk::Users).await?;
    let found = search(&mut stage, runtimes, tell).await;
    stage.clear().await;
    found
}

async fn search(
    stage: &mut Stage,
    runtimes: PathBuf,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Canaries, DrillError> {
    let installed = Runtimes::new(runtimes.clone());
    let (there, absent): (Vec<&str>, Vec<&str>) = RUNTIMES
        .into_iter()
        .partition(|name| *name == "native" || installed.find(name).is_ok());
    let provider = Provider::open().await?;
    let host = Host::open(&stage.dir().join("host.pem")).await?;
    let receiver = Receiver::open().await?;
    stage.launch(&options(&provider, &host, runtimes)).await?;
    let until = Instant::now() + PATIENCE;
    let mut plays = Vec::new();
    for runtime in there {
        tell(&format!("a session of runtime {runtime}"));
        let mut play = Play::new(stage.line(), runtime, &receiver.url, until);
        play.run(host.port).await?;
        plays.push(play);
    }
    tell("searching");
    let canaries: Vec<Canary> = plays.iter().flat_map(Play::canaries).cloned().collect();
    let needles = Needles::new(&canaries)?;
    let mut report = Canaries::new(&absent);
    let keys = provider.heard().await?;
    for play in &plays {
        report.arrived(&play.key, keys.contains(&play.key.value));
        report.arrived(&play.secret, host.was_given(&play.secret.value));
    }
    report.add(host.others(&needles));
    report.add(webhooks(&receiver, &plays, &needles));
    report.add(answers(stage, &plays, &needles, until).await?);
    report.add(play::metrics(&stage.line(), &needles, until).await?);
    let (folder, data) = (stage.dir().to_owned(), stage.data().to_owned());
    // It reads for seconds; whoever waits at the provider is answered meanwhile.
    let places = tokio::task::spawn_blocking(move || {
        let mut places = inside::look(&data, &needles);
        places.extend(search::folder(&folder, &data, &needles));
        places
    });
    let places = places.await;
    places
        .map_err(|error| DrillError::Tool(format!("the search broke off: {error}")))?
        .into_iter()
        .for_each(|place| report.add(place));
    report.close();
    Ok(report)
}

/// What was sent to a receiver of webhooks, heads and bodies, of every level. What
/// signs it is a canary too: it must come nowhere at all.
fn webhooks(receiver: &Receiver, plays: &[Play], needles: &Needles) -> Place {
    let mut place = Place::new("webhooks");
    let told = |play: &Play| !play.told(receiver);
    if plays.iter().any(told) {
        // What did not come cannot be searched.
        place.unread += 1;
    }
    place.search(needles, "webhooks", &receiver.raw());
    place
}

/// What the API tells about all that took part, at every level.
async fn answers(
    stage: &Stage,
    plays: &[Play],
    needles: &Needles,
    until: Instant,
) -> Result<Place, DrillError> {
    let mut place = Place::new("answers of the API and events");
    for play in plays {
        for path in play.paths() {
            let text = stage.line().text(&path, until).await;
            let text = text.ok_or_else(|| DrillError::Tool(format!("no answer to {path}")))?;
            place.search(needles, &path, text.as_bytes());
        }
    }
    Ok(place)
}

fn options(provider: &Provider, host: &Host, runtimes: PathBuf) -> Vec<(&'static str, String)> {
    let shown = |path: &std::path::Path| path.display().to_string();
    vec![
        ("OC_SANDBOX_DISK_MB", "64".to_owned()),
        ("OC_SANDBOX_WARM", "0".to_owned()),
        // What rests is to be found alive.
        ("OC_IDLE_TIMEOUT_SECONDS", "600".to_owned()),
        ("OC_ENGINE_IDLE_SECONDS", "600".to_owned()),
        ("OC_ALLOW_PRIVATE", "1".to_owned()),
        ("OC_EXTRA_ROOTS", shown(&host.roots)),
        (
            "OC_RUNTIMES",
            std::path::absolute(&runtimes).map_or_else(|_| shown(&runtimes), |path| shown(&path)),
        ),
        ("OC_ANTHROPIC_BASE_URL", provider.url.clone()),
        ("OC_OPENAI_BASE_URL", provider.url.clone()),
        // As talkative as anybody may set a server.
        ("OC_LOG", "debug".to_owned()),
    ]
}
