//! A program that lives: where it runs, its door, and the turn it is in.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use session::{Item, Reply};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::http::{self, Connections, Lines, PORT};
use super::journal::Journal;
use super::turn::Turn;
use crate::door::{Doors, Porter, TOOLS};
use crate::engine::live::{Gone, with_last_words};
use crate::engine::place::{DOOR, Place, Reach, Spawn, Start, Stream};
use crate::engine::rest::Room;
use crate::engine::seen::Seen;
use crate::model::Ask;

/// The version of the contract.
pub(super) const VERSION: &str = "1";
/// Model calls that a program is told to make at most in one turn.
const MOST_TURNS: u32 = 24;
/// Between two looks whether a program is ready.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Time for a program to be free after its turn.
const FREE: Duration = Duration::from_secs(5);
/// Time until a program is ready.
const READY: Duration = Duration::from_secs(30);

/// A program that lives. Dropping it kills it.
pub(in crate::engine) struct Program {
    pub(super) porter: Porter,
    pub(super) reach: Reach,
    pub(super) tasks: Connections,
    /// The turn it is in.
    pub(super) turn: Option<Turn>,
    /// Turns it has been through.
    pub(super) turns: u64,
    seen: Option<Seen>,
    home: String,
    door: String,
    /// Whether it has ended.
    ended: watch::Receiver<bool>,
    last_words: Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
    _hold: Box<dyn Any + Send>,
    _room: Room,
}

impl Program {
    /// Starts the runtime's program for that session, and waits until it is
    /// ready.
    pub async fn start(
        runtime: &str,
        session: &str,
        doors: &Arc<Doors>,
        spawn: &Spawn,
        room: Room,
    ) -> Result<Self, Gone> {
        let porter = Doors::open(doors, session, true);
        let start = Start {
            session: session.to_owned(),
            runtime: runtime.to_owned(),
            command: vec![],
            env: environment(porter.token().expose_secret()),
            files: vec![("state/.keep".to_owned(), vec![])],
        };
        let place: Place = spawn(start).await.map_err(Gone)?;
        let (tell, ended) = watch::channel(false);
        let mut tasks = Connections::new();
        tasks.spawn(drain(place.stdio, tell));
        let mut program = Self {
            porter,
            reach: place.reach,
            tasks,
            turn: None,
            turns: 0,
            seen: None,
            home: place.home,
            door: place.door,
            ended,
            last_words: place.last_words,
            _hold: place.hold,
            _room: room,
        };
        program.ready().await?;
        Ok(program)
    }

    async fn ready(&mut self) -> Result<(), Gone> {
        let mut ended = self.ended.clone();
        let mut last = String::new();
        let work = async {
            loop {
                match http::health(&self.reach, &mut self.tasks).await {
                    Ok(health) if health.status == "ready" => break,
                    Ok(health) => last = format!("/healthz says `{}`", health.status),
                    Err(why) => last = why,
                }
                sleep(LOOK).await;
            }
        };
        let gone = tokio::select! {
            () = work => return Ok(()),
            () = end(&mut ended) => Gone::new("it ended before it was ready"),
            () = sleep(READY) => {
                let seconds = READY.as_secs();
                return Err(Gone(format!("it was not ready within {seconds} s: {last}")));
            }
        };
        Err(with_last_words(gone, (self.last_words)()).await)
    }

    /// Begins a turn of it, as the conversation says.
    pub async fn begin(&mut self, ask: &Ask) -> Result<(), Gone> {
        let journal = Journal::of(&ask.items);
        let input: Vec<_> = journal
            .input
            .iter()
            .map(|text| json!({ "role": "user", "content": text }))
            .collect();
        let request = json!({
            "contract_version": VERSION,
            "turn_id": format!("{}.{}", ask.session, journal.begins),
            "input": input,
            "history": journal.history,
            "config": {
                "model": ask.model.name,
                "system_prompt": &*ask.system,
                "mcp_endpoint": format!("{}{TOOLS}", self.door),
                "state_dir": format!("{}/state", self.home),
                "resume": self.turns > 0,
                "max_turns": MOST_TURNS,
            },
        });
        let lines = self.post(&request).await.map_err(Gone)?;
        self.turn = Some(Turn::new(lines, journal.recorded));
        Ok(())
    }

    /// Posts a turn. One that ended a moment ago may still keep it busy.
    async fn post(&mut self, request: &Value) -> Result<Lines, String> {
        let until = Instant::now() + FREE;
        loop {
            let begun = http::turn(&self.reach, &mut self.tasks, request).await;
            match begun.map_err(|why| format!("/turn: {why}"))? {
                Ok(lines) => return Ok(lines),
                Err(StatusCode::CONFLICT) if Instant::now() < until => sleep(LOOK).await,
                Err(status) => return Err(format!("/turn answered {status}")),
            }
        }
    }

    /// Whether what it has seen is the beginning of that ask.
    pub fn fits(&self, ask: &Ask) -> bool {
        !*self.ended.borrow() && self.seen.as_ref().is_some_and(|seen| seen.fits(ask))
    }

    /// Remembers what it has seen, with its newest answer.
    pub fn remember(&mut self, ask: Ask, reply: &Reply) {
        self.seen = Some(Seen::new(ask, reply.clone()));
    }

    /// What came after all that it has seen.
    pub fn new_items<'a>(&self, ask: &'a Ask) -> &'a [Item] {
        self.seen.as_ref().map_or(&[], |seen| seen.rest(ask))
    }

    /// Why it is of no more use, once it has ended.
    pub async fn gone(&mut self) -> Gone {
        end(&mut self.ended.clone()).await;
        with_last_words(Gone::new("it ended"), (self.last_words)()).await
    }
}

/// What a program finds in its environment: where to listen, and where models
/// are, for libraries that look there.
fn environment(token: &str) -> BTreeMap<String, String> {
    [
        ("OC_BRAIN_PORT", PORT.to_string()),
        ("ANTHROPIC_BASE_URL", DOOR.to_owned()),
        ("ANTHROPIC_API_KEY", token.to_owned()),
        ("OPENAI_BASE_URL", format!("{DOOR}/v1")),
        ("OPENAI_API_KEY", token.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Reads what a program prints, so that it never waits for a reader.
async fn drain(mut stdio: Box<dyn Stream>, ended: watch::Sender<bool>) {
    let mut buffer = vec![0; 8192];
    while stdio.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    ended.send_replace(true);
}

async fn end(ended: &mut watch::Receiver<bool>) {
    // Its sender goes only after it said so.
    let _ = ended.wait_for(|ended| *ended).await;
}
