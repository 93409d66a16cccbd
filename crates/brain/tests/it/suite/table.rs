//! A table: a player, a transcript, and what the platform does with answers.

use std::sync::Arc;
use std::time::Duration;

use brain::{Ask, Delta, Deltas, EngineConfig, Model, ModelError, Patience, Purpose};
use serde_json::{Value, json};
use session::transcript::ToolResult;
use session::{Item, Reply};

use crate::engine::stage::Stage;
use crate::hall::{self, Hall, script};

/// One conversation with one player.
pub struct Table {
    pub hall: Hall,
    stage: Option<Stage>,
    pub items: Vec<Item>,
    name: &'static str,
    model: Arc<dyn Model>,
    session: String,
    seq: u64,
}

impl Table {
    /// The rehearsal model itself.
    pub async fn rehearsal() -> Self {
        Self::remote("test/script").await
    }

    /// A provider's model, by our own client.
    pub async fn remote(name: &'static str) -> Self {
        let hall = Hall::with(patience()).await;
        let reference = hall::ask(name, vec![]).model;
        let model = hall.models.for_model(&reference);
        Self::new(hall, None, name, model)
    }

    /// The same, by an engine.
    pub async fn engine(runtime: &str, name: &'static str) -> Self {
        Self::with(runtime, name, EngineConfig::default()).await
    }

    /// The same, by engines that are kept as that says.
    pub async fn with(runtime: &str, name: &'static str, config: EngineConfig) -> Self {
        let hall = Hall::with(patience()).await;
        let stage = Stage::with(runtime, hall.models.clone(), config);
        let model = stage.model.clone();
        Self::new(hall, Some(stage), name, model)
    }

    /// Where its engines run.
    pub fn stage(&self) -> &Stage {
        self.stage.as_ref().unwrap()
    }

    fn new(hall: Hall, stage: Option<Stage>, name: &'static str, model: Arc<dyn Model>) -> Self {
        Self {
            hall,
            stage,
            items: vec![],
            name,
            model,
            session: "session_1".into(),
            seq: 0,
        }
    }

    /// The same player at a conversation of its own.
    pub fn beside(&self, session: &str) -> Seat {
        let (model, name) = (self.model.clone(), self.name);
        let session = session.to_owned();
        Seat {
            model,
            name,
            session,
        }
    }

    /// Who plays.
    pub fn model(&self) -> Arc<dyn Model> {
        self.model.clone()
    }

    /// Kills the player's engine, if it has one that lives.
    pub fn kill_if_there(&self) {
        if let Some(stage) = self.stage.as_ref().filter(|stage| stage.engines.live() > 0) {
            stage.kill();
        }
    }

    /// Whether the model needs no server: then no request can be seen to arrive.
    pub fn is_here(&self) -> bool {
        self.name.starts_with("test/")
    }

    /// The input tokens this ask will have.
    pub async fn count(&self, ask: &Ask) -> u64 {
        self.model.count(ask).await.unwrap()
    }

    /// A message of the user.
    pub fn say(&mut self, text: &str) {
        self.seq += 1;
        self.items.push(hall::user(self.seq, text));
    }

    /// A message of the user that says what the model will do.
    pub fn play(&mut self, lines: Value) {
        self.say(&script(&lines));
    }

    /// What is asked now.
    pub fn ask(&self) -> Ask {
        self.beside(&self.session).ask(self.items.clone())
    }

    /// One thought that is not kept.
    pub async fn try_think(&self, ask: Ask) -> (Result<Reply, ModelError>, Vec<Delta>) {
        let (deltas, mut said) = Deltas::new(4096);
        let reply = Box::pin(self.model.think(ask, deltas)).await;
        let mut told = Vec::new();
        while let Ok(delta) = said.try_recv() {
            told.push(delta);
        }
        (reply, told)
    }

    /// One thought that begins, and is dropped when `begun` says so of what
    /// was told.
    pub async fn cut(&self, begun: impl Fn(&Delta) -> bool) {
        let (deltas, mut said) = Deltas::new(4096);
        let mut thinking = self.model.think(self.ask(), deltas);
        loop {
            tokio::select! {
                ended = &mut thinking => panic!("it ended: {ended:?}"),
                delta = said.recv() => if begun(&delta.unwrap()) { return },
            }
        }
    }

    /// One thought that is dropped as soon as its request has arrived.
    pub async fn cut_at_once(&self) {
        let before = self.hall.log().await.len();
        let (deltas, _said) = Deltas::new(4096);
        let thinking = self.model.think(self.ask(), deltas);
        let arrived = async {
            while self.hall.log().await.len() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = thinking => panic!("it ended: {ended:?}"),
            () = arrived => {}
        }
    }

    /// One thought.
    pub async fn think(&mut self) -> Arc<Reply> {
        let reply = Arc::new(self.try_think(self.ask()).await.0.unwrap());
        self.items.push(Item::Assistant(reply.clone()));
        reply
    }

    /// What came of the newest answer's call at that position.
    pub fn result(&mut self, at: usize, text: &str) {
        let id = self.newest().calls[at].id.clone();
        self.results(&[(&id, text, false)]);
    }

    /// What came of calls.
    pub fn results(&mut self, results: &[(&str, &str, bool)]) {
        for (call, text, is_error) in results {
            self.items.push(Item::Result(ToolResult {
                call: (*call).to_owned(),
                text: (*text).to_owned(),
                is_error: *is_error,
            }));
        }
    }

    fn newest(&self) -> Arc<Reply> {
        let found = self.items.iter().rev().find_map(|item| match item {
            Item::Assistant(reply) => Some(reply.clone()),
            _ => None,
        });
        found.unwrap()
    }

    /// Thinks and carries out calls until an answer has none; gives its text.
    pub async fn rest(&mut self) -> String {
        loop {
            let reply = self.think().await;
            if reply.calls.is_empty() {
                return reply.text.clone();
            }
            for (at, call) in reply.calls.iter().enumerate() {
                self.result(at, &format!("{}: {}", call.tool, call.input));
            }
        }
    }

    /// Forgets the newest items, as a fork from before them does.
    pub fn back_to(&mut self, items: usize) {
        self.items.truncate(items);
    }

    /// Begins the conversation anew with a summary of it, as the platform does.
    pub async fn compact(&mut self) -> String {
        let mut ask = self.ask();
        ask.purpose = Purpose::Compact;
        ask.items
            .push(Item::Note(brain::compaction_prompt().to_owned()));
        let text = self.try_think(ask).await.0.unwrap().text;
        let is_user = |item: &Item| matches!(item, Item::User { .. });
        let at = self.items.iter().rposition(is_user).unwrap();
        let after = self.items.iter().skip(at);
        let replies = after
            .filter(|item| matches!(item, Item::Assistant(reply) if !reply.is_refused_for_length()))
            .count() as u64;
        let kept = self.items.swap_remove(at);
        let summary = Item::Summary {
            text: text.clone(),
            replies,
        };
        self.items = vec![summary, kept];
        text
    }
}

/// A player with a session's name, for conversations that are not kept.
pub struct Seat {
    model: Arc<dyn Model>,
    name: &'static str,
    session: String,
}

impl Seat {
    fn ask(&self, items: Vec<Item>) -> Ask {
        Ask {
            session: self.session.clone(),
            ..hall::ask(self.name, items)
        }
    }

    /// The answer to one message.
    pub async fn answer(&self, text: &str) -> String {
        let (deltas, _said) = Deltas::new(64);
        let ask = self.ask(vec![hall::user(1, text)]);
        Box::pin(self.model.think(ask, deltas)).await.unwrap().text
    }
}

/// A line of a script that calls `bash` with that command.
pub fn call(command: &str) -> Value {
    json!({ "tool": "bash", "args": { "command": command } })
}

/// Patience as short as a busy machine allows.
fn patience() -> Patience {
    Patience {
        gap: Duration::from_secs(2),
        first_byte: Duration::from_secs(10),
        ..hall::patience()
    }
}
