//! One run: sessions at work, a blow, their rest, and what is left of it all.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde_json::Value;
use session::Millis;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::blow::{self, Blow};
use super::error::DrillError;
use super::fault::Fault;
use super::judge::{Counts, Evidence, judge};
use super::plan::Trial;
use super::player::Player;
use super::receiver::Receiver;
use super::stage::Stage;
use crate::clock;

/// How long a run may take until its sessions rest.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the reading back may take after that.
const READING: Duration = Duration::from_secs(30);

/// How long the last webhooks may take after that.
const DELIVERING: Duration = Duration::from_secs(20);

/// What a run showed.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) number: u32,
    pub(super) fault: Fault,
    pub(super) at: u64,
    /// Whether its moment came.
    pub(super) reached: bool,
    pub(super) counts: Counts,
    /// From the blow until the last of the sessions it interrupted moved again.
    pub(super) recovered: Option<Duration>,
    /// Session, and what is wrong with it.
    pub(super) findings: Vec<(String, String)>,
}

/// Holds the run.
pub(super) async fn run(stage: &mut Stage, trial: &Trial) -> Result<Outcome, DrillError> {
    stage.launch(&trial.armed()).await?;
    let agent = stage.agent().await?;
    let receiver = Receiver::open().await?;
    let until = Instant::now() + PATIENCE;
    let all = watch::Sender::new(0);
    let mut players: Vec<Player> = trial
        .cast
        .iter()
        .map(|part| {
            let line = stage.line();
            Player::new(
                line,
                &agent,
                &receiver.url,
                part.clone(),
                all.clone(),
                until,
            )
        })
        .collect();
    let ended = CancellationToken::new();
    let play = async {
        join_all(players.iter_mut().map(Player::play)).await;
        ended.cancel();
    };
    let strike = blow::strike(stage, trial, all.subscribe(), &ended);
    let ((), blow) = tokio::join!(play, strike);
    let blow = blow?;
    let reading = Instant::now() + READING;
    join_all(players.iter_mut().map(|player| player.read_back(reading))).await;
    let spared = trial.fault.spares_sandboxes(stage.database().is_some());
    Ok(outcome(trial, &players, &receiver, blow.as_ref(), spared).await)
}

async fn outcome(
    trial: &Trial,
    players: &[Player],
    receiver: &Receiver,
    blow: Option<&Blow>,
    spared: bool,
) -> Outcome {
    let mut counts = Counts::default();
    let mut findings = Vec::new();
    if let Some(odd) = blow.and_then(|blow| blow.odd.clone()) {
        counts.stuck += 1;
        findings.push(("server".to_owned(), odd));
    }
    for player in players {
        let (log, seen, due) = player.compared().await;
        let session = player.told.session.as_deref().unwrap_or(&player.part.name);
        let head = log.as_ref().map_or(0, |log| log.len() as u64);
        let until = Instant::now() + DELIVERING;
        receiver.came(session, head, until).await;
        let judged = judge(&Evidence {
            part: &player.part,
            told: &player.told,
            seen: &seen,
            letters: &receiver.of(session),
            log: log.as_deref(),
            due,
            fault: trial.fault,
            spared,
        });
        counts.add(&judged.counts);
        findings.extend(
            judged
                .words
                .into_iter()
                .map(|words| (session.to_owned(), words)),
        );
    }
    Outcome {
        number: trial.number,
        fault: trial.fault,
        at: trial.at,
        reached: blow.is_some(),
        counts,
        recovered: blow.and_then(|blow| taken_over(players, blow).or(recovered(players, blow))),
        findings,
    }
}

/// How long it took until the last of the interrupted sessions moved again.
fn recovered(players: &[Player], blow: &Blow) -> Option<Duration> {
    let moved = |player: &Player| {
        let seen = player.seen();
        let before = seen.iter().rev().find(|seen| seen.at < blow.at)?;
        let at_rest = before.event["type"] == "turn.completed";
        let next = seen.iter().find(|seen| seen.at >= blow.over)?;
        (!at_rest).then(|| next.at.duration_since(blow.over))
    };
    players.iter().filter_map(moved).max()
}

/// How long it took until another node had taken up the last session of the one
/// that was struck, by the log: those who watch the struck one see it late.
fn taken_over(players: &[Player], blow: &Blow) -> Option<Duration> {
    let wall = clock::now().plus(-i64::try_from(blow.at.elapsed().as_millis()).ok()?);
    let mut longest = None;
    for seen in players.iter().flat_map(Player::seen) {
        if let Some(at) = taken_over_at(&seen.event) {
            longest = longest.max(u64::try_from(at.since(wall)).ok());
        }
    }
    longest.map(Duration::from_millis)
}

/// When another node took the session over, if that is what the event tells.
fn taken_over_at(event: &Value) -> Option<Millis> {
    let told = event["type"] == "session.recovered" && event["body"]["reason"] == "lease_expired";
    let at: Timestamp = event["created_at"]
        .as_str()
        .filter(|_| told)?
        .parse()
        .ok()?;
    Some(Millis(at.as_millisecond()))
}

impl Outcome {
    /// One line on how it went.
    pub(super) fn line(&self, of: usize) -> String {
        let how = match (self.reached, self.counts.kept()) {
            (_, false) => "BROKEN",
            (false, true) => "not reached",
            (true, true) => "kept",
        };
        format!(
            "run {} of {of}: {} at {}: {how}",
            self.number,
            self.fault.name(),
            self.at
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_lease_that_ran_out_is_a_takeover() {
        let event = |kind: &str, reason: &str| json!({ "type": kind, "body": { "reason": reason }, "created_at": "1970-01-01T00:00:01.500Z" });
        let taken = event("session.recovered", "lease_expired");
        assert_eq!(taken_over_at(&taken), Some(Millis(1500)));
        let others = [
            ("session.recovered", "restarted"),
            ("turn.started", "lease_expired"),
        ];
        for (kind, reason) in others {
            assert_eq!(taken_over_at(&event(kind, reason)), None);
        }
    }
}
