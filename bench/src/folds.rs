//! What a long log costs: a fork of it, the first thought after a restart, and
//! one session woken among many that sleep.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use store::{Append, Checkpoint, LeaseChange, Projection, Store};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::figures::{ms, percentile, plain, row, title};
use crate::server::Server;
use crate::turns::Disk;
use crate::{appends, history};

const LENGTHS: [usize; 3] = [1_000, 10_000, 100_000];
const SHORT: usize = 100;
const FORKS: usize = 50;
const THOUGHTS: usize = 20;
const ASLEEP: usize = 100_000;
const WAKES: usize = 5;

pub async fn run() {
    let data = tempfile::tempdir_in(".").unwrap();
    let (store, org) = history::open(data.path()).await;
    let mut made = Vec::new();
    for facts in [SHORT].into_iter().chain(LENGTHS) {
        made.push(history::session(&store, &org, facts).await);
    }
    store.close().await;
    drop(store);
    let mut server = Server::on(data);
    thoughts(&mut server, &made[0], &made[3]).await;
    forks(&server, &made[1..]).await;
    drop(server);
    wakes().await;
}

async fn forks(server: &Server, sessions: &[String]) {
    title("a fork, against the length of the log it is made of");
    let path = format!("/v3/sessions/{}/fork", sessions[0]);
    if server.is_missing(&path).await {
        plain("this server has no forks", "–", "flat: 1");
        return;
    }
    let disk = Disk::new(server.data.path());
    let mut first = Duration::ZERO;
    for (session, facts) in sessions.iter().zip(LENGTHS) {
        let path = format!("/v3/sessions/{session}/fork");
        let (mut forks, mut commits) = (Vec::new(), Vec::new());
        for number in 0..FORKS + 5 {
            let began = Instant::now();
            server.post(&path, &json!({})).await;
            let took = began.elapsed();
            let commit = disk.commit();
            if number >= 5 {
                forks.push(took);
                commits.push(commit);
            }
        }
        let time = percentile(&mut forks, 50);
        if first.is_zero() {
            first = time;
        }
        let commit = percentile(&mut commits, 50);
        let what = format!("{facts} facts, p50 (a commit takes {})", ms(commit));
        let ratio = time.as_secs_f64() / first.as_secs_f64();
        row(
            &what,
            &ms(time),
            &format!("{} at 1,000", ms(first)),
            ratio,
            "flat: 1",
        );
    }
}

/// From a message to the end of the turn it begins, without tools.
async fn thoughts(server: &mut Server, short: &str, long: &str) {
    title("a message to a session of 100,000 facts, beside one of 100");
    for (what, cold) in [("just after a start", true), ("again", false)] {
        let times = [
            thought(server, short, cold).await,
            thought(server, long, cold).await,
        ];
        let [short, long] = times.map(|mut samples| percentile(&mut samples, 50));
        let ratio = long.as_secs_f64() / short.as_secs_f64();
        let what = format!("message → turn.completed, {what}");
        row(
            &what,
            &ms(long),
            &format!("{} at 100", ms(short)),
            ratio,
            "flat: 1",
        );
    }
}

async fn thought(server: &mut Server, session: &str, cold: bool) -> Vec<Duration> {
    let mut samples = Vec::new();
    for _ in 0..if cold { 5 } else { THOUGHTS } {
        if cold {
            server.crash();
            server.listens();
            // The connection and the tables are warm in both cases.
            server.get("/v3/sessions?limit=1").await;
        }
        let head = server.get(&format!("/v3/sessions/{session}")).await["head"]
            .as_u64()
            .unwrap();
        let mut stream = server.stream(session, head).await;
        let began = Instant::now();
        server.say(session, "And now?").await;
        stream.until("turn.completed").await;
        samples.push(began.elapsed());
    }
    samples
}

/// A session that sleeps is woken by a tool call: alone, and among many.
async fn wakes() {
    title("a hibernated session woken by a tool call, among 100,000 that sleep");
    let (alone, _, empty) = wake(tempfile::tempdir_in(".").unwrap()).await;
    let data = tempfile::tempdir_in(".").unwrap();
    let (store, org) = history::open(data.path()).await;
    let mut tasks = JoinSet::new();
    for part in 0..64 {
        let (store, org) = (store.clone(), org.clone());
        tasks.spawn(async move {
            for n in (part..ASLEEP).step_by(64) {
                asleep(&store, &org, n).await;
            }
        });
    }
    tasks.join_all().await;
    store.close().await;
    drop(store);
    let (among, woken, full) = wake(data).await;
    let ratio = among.as_secs_f64() / alone.as_secs_f64();
    row(
        "message → first command done",
        &ms(among),
        &format!("{} alone", ms(alone)),
        ratio,
        "1",
    );
    plain("times it was woken", &woken.to_string(), &WAKES.to_string());
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let figure = format!("{:.1} MiB ({:+.1} MiB)", mib(full), mib(full) - mib(empty));
    plain("memory of the server beside them", &figure, "no growth");
}

/// A session at rest whose sandbox is hibernated, as its log tells.
async fn asleep(store: &Store, org: &str, n: usize) {
    appends::session(store, org, n).await;
    let (session, at) = (appends::id(n), session::Millis(1));
    let before = store.session(org, &session).await.unwrap();
    let state: session::State = serde_json::from_value(idle(before.head)).unwrap();
    let id = format!("ckp_{n:024x}");
    let made = session::fact::Checkpoint {
        id: id.clone(),
        why: "idle".into(),
        seq: before.head,
        files: 3,
        bytes: 300,
        added: 300,
    };
    let frozen = appends::frozen();
    let decide = |state: &session::State, command| {
        session::decide(&session, &frozen, state, command, at).unwrap()
    };
    let kept = decide(&state, session::Command::Checkpointed(made));
    let slept = decide(&kept.state, session::Command::Hibernated(id.clone()));
    let mut project = Projection::of(&frozen, &state, &slept.state, at);
    // Nothing is to drive it.
    project.due = None;
    project.status = "idle".into();
    let checkpoint = Checkpoint {
        id,
        session: session.clone(),
        seq: before.head,
        at,
        manifest: "manifest".into(),
        packs: vec![],
        files: 3,
        bytes: 300,
        added: 300,
        damaged: None,
    };
    let append = Append {
        session: &session,
        head: before.head,
        epoch: None,
        at,
        drafts: [kept.drafts, slept.drafts].concat(),
        project,
        lease: LeaseChange::Keep,
        dedupe: None,
        settle: None,
        checkpoint: Some(checkpoint),
    };
    store.append(append).await.unwrap();
}

/// The state of a session that waits for nothing.
fn idle(head: u64) -> Value {
    let mut state = serde_json::to_value(session::State::default()).unwrap();
    state["head"] = head.into();
    state["input_cursor"] = head.into();
    state
}

/// Wakes one session again and again; the median time, how often it really had
/// been asleep, and the server's memory before.
async fn wake(data: TempDir) -> (Duration, usize, u64) {
    let server = Server::with(data, &[("OC_IDLE_TIMEOUT_SECONDS", "1")]);
    let agent = server.agent("bench").await;
    let memory = server.memory();
    let call = |n: usize| {
        let command = format!("echo {n} >> log.txt; wc -l < log.txt");
        let steps = json!([{ "call": [{ "tool": "bash", "args": { "command": command } }] }, { "say": "{{last_result}}" }]);
        format!("Bench {n}.\n@steps\n{steps}")
    };
    let session = server.session(&agent, &call(0)).await;
    let mut stream = server.stream(&session, 0).await;
    stream.until("turn.completed").await;
    let (mut samples, mut woken) = (Vec::new(), 0);
    for n in 1..=WAKES {
        stream.until("sandbox.hibernated").await;
        let began = Instant::now();
        server.say(&session, &call(n)).await;
        stream.until("exec.completed").await;
        samples.push(began.elapsed());
        stream.until("turn.completed").await;
        let result = server
            .get(&format!("/v3/sessions/{session}/events?limit=500"))
            .await;
        // Behind the word that the sandbox was woken.
        let lines = format!("\\n{}\"", n + 1);
        woken += usize::from(result.to_string().contains(&lines));
    }
    (percentile(&mut samples, 50), woken, memory)
}
