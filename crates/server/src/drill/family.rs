//! A run about families: a session is forked while it works, another is erased in
//! the middle of a turn, and the server is killed while it takes away what was
//! erased. What is left must be what the answers said: the fork has the same
//! beginning and the files it named, and of the erased one there is nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::cast::{self, Part};
use super::error::DrillError;
use super::judge::{Counts, left};
use super::line::{Line, seq};
use super::plan::Trial;
use super::player::{Player, wish};
use super::reader::Sight;
use super::receiver::Receiver;
use super::stage::Stage;
use super::trial::Outcome;
use crate::points;

/// How long until everybody rests.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a moment of the run is waited for.
const MOMENT: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What is wrong, in words.
type Words = Vec<String>;

/// Holds the run.
pub(super) async fn run(stage: &mut Stage, trial: &Trial) -> Result<Outcome, DrillError> {
    let armed = [(points::VARIABLE, "erase.events:1".to_owned())];
    stage.launch(&armed).await?;
    let agent = stage.agent().await?;
    let until = Instant::now() + PATIENCE;
    let [Some(works), Some(goes)] = [0, 1].map(|n| trial.cast.get(n).cloned()) else {
        return Err(DrillError::Tool("the run has no sessions".to_owned()));
    };
    let receiver = Receiver::open().await?;
    let hook = receiver.url.clone();
    let line = stage.line();
    let (from, gone) = (
        start(&line, wish(&agent, &hook, &works), &works, until).await,
        start(&line, wish(&agent, &hook, &goes), &goes, until).await,
    );
    let all = watch::Sender::new(0);
    let mut player = Player::new(line.clone(), &agent, &hook, works.clone(), all, until);
    let sight = player.sight.clone();
    let after = usize::try_from(trial.at).unwrap_or(1) + 1;
    let (forked, (), reached, ()) = tokio::join!(
        fork(&line, &from, (&sight, after), until),
        erase(&line, &gone, until),
        killed(stage),
        player.play(),
    );
    let reached = reached?;
    let mut words = player.told.refused.clone();
    match forked {
        Some(fork) => words.extend(same(&line, &from, &fork, &works, until).await),
        None => words.push(format!("{from} could not be forked")),
    }
    words.extend(nothing(&line, &gone, until).await);
    let counts = Counts {
        lost: words.len() as u64,
        ..Counts::default()
    };
    let named = |words| ("family".to_owned(), words);
    Ok(Outcome {
        number: trial.number,
        fault: trial.fault,
        at: trial.at,
        reached: reached.is_some(),
        counts,
        recovered: reached,
        findings: words.into_iter().map(named).collect(),
    })
}

/// Starts a session; the player starts it again by the same key, and finds it.
async fn start(line: &Line, body: Value, part: &Part, until: Instant) -> String {
    let key = format!("start {}", part.name);
    let asked = line.ask(Method::POST, "/v3/sessions", Some(body), Some(&key), until);
    let made = asked.await.map(|made| made.value).unwrap_or_default();
    let id = made["session"]["id"].as_str();
    id.unwrap_or_default().to_owned()
}

/// Forks a session when so many of its events were seen; the fork.
async fn fork(
    line: &Line,
    from: &str,
    (sight, after): (&Sight, usize),
    until: Instant,
) -> Option<String> {
    let _ = timeout(MOMENT, sight.reached(after)).await;
    let path = format!("/v3/sessions/{from}/fork");
    // The same, however often it is asked for.
    let key = format!("fork {from}");
    let asked = line.ask(Method::POST, &path, Some(json!({})), Some(&key), until);
    let made = asked.await.filter(|made| made.status < 300)?;
    made.value["session"]["id"].as_str().map(str::to_owned)
}

/// Erases a session while its turn runs.
async fn erase(line: &Line, session: &str, until: Instant) {
    let path = format!("/v3/sessions/{session}");
    while line
        .get(&path, until)
        .await
        .is_some_and(|now| now["head"].as_u64() < Some(4))
    {
        sleep(LOOK).await;
    }
    // Asked for again after the crash, it is not there any more: that is as good.
    let _ = line.ask(Method::DELETE, &path, None, None, until).await;
}

/// Waits until the server killed itself, and starts another; how long that took.
async fn killed(stage: &mut Stage) -> Result<Option<Duration>, DrillError> {
    let Some(child) = &mut stage.child else {
        return Ok(None);
    };
    if timeout(PATIENCE, child.ended()).await.is_err() {
        return Ok(None);
    }
    let at = Instant::now();
    stage.launch(&[]).await?;
    Ok(Some(at.elapsed()))
}

/// What of a fork is not as it was where it began.
async fn same(line: &Line, from: &str, fork: &str, part: &Part, until: Instant) -> Words {
    let body = json!({ "text": cast::reading() });
    let path = format!("/v3/sessions/{fork}/messages");
    line.ask(Method::POST, &path, Some(body), Some("read"), until)
        .await;
    let resting = format!("/v3/sessions/{fork}");
    while Instant::now() < until
        && line
            .get(&resting, until)
            .await
            .is_some_and(|now| now["status"] != "idle")
    {
        sleep(LOOK).await;
    }
    let (Some(whole), Some(own)) = (line.log(from, until).await, line.log(fork, until).await)
    else {
        return vec![format!("the logs of {from} and {fork} cannot be read")];
    };
    compare(&whole, &own, &part.marks)
}

/// Compares a log with that of its fork, and the files the fork has with those
/// it says it has.
fn compare(whole: &[Value], own: &[Value], marks: &[String]) -> Words {
    let is = |event: &&Value| event["type"] == "session.forked";
    let Some(forked) = own.iter().find(is) else {
        return vec!["a fork does not say that it is one".to_owned()];
    };
    let at = forked["body"]["at_seq"].as_u64().unwrap_or(0);
    let mut words = Words::new();
    let shared = |log: &[Value]| -> Vec<Value> {
        let shown = |event: &Value| json!([event["id"], event["type"], event["body"]]);
        log.iter()
            .filter(|event| seq(event) <= at)
            .map(shown)
            .collect()
    };
    if shared(whole) != shared(own) {
        words.push(format!("a fork at {at} has another beginning"));
    }
    let as_of = forked["body"]["checkpoint"]["seq"].as_u64().unwrap_or(0);
    let Some(left) = left(own) else {
        words.push("the marks of a fork could not be read back".to_owned());
        return words;
    };
    for mark in marks {
        let about = |event: &&Value| {
            let text = event["body"]["args_summary"].as_str().unwrap_or_default();
            event["type"] == "tool.call" && text.contains(&format!("echo {mark} >>"))
        };
        let Some(call) = whole.iter().find(about) else {
            continue;
        };
        let done = whole.iter().find(|event| {
            seq(event) > seq(call)
                && event["type"] == "exec.completed"
                && event["body"]["call_id"] == call["body"]["call_id"]
        });
        // What the fork was told and had not begun, it does itself.
        let again = own
            .iter()
            .filter(|event| seq(event) > at)
            .filter(about)
            .count();
        let times = left.iter().filter(|line| *line == mark).count();
        let there = done.is_some_and(|done| seq(done) <= as_of);
        if there && !(1..=1 + again).contains(&times) {
            words.push(format!(
                "mark {mark} is {times} times in a fork whose files are of {as_of}"
            ));
        }
        if seq(call) > at && times > again {
            words.push(format!(
                "mark {mark} is in a fork that began before it, at {at}"
            ));
        }
    }
    words
}

/// What is left of an erased session.
async fn nothing(line: &Line, session: &str, until: Instant) -> Words {
    let mut words = Words::new();
    for path in ["", "/events", "/checkpoints"] {
        let path = format!("/v3/sessions/{session}{path}");
        let asked = line.ask(Method::GET, &path, None, None, until).await;
        let status = asked.map(|answer| answer.status);
        if status != Some(404) {
            words.push(format!("{path} of an erased session answers {status:?}"));
        }
    }
    loop {
        let page = line.text("/metrics", until).await.unwrap_or_default();
        if page.lines().any(|line| line == "oc_store_unburied 0") {
            return words;
        }
        if Instant::now() >= until {
            words.push("what was erased is not taken away".to_owned());
            return words;
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::cast::READ;
    use crate::drill::judge::tests::log;

    fn whole() -> Vec<Value> {
        let call = json!({ "call_id": "c", "args_summary": "echo m1 >> marks" });
        let done = json!({ "call_id": "c", "exit_code": 0 });
        log(&[
            ("user.message", json!({})),
            ("tool.call", call),
            ("exec.completed", done),
        ])
    }

    fn fork(at: usize, as_of: u64, marks: &str) -> Vec<Value> {
        let mut own: Vec<Value> = whole().into_iter().take(at).collect();
        let body = json!({ "at_seq": at, "checkpoint": { "seq": as_of } });
        let output = format!("the marks:\n{marks}");
        let read = json!({ "command": READ, "output": output });
        for (kind, body) in [("session.forked", body), ("exec.completed", read)] {
            own.push(json!({ "seq": own.len() + 1, "type": kind, "body": body }));
        }
        own
    }

    #[test]
    fn a_fork_has_the_same_beginning_and_the_files_it_names() {
        let marks = ["m1".to_owned()];
        let wrong = |own: &[Value]| compare(&whole(), own, &marks).len();
        assert_eq!(wrong(&fork(3, 3, "m1\n")), 0);
        assert_eq!(wrong(&fork(3, 1, "")), 0);
        assert_eq!(wrong(&fork(3, 3, "")), 1, "its file is gone");
        assert_eq!(
            wrong(&fork(3, 1, "m1\n")),
            0,
            "later effects may be in them"
        );
        assert_eq!(wrong(&fork(1, 1, "m1\n")), 1, "of a later moment");
        let mut other = fork(3, 3, "m1\n");
        other[0]["body"] = json!({ "text": "x" });
        assert_eq!(wrong(&other), 1, "another beginning");
        assert_eq!(wrong(&whole()), 1, "no fork");
    }
}
