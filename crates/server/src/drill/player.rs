//! One session of a run, from the outside: it is started, spoken to, followed,
//! waited for, and at the end asked for its marks. Every request is made again
//! until it is answered; what was answered is what must not be lost.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::cast::{self, Note, Part};
use super::line::Line;
use super::reader::{self, Seen, Sight};

/// Between two looks at a session that should come to rest.
const LOOK: Duration = Duration::from_millis(40);

/// A session at play.
pub(super) struct Player {
    line: Line,
    agent: String,
    /// Where the receiver of webhooks is.
    hook: String,
    until: Instant,
    pub(super) part: Part,
    pub(super) sight: Sight,
    pub(super) told: Told,
    reading: JoinSet<()>,
}

/// What the server acknowledged.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The session, once its start was answered.
    pub(super) session: Option<String>,
    /// Texts of inputs whose receipt was acknowledged.
    pub(super) said: Vec<String>,
    /// What was refused, or not answered in time.
    pub(super) refused: Vec<String>,
}

impl Player {
    pub(super) fn new(
        line: Line,
        agent: &str,
        hook: &str,
        part: Part,
        all: watch::Sender<u64>,
        until: Instant,
    ) -> Self {
        Self {
            line,
            agent: agent.to_owned(),
            hook: hook.to_owned(),
            until,
            part,
            sight: Sight::new(all),
            told: Told::default(),
            reading: JoinSet::new(),
        }
    }

    /// Starts the session, says what is to be said, and waits for its rest.
    pub(super) async fn play(&mut self) {
        let Some(session) = self.start().await else {
            return;
        };
        let reading = reader::read(self.line.clone(), session.clone(), self.sight.clone());
        self.reading.spawn(reading);
        let notes = self.part.notes.clone();
        for (number, note) in notes.iter().enumerate() {
            self.note(&session, number, note).await;
        }
        self.rest(&session).await;
    }

    async fn start(&mut self) -> Option<String> {
        let body = wish(&self.agent, &self.hook, &self.part);
        let key = format!("start {}", self.part.name);
        let made = self.post("/v3/sessions", body, &key).await?;
        let session = made["session"]["id"].as_str()?.to_owned();
        self.told.session = Some(session.clone());
        self.told.said.push(self.part.input.clone());
        Some(session)
    }

    /// Says something on the way, at the latest when the session rests.
    async fn note(&mut self, session: &str, number: usize, note: &Note) {
        let patience = Duration::from_secs(5);
        let _ = tokio::time::timeout(patience, self.sight.reached(note.after)).await;
        let key = format!("{} {number}", self.part.name);
        self.say(session, &note.text, &key).await;
    }

    async fn say(&mut self, session: &str, text: &str, key: &str) {
        let body = json!({ "text": text, "idempotency_key": key });
        let path = format!("/v3/sessions/{session}/messages");
        if self.post(&path, body, key).await.is_some() {
            self.told.said.push(text.to_owned());
        }
    }

    async fn post(&mut self, path: &str, body: Value, key: &str) -> Option<Value> {
        let asked = self
            .line
            .ask(Method::POST, path, Some(body), Some(key), self.until)
            .await;
        match asked {
            Some(answer) if answer.status < 300 => Some(answer.value),
            Some(answer) => {
                let why = format!("POST {path}: {} {}", answer.status, answer.value);
                self.told.refused.push(why);
                None
            }
            None => {
                self.told
                    .refused
                    .push(format!("POST {path}: no answer in time"));
                None
            }
        }
    }

    /// Waits until nothing is due any more and the reader saw the end.
    async fn rest(&mut self, session: &str) {
        let path = format!("/v3/sessions/{session}");
        let mut idle = None;
        while Instant::now() < self.until {
            let asked = self
                .line
                .ask(Method::GET, &path, None, None, self.until)
                .await;
            let Some(now) = asked else { break };
            if now.status != 200 {
                let why = format!("GET {path}: {} {}", now.status, now.value);
                return self.told.refused.push(why);
            }
            let status = now.value["status"].as_str();
            if matches!(status, Some("idle" | "awaiting_input" | "failed")) {
                let since = *idle.get_or_insert_with(Instant::now);
                let seen = now.value["head"].as_u64() <= Some(self.sight.head());
                // A reader that misses the end for good is a finding, no wait.
                if seen || since.elapsed() > Duration::from_secs(3) {
                    return;
                }
            } else {
                idle = None;
            }
            sleep(LOOK).await;
        }
        let why = format!("{session} did not come to rest");
        self.told.refused.push(why);
    }

    /// Lets the agent read its marks back.
    pub(super) async fn read_back(&mut self, until: Instant) {
        self.until = until;
        let Some(session) = self.told.session.clone() else {
            return;
        };
        if self.part.cap.is_none() {
            let key = format!("{} read", self.part.name);
            self.say(&session, &cast::reading(), &key).await;
            self.rest(&session).await;
        }
    }

    /// The whole log as it is now, what the live reader saw of it, and up to
    /// which number it had the time to.
    pub(super) async fn compared(&self) -> (Option<Vec<Value>>, Vec<Seen>, u64) {
        const TIME: Duration = Duration::from_secs(3);
        let due = self.log().await.map_or(0, |log| log.len());
        // Files are made safe after a turn: the log may still grow.
        let _ = tokio::time::timeout(TIME, self.sight.reached(due)).await;
        let seen = self.sight.all();
        (self.log().await, seen, due as u64)
    }

    async fn log(&self) -> Option<Vec<Value>> {
        let session = self.told.session.as_deref()?;
        self.line.log(session, self.until).await
    }

    /// What the live reader saw.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.sight.all()
    }
}

/// What is asked for to begin a session: asked again by the same key, it finds
/// the same one.
pub(super) fn wish(agent: &str, hook: &str, part: &Part) -> Value {
    let told = json!([{ "url": hook, "level": "internal" }]);
    let mut body = json!({ "agent": agent, "input": part.input, "destinations": told });
    if let Some(cap) = part.cap {
        body["limits"] = json!({ "tokens": cap });
    }
    body
}
