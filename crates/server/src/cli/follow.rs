//! Follows a session's events for as long as it lives: across broken
//! connections and restarts of the server, without a gap and without a repeat.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;

use super::api::{Api, Ask};
use super::error::CliError;
use super::sse::{Frame, Reader, Said};

/// Longest silence of a stream that lives; the server's heartbeats are shorter.
const SILENCE: Duration = Duration::from_secs(60);
/// First and longest pause before connecting again.
const PAUSE: (u64, u64) = (200, 5_000);

/// Which events.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Threshold of levels.
    pub level: Option<String>,
    /// Type, `prefix.*` or `*.suffix`.
    pub kind: Option<String>,
    /// One turn only.
    pub turn: Option<String>,
    /// What the model is saying right now, too.
    pub deltas: bool,
}

/// What a follower sees.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen {
    /// A fact.
    Event(Value),
    /// A piece of an answer that is being given.
    Delta(Value),
    /// The connection broke; the next comes after this many milliseconds.
    Lost(u64),
}

/// One reader of one session.
pub(super) struct Follow<'a> {
    api: &'a Api,
    session: String,
    wanted: Wanted,
    /// Number of the last event seen.
    after: u64,
    open: Option<Open>,
    /// Connections that failed since the last one that gave something.
    failures: u32,
    /// The server's own wish for the next pause.
    hint: Option<u64>,
    ever: bool,
}

struct Open {
    bytes: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    reader: Reader,
    said: VecDeque<Said>,
    /// Whether it said anything new.
    fruitful: bool,
}

/// The connection broke: not the server's wish.
struct Broken;

/// What comes after the end of a stream.
enum After {
    /// Nothing: the session is archived and all was seen.
    Over,
    /// Perhaps more, at once.
    More,
    /// More, once the server is back.
    Later,
}

impl<'a> Follow<'a> {
    /// Follows `session` from the event after number `after`.
    pub(super) fn new(api: &'a Api, session: &str, wanted: Wanted, after: u64) -> Self {
        Self {
            api,
            session: session.to_owned(),
            wanted,
            after,
            open: None,
            failures: 0,
            hint: None,
            ever: false,
        }
    }

    /// What comes next; `None` once the session is archived and all was seen.
    pub(super) async fn next(&mut self) -> Result<Option<Seen>, CliError> {
        loop {
            if self.open.is_none() && !self.connect().await? {
                return Ok(Some(self.lost()));
            }
            match self.read().await {
                Ok(Some(Said::Retry(ms))) => self.hint = Some(ms),
                Ok(Some(Said::Frame(frame))) => {
                    self.failures = 0;
                    if let Some(seen) = self.seen(&frame) {
                        return Ok(Some(seen));
                    }
                }
                Ok(None) => match self.after_the_end().await? {
                    After::Over => return Ok(None),
                    After::More => {}
                    After::Later => return Ok(Some(self.lost())),
                },
                Err(Broken) => {
                    self.open = None;
                    return Ok(Some(self.lost()));
                }
            }
        }
    }

    /// Waits as long as [`Seen::Lost`] said.
    pub(super) async fn pause(ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn lost(&mut self) -> Seen {
        let doubled = PAUSE
            .0
            .saturating_mul(1 << self.failures.min(10))
            .min(PAUSE.1);
        self.failures += 1;
        Seen::Lost(self.hint.take().unwrap_or(doubled).min(PAUSE.1))
    }

    /// Opens the stream; false if it may work later. The first connection must
    /// work: a wrong address is an error and no reason to wait.
    async fn connect(&mut self) -> Result<bool, CliError> {
        let ask = Ask::get(format!("/v3/sessions/{}/events", self.session))
            .with("stream", Some("sse"))
            .with("level", self.wanted.level.as_ref())
            .with("type", self.wanted.kind.as_ref())
            .with("turn_id", self.wanted.turn.as_ref())
            .with("deltas", self.wanted.deltas.then_some("1"))
            .with("after", Some(self.after))
            .resumed(self.after);
        match self.api.stream(ask, SILENCE).await {
            Ok(response) => {
                self.ever = true;
                let (bytes, reader) = (response.bytes_stream().boxed(), Reader::default());
                self.open = Some(Open {
                    bytes,
                    reader,
                    said: VecDeque::new(),
                    fruitful: false,
                });
                Ok(true)
            }
            Err(CliError::Api(refused))
                if self.ever && (refused.status == 429 || refused.status >= 500) =>
            {
                Ok(false)
            }
            Err(CliError::Local(_)) if self.ever => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next thing said; `None` when the server ended the stream.
    async fn read(&mut self) -> Result<Option<Said>, Broken> {
        let Some(open) = self.open.as_mut() else {
            return Err(Broken);
        };
        while open.said.is_empty() {
            let part = tokio::time::timeout(SILENCE, open.bytes.next())
                .await
                .map_err(|_| Broken)?;
            let Some(bytes) = part else { return Ok(None) };
            let said = open
                .reader
                .take(&bytes.map_err(|_| Broken)?)
                .map_err(|_| Broken)?;
            open.said.extend(said);
        }
        Ok(open.said.pop_front())
    }

    /// What a frame means; `None` for one that was seen before.
    fn seen(&mut self, frame: &Frame) -> Option<Seen> {
        let value: Value = serde_json::from_str(&frame.data).ok()?;
        if frame.event.as_deref().is_some_and(|name| name != "message") {
            return Some(Seen::Delta(value));
        }
        let seq = value["seq"].as_u64()?;
        if seq <= self.after {
            return None;
        }
        self.after = seq;
        self.open.iter_mut().for_each(|open| open.fruitful = true);
        Some(Seen::Event(value))
    }

    /// What the end of a stream means. A server ends it when it stops, and when
    /// the session is archived and everything was said; a stream that ended
    /// after it said something may have been cut short, so it is opened again.
    async fn after_the_end(&mut self) -> Result<After, CliError> {
        let fruitful = self.open.take().is_some_and(|open| open.fruitful);
        match self
            .api
            .send(Ask::get(format!("/v3/sessions/{}", self.session)))
            .await
        {
            Ok(answer) if answer.value["status"] != "archived" => Ok(After::Later),
            Ok(answer) => {
                let all = answer.value["head"]
                    .as_u64()
                    .is_some_and(|head| self.after >= head);
                Ok(if all || !fruitful {
                    After::Over
                } else {
                    After::More
                })
            }
            Err(CliError::Api(refused)) if refused.status < 500 && refused.status != 429 => {
                Err(refused.into())
            }
            Err(_) => Ok(After::Later),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn follow(api: &Api) -> Follow<'_> {
        Follow::new(api, "ses_1", Wanted::default(), 2)
    }

    fn frame(event: Option<&str>, data: &Value) -> Frame {
        Frame {
            id: None,
            event: event.map(str::to_owned),
            data: data.to_string(),
        }
    }

    #[test]
    fn an_event_is_seen_once_and_a_delta_moves_nothing() {
        let api = Api::new("http://127.0.0.1:1", None).unwrap();
        let mut follow = follow(&api);
        assert_eq!(follow.seen(&frame(None, &json!({ "seq": 2 }))), None);
        assert_eq!(
            follow.seen(&frame(None, &json!({ "seq": 3 }))),
            Some(Seen::Event(json!({ "seq": 3 })))
        );
        assert_eq!(
            follow.seen(&frame(Some("delta"), &json!({ "text": "a" }))),
            Some(Seen::Delta(json!({ "text": "a" })))
        );
        assert_eq!(
            (
                follow.after,
                follow.seen(&frame(None, &json!({ "seq": 3 })))
            ),
            (3, None)
        );
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_the_server_may_wish() {
        let api = Api::new("http://127.0.0.1:1", None).unwrap();
        let mut follow = follow(&api);
        let pauses: Vec<Seen> = (0..7).map(|_| follow.lost()).collect();
        assert_eq!(
            pauses,
            [200, 400, 800, 1600, 3200, 5000, 5000].map(Seen::Lost)
        );
        follow.hint = Some(50);
        assert_eq!(follow.lost(), Seen::Lost(50));
    }

    #[tokio::test]
    async fn a_server_that_was_never_there_is_an_error() {
        let api = Api::new("http://127.0.0.1:1", None).unwrap();
        assert_eq!(follow(&api).next().await.unwrap_err().code(), 1);
    }
}
