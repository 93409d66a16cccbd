//! One engine that lives: its program, its door, and what it has seen.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use session::Stop;

use super::place::{Place, Spawn, Start};
use super::rest::Room;
use super::seen::Seen;
use super::tongue::{Feed, Kind, Tongue};
use crate::door::{Doors, Frame, Knock, Porter, Told as Answer};
use crate::model::{Ask, Purpose};
use crate::remote::Told;

/// Longest time to learn what an engine said at its end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why an engine is of no more use, in words for the user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gone(pub String);

impl Gone {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// An engine that lives. Dropping it kills the program.
pub(super) struct Live {
    tongue: Tongue,
    porter: Porter,
    /// Nothing yet, if it was only just started.
    seen: Option<Seen>,
    last_words: Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
    _hold: Box<dyn Any + Send>,
    _room: Room,
}

impl Live {
    /// Starts an engine whose history is that of the ask.
    pub async fn start(
        kind: Kind,
        ask: &Ask,
        doors: &Arc<Doors>,
        spawn: &Spawn,
        room: Room,
    ) -> Result<Self, Gone> {
        let porter = Doors::open(doors, &ask.session, false);
        let plan = kind.plan(ask, porter.token());
        let start = Start {
            session: ask.session.clone(),
            runtime: kind.name().to_owned(),
            command: plan.command,
            env: plan.env,
            files: plan.files,
        };
        let place = spawn(start).await.map_err(Gone)?;
        let Place {
            stdio,
            last_words,
            hold,
            ..
        } = place;
        Ok(Self {
            tongue: kind.greet(stdio, ask),
            porter,
            seen: None,
            last_words,
            _hold: hold,
            _room: room,
        })
    }

    /// Whether what it has seen is the beginning of that ask, and nothing has
    /// been answered since without it.
    pub fn fits(&self, ask: &Ask) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.fits(ask))
    }

    /// Tells the engine what is new, and waits until it asks its model.
    pub async fn until_it_asks(
        &mut self,
        ask: &Ask,
        most: Duration,
    ) -> Result<(Frame, Knock), Gone> {
        // What was there at its start, it knows from its history.
        let feed = match &self.seen {
            Some(_) => Feed::of(ask),
            None => Feed::Go,
        };
        self.tongue.feed(feed);
        let gone = tokio::select! {
            asked = asked(&mut self.porter, ask) => return Ok(asked),
            gone = self.tongue.run() => gone,
            () = tokio::time::sleep(most) => Gone::new("it did not ask its model in time"),
        };
        let last_words = (self.last_words)();
        Err(with_last_words(gone, last_words).await)
    }

    /// Hands the engine the answer; true if it can be asked again.
    pub fn heard(&mut self, ask: Ask, told: &Told, knock: Knock) -> bool {
        let reply = &told.reply;
        let plain = matches!(reply.stop, Stop::EndTurn | Stop::ToolUse) && &*reply.raw != "[]";
        let whole = !reply.calls.iter().any(|call| call.unusable.is_some());
        // To anything else an engine has an answer of its own, which is not ours.
        if ask.purpose == Purpose::Compact || !plain || !whole {
            return false;
        }
        self.seen = Some(Seen::new(ask, reply.clone()));
        knock.tell(Answer::Answer(told.bytes.clone()))
    }
}

pub(super) async fn with_last_words(gone: Gone, last_words: BoxFuture<'static, String>) -> Gone {
    let words = tokio::time::timeout(LAST_WORDS, last_words).await;
    let words = crate::error::plain(&words.unwrap_or_default());
    match words.is_empty() {
        true => gone,
        false => Gone(format!("{}; its last words: {words}", gone.0)),
    }
}

/// The engine's next request that is about the turn. Whatever else it asks,
/// nobody answers.
async fn asked(porter: &mut Porter, ask: &Ask) -> (Frame, Knock) {
    loop {
        let knock = porter.knock().await;
        let why = match Frame::read(&knock.headers, &knock.body) {
            Ok(frame) if offers(&frame, ask) => return (frame, knock),
            Ok(_) => "Only the turn itself is answered here.",
            Err(why) => why,
        };
        tracing::warn!(session = %ask.session, "an engine asked for something else: {why}");
        knock.tell(Answer::No(why));
    }
}

fn offers(frame: &Frame, ask: &Ask) -> bool {
    let offered = frame.tools();
    ask.tools
        .iter()
        .all(|tool| offered.iter().any(|name| name == tool.name))
}
