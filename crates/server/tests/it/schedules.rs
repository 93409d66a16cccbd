//! Schedules by the clock: each slot begins one session, whatever crashes, sleeps
//! or looks at it at once. A server's clock is set by where it begins
//! (`OC_DRILL_CLOCK=0:ms`), so that no test waits for a minute.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Server, script};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// How long before a full minute a server begins: enough to make a schedule.
const BEFORE: i64 = 3500;

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// The clock of a server that begins shortly before a full minute, and so many
/// milliseconds later than it is.
fn clock(later: i64) -> String {
    let to_minute = MINUTE - wall().rem_euclid(MINUTE);
    format!("0:{}", later + (to_minute - BEFORE).rem_euclid(MINUTE))
}

fn server(env: &[(&str, &str)]) -> Server {
    let clock = clock(0);
    let mut all = vec![("OC_DRILL_CLOCK", clock.as_str())];
    all.extend(env);
    Server::with(&all)
}

/// A schedule of every minute that plays this; its path.
async fn every_minute(server: &Server, more: Value) -> String {
    let agent = server.agent("minutely", "test/script").await;
    let path = format!("/v3/agents/{agent}/schedules");
    let mut body = json!({ "name": "every-minute", "cron": "* * * * *",
        "input": script(json!([{ "say": "done" }])) });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = server.post(&path, body).await;
    format!("{path}/{}", made["schedule"]["id"].as_str().unwrap())
}

async fn runs(server: &Server, schedule: &str) -> Vec<Value> {
    let page = server.get(&format!("{schedule}/runs")).await;
    page["runs"].as_array().unwrap().clone()
}

/// Waits until the schedule has so many runs; all of them, newest first.
async fn until_runs(server: &Server, schedule: &str, count: usize) -> Vec<Value> {
    let look = async {
        loop {
            let runs = runs(server, schedule).await;
            if runs.len() >= count {
                return runs;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let all = tokio::time::timeout(PATIENCE * 2, look).await;
    all.expect("it did not fire")
}

/// Each slot has one run, and each run that began a session has its own; the log
/// of each begins with who began it.
async fn once_each<S: AsRef<str>>(server: &Server, schedules: &[S]) {
    let (mut runs, mut slots) = (Vec::new(), BTreeSet::new());
    for schedule in schedules {
        for run in self::runs(server, schedule.as_ref()).await {
            slots.insert((schedule.as_ref(), run["scheduled_for"].to_string()));
            runs.push(run);
        }
    }
    assert_eq!(slots.len(), runs.len(), "{runs:?}");
    let begun: Vec<_> = runs
        .iter()
        .filter_map(|run| run["session_id"].as_str())
        .collect();
    let all = server.get("/v3/sessions?limit=100").await;
    let all = all["data"].as_array().unwrap();
    assert_eq!(all.len(), begun.len(), "{runs:?} {all:?}");
    for session in all {
        let run = runs
            .iter()
            .find(|run| run["session_id"] == session["id"])
            .unwrap();
        let told = &session["metadata"]["schedule"];
        assert_eq!(told["run_id"], run["id"]);
        assert_eq!(told["scheduled_for"], run["scheduled_for"]);
    }
}

#[tokio::test]
async fn a_slot_begins_a_session_when_it_is_due() {
    let server = server(&[]);
    let schedule = every_minute(&server, json!({})).await;
    let due = server.get(&schedule).await["schedule"]["next_fire_at"].clone();
    let runs = until_runs(&server, &schedule, 1).await;
    let run = runs.last().unwrap();
    assert_eq!(
        (&run["outcome"], &run["scheduled_for"]),
        (&json!("enacted"), &due)
    );
    let session = run["session_id"].as_str().unwrap();
    server.turn_end(session, 1).await;
    assert_eq!(server.result(session).await, "done");
    let first = &server.events(session).await[0];
    assert_eq!(first["actor"]["type"], "schedule");
    let after = server.get(&schedule).await["schedule"].clone();
    assert!(after["next_fire_at"].as_str() > due.as_str(), "{after}");
    assert!(after["last_fired_at"].as_str() >= run["fired_at"].as_str());
    once_each(&server, &[&schedule]).await;
}

#[tokio::test]
async fn what_was_missed_while_nobody_looked_is_one_slot() {
    let mut server = server(&[]);
    let schedule = every_minute(&server, json!({})).await;
    let due = server.get(&schedule).await["schedule"]["next_fire_at"].clone();
    server.kill9();
    server.set("OC_DRILL_CLOCK", &clock(9 * HOUR));
    server.launch();
    let runs = until_runs(&server, &schedule, 1).await;
    assert_eq!(runs.last().unwrap()["scheduled_for"], due);
    // The next one is a slot of now, and not of then.
    let runs = until_runs(&server, &schedule, 2).await;
    let next: jiff::Timestamp = runs[0]["scheduled_for"].as_str().unwrap().parse().unwrap();
    let due: jiff::Timestamp = due.as_str().unwrap().parse().unwrap();
    assert!(
        next.as_millisecond() - due.as_millisecond() >= 9 * HOUR,
        "{runs:?}"
    );
    once_each(&server, &[&schedule]).await;
}

#[tokio::test]
async fn a_crash_around_a_firing_leaves_each_slot_one_session() {
    for point in ["schedule.due:1", "schedule.fired:1"] {
        let mut server = server(&[("OC_DRILL_POINT", point)]);
        let schedule = every_minute(&server, json!({})).await;
        let due = server.get(&schedule).await["schedule"]["next_fire_at"].clone();
        server.died();
        server.disarm();
        // The clock goes on from where it was: the slot is over.
        server.set("OC_DRILL_CLOCK", &clock(MINUTE));
        server.launch();
        let runs = until_runs(&server, &schedule, 2).await;
        let of_it = runs.iter().filter(|run| run["scheduled_for"] == due);
        assert_eq!(of_it.count(), 1, "{point}: {runs:?}");
        let by_then = runs.last().unwrap();
        assert_eq!(by_then["scheduled_for"], due, "{point}");
        once_each(&server, &[&schedule]).await;
        for run in runs {
            server
                .turn_end(run["session_id"].as_str().unwrap(), 1)
                .await;
        }
    }
}

#[tokio::test]
async fn a_slot_passes_while_the_session_before_still_works_unless_it_may() {
    for (overlap, outcome) in [("skip", "skipped"), ("allow", "enacted")] {
        let server = server(&[]);
        let long = json!([{ "say": "a b", "chunks": 2, "chunk_ms": 60_000 }]);
        let more = json!({ "overlap": overlap, "input": script(long) });
        let schedule = every_minute(&server, more).await;
        let by_hand = server.post(&format!("{schedule}/fire"), json!({})).await;
        assert_eq!(by_hand["run"]["outcome"], "enacted");
        let runs = until_runs(&server, &schedule, 2).await;
        assert_eq!(runs[0]["outcome"], outcome, "{runs:?}");
        assert_eq!(runs[0]["session_id"].is_null(), overlap == "skip");
        let now = server.get(&schedule).await["schedule"].clone();
        assert_eq!(
            (&now["state"], &now["consecutive_failures"]),
            (&json!("active"), &json!(0))
        );
        once_each(&server, &[&schedule]).await;
    }
}

#[tokio::test]
async fn five_slots_in_vain_pause_it_and_to_go_on_begins_anew() {
    let mut server = server(&[]);
    let agent = server.agent("keyless", "anthropic/claude-opus-4-8").await;
    let path = format!("/v3/agents/{agent}/schedules");
    let body = json!({ "name": "a", "cron": "* * * * *", "input": "x" });
    let made = server.post(&path, body).await;
    let schedule = format!("{path}/{}", made["schedule"]["id"].as_str().unwrap());
    for n in 1..=5 {
        server.kill9();
        server.set("OC_DRILL_CLOCK", &clock(n * HOUR));
        server.launch();
        let runs = until_runs(&server, &schedule, usize::try_from(n).unwrap()).await;
        assert_eq!(runs[0]["outcome"], "failed", "{runs:?}");
    }
    let paused = server.get(&schedule).await["schedule"].clone();
    assert_eq!(paused["state"], "auto_paused", "{paused}");
    assert_eq!(paused["waiting_on"], Value::Null);
    let runs = runs(&server, &schedule).await;
    assert_eq!(paused["last_error"], runs[0]["error"]);
    let (_, back) = server
        .send(Method::PATCH, &schedule, Some(json!({ "paused": false })))
        .await;
    let back = &back["schedule"];
    assert_eq!(
        (&back["state"], &back["consecutive_failures"]),
        (&json!("active"), &json!(0))
    );
}

#[tokio::test]
async fn two_nodes_begin_one_session_for_a_slot() {
    let database = store::testing::database();
    let one = server(&[("OC_DATABASE_URL", database.as_str())]);
    let folder = tempfile::tempdir().unwrap();
    let key = "master.key";
    std::fs::copy(one.data.path().join(key), folder.path().join(key)).unwrap();
    let clock = clock(0);
    let env = [
        ("OC_DATABASE_URL", database.as_str()),
        ("OC_DRILL_CLOCK", clock.as_str()),
    ];
    let two = Server::on(folder, &env);
    // Many at the same moment, instead of one at many moments.
    let mut schedules = Vec::new();
    for n in 0..8 {
        let name = json!({ "name": format!("every-minute-{n}") });
        schedules.push(every_minute(&two, name).await);
    }
    for schedule in &schedules {
        let runs = until_runs(&one, schedule, 1).await;
        assert_eq!(runs[0]["outcome"], "enacted", "{runs:?}");
    }
    once_each(&two, &schedules).await;
}

#[tokio::test]
async fn a_clock_that_jumps_neither_fires_twice_nor_forgets() {
    for by in [HOUR, -HOUR] {
        let jumps = format!("{},1000:{by}", clock(0));
        let server = Server::with(&[("OC_DRILL_CLOCK", jumps.as_str())]);
        let schedule = every_minute(&server, json!({})).await;
        let due = server.get(&schedule).await["schedule"]["next_fire_at"].clone();
        let runs = until_runs(&server, &schedule, 1).await;
        assert_eq!(runs.last().unwrap()["scheduled_for"], due, "{by}");
        once_each(&server, &[&schedule]).await;
    }
}

#[tokio::test]
async fn sessions_of_a_schedule_stay_within_its_caps_together_and_so_do_their_forks() {
    const CAP: u64 = 200;
    let server = Server::start();
    let agent = server.agent("spender", "test/script").await;
    let path = format!("/v3/agents/{agent}/schedules");
    let step =
        |n| json!({ "call": [{ "tool": "bash", "args": { "command": format!("echo {n}") } }] });
    let input = script((0..10).map(step).collect());
    let body = json!({ "name": "a", "cron": "0 0 1 1 *", "input": input, "overlap": "allow",
        "caps": { "tokens_per_day": CAP } });
    let made = server.post(&path, body).await;
    let schedule = format!("{path}/{}", made["schedule"]["id"].as_str().unwrap());
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let fired = server.post(&format!("{schedule}/fire"), json!({})).await;
        sessions.push(fired["run"]["session_id"].as_str().unwrap().to_owned());
    }
    let mut all = 0;
    for session in &sessions {
        server.turn_end(session, 1).await;
        all += used(&server, session).await;
    }
    assert!(all <= CAP && all * 100 >= CAP * 95, "{all} of {CAP}");
    // A fork does not walk out of them, a session of nobody's is not under them.
    let path = format!("/v3/sessions/{}/fork", sessions[0]);
    let fork = server.post(&path, json!({ "input": "go on" })).await;
    let fork = fork["session"]["id"].as_str().unwrap().to_owned();
    let end = server
        .until(&fork, |event| {
            event["type"] == "turn.completed" && event["session"] == fork.as_str()
        })
        .await;
    assert_eq!(end["body"]["yield_reason"], "budget_exceeded", "{end}");
    let free = server
        .session(&agent, &script(json!([{ "say": "hi" }])))
        .await;
    assert_eq!(
        server.turn_end(&free, 1).await["body"]["yield_reason"],
        "completed"
    );
    // Raised, they go on.
    let raise = json!({ "caps": { "tokens_per_day": 10 * CAP } });
    server.send(Method::PATCH, &schedule, Some(raise)).await;
    server.say(&sessions[0], "go on").await;
    let end = server.turn_end(&sessions[0], 2).await;
    assert_eq!(end["body"]["yield_reason"], "completed", "{end}");
}

/// Tokens that the answers of a session reported.
async fn used(server: &Server, session: &str) -> u64 {
    let events = server.events(session).await;
    let answers = events.iter().filter(|e| e["type"] == "model.completed");
    let usage = answers.map(|e| &e["body"]["usage"]);
    let parts = usage.flat_map(|usage| usage.as_object().unwrap().values());
    parts.filter_map(Value::as_u64).sum()
}
