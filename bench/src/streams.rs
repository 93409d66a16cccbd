//! From an append to its delivery: to 1,000 followers of one session, and to
//! 1,000 sessions with a follower each; and what a follower costs in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::figures::{ms, percentile, plain, title};
use crate::server::{Frames, Server};

const FOLLOWERS: usize = 1000;
const ROUNDS: usize = 20;

pub async fn run() {
    title("streams");
    one_session().await;
    many_sessions().await;
}

async fn one_session() {
    let server = Arc::new(Server::start());
    let agent = server.agent("bench").await;
    let session = server.session(&agent, "hello").await;
    server
        .stream(&session, 0)
        .await
        .until("turn.completed")
        .await;
    let before = server.memory();
    let mut streams = open(&server, &vec![session.clone(); FOLLOWERS]).await;
    let each = server.memory().saturating_sub(before) / FOLLOWERS as u64;
    plain(
        "memory of a follower",
        &format!("{:.1} KiB", each as f64 / 1024.0),
        "≤ 32 KiB",
    );
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let words = format!("round-{round:04}");
        let began = Instant::now();
        server
            .post(
                &format!("/v3/sessions/{session}/messages"),
                &json!({ "text": words }),
            )
            .await;
        streams = delivered(streams, &words, began, &mut times).await;
    }
    plain(
        "append → 1,000 followers of one session, p99",
        &ms(percentile(&mut times, 99)),
        "figure",
    );
}

async fn many_sessions() {
    let server = Arc::new(Server::start());
    let agent = server.agent("bench").await;
    let mut sessions = Vec::new();
    for _ in 0..FOLLOWERS {
        sessions.push(server.session(&agent, "hello").await);
    }
    for session in &sessions {
        server
            .stream(session, 0)
            .await
            .until("turn.completed")
            .await;
    }
    let streams = open(&server, &sessions).await;
    let mut times = Vec::new();
    let mut tasks = JoinSet::new();
    for (mut stream, session) in streams.into_iter().zip(sessions) {
        let server = server.clone();
        tasks.spawn(async move {
            let path = format!("/v3/sessions/{session}/messages");
            let began = Instant::now();
            let body = json!({ "text": "one-each" });
            tokio::join!(server.post(&path, &body), stream.until("one-each"));
            began.elapsed()
        });
    }
    while let Some(time) = tasks.join_next().await {
        times.push(time.unwrap());
    }
    plain(
        "1,000 appends at once → own follower, p99",
        &ms(percentile(&mut times, 99)),
        "figure",
    );
}

async fn open(server: &Arc<Server>, sessions: &[String]) -> Vec<Frames> {
    let mut streams = Vec::new();
    for session in sessions {
        let mut stream = server.stream(session, 0).await;
        stream.until("turn.completed").await;
        streams.push(stream);
    }
    streams
}

async fn delivered(
    streams: Vec<Frames>,
    words: &str,
    began: Instant,
    times: &mut Vec<Duration>,
) -> Vec<Frames> {
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        let words = words.to_owned();
        tasks.spawn(async move {
            stream.until(&words).await;
            (stream, began.elapsed())
        });
    }
    let done = tasks.join_all().await;
    done.into_iter()
        .map(|(stream, time)| {
            times.push(time);
            stream
        })
        .collect()
}
