//! The door: the only way from an engine to a model.
//!
//! An engine takes the door for its provider. Its request waits there until its
//! session thinks; then it is asked of the real provider with the real key, and
//! with the conversation of our log in the place of the engine's own
//! ([`Frame`]). So what a model is told is what the log says, whatever an engine
//! makes of a restart, a cut or a message that came meanwhile. The answer is
//! read to its end, with our patience, before the engine gets it in one piece.
//!
//! What this may not know: how an engine is started or spoken to.

mod frame;
mod serve;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub(crate) use frame::Frame;
pub(crate) use serve::{TOOLS, serve};

/// Requests of one engine that may wait. A vendor's has more than one only where
/// it gave one up and asked again; a program may call tools side by side.
const DEPTH: usize = 16;

/// KiB of requests of one engine that are held at once, however many it sends.
const HELD: usize = 64 * 1024;

/// The doors of all engines, by session.
#[derive(Debug, Default)]
pub(crate) struct Doors(Mutex<HashMap<String, Arc<Door>>>);

/// The outside of one engine's door.
#[derive(Debug)]
pub(crate) struct Door {
    token: SecretString,
    /// Whether tools are called through it as well.
    tools: bool,
    knocks: mpsc::Sender<Knock>,
    /// KiB of requests that may be held for it at once.
    held: Semaphore,
}

/// The inside of one engine's door. Letting go of it closes the door.
#[derive(Debug)]
pub(crate) struct Porter {
    doors: Arc<Doors>,
    session: String,
    door: Arc<Door>,
    knocks: mpsc::Receiver<Knock>,
}

/// A request of an engine that waits for its answer.
#[derive(Debug)]
pub(crate) struct Knock {
    /// What it is for, as the path of its address says.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    answer: oneshot::Sender<Told>,
}

/// What an engine is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// The answer, as the provider streamed it.
    Answer(Bytes),
    /// Another answer: one document, or nothing at all.
    Document(StatusCode, Option<Value>),
    /// That nobody will answer this.
    No(&'static str),
}

impl Doors {
    /// Opens the door of a session's engine, closing that of an older one.
    pub fn open(doors: &Arc<Self>, session: &str, tools: bool) -> Porter {
        let (sender, knocks) = mpsc::channel(DEPTH);
        let mut random = [0; 16];
        rand::rng().fill_bytes(&mut random);
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let door = Arc::new(Door {
            token: format!("osb_sealed_{hex}").into(),
            tools,
            knocks: sender,
            held: Semaphore::new(HELD),
        });
        doors.with(|all| all.insert(session.to_owned(), door.clone()));
        Porter {
            doors: doors.clone(),
            session: session.to_owned(),
            door,
            knocks,
        }
    }

    fn of(&self, session: &str) -> Option<Arc<Door>> {
        self.with(|all| all.get(session).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Arc<Door>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Door {
    /// Whether this is the key that this engine was given.
    fn admits(&self, key: &str) -> bool {
        let own = self.token.expose_secret().as_bytes();
        own.ct_eq(key.as_bytes()).into()
    }
}

impl Porter {
    /// What the engine shows in the place of a key.
    pub fn token(&self) -> &SecretString {
        &self.door.token
    }

    /// The next request whose engine still waits for its answer.
    pub async fn knock(&mut self) -> Knock {
        loop {
            match self.knocks.recv().await {
                Some(knock) if knock.answer.is_closed() => {}
                Some(knock) => return knock,
                // Not while `door` holds a sender.
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for Porter {
    fn drop(&mut self) {
        self.doors.with(|all| {
            if all
                .get(&self.session)
                .is_some_and(|door| Arc::ptr_eq(door, &self.door))
            {
                all.remove(&self.session);
            }
        });
    }
}

impl Knock {
    /// Tells the engine; false if it is gone.
    pub fn tell(self, told: Told) -> bool {
        self.answer.send(told).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_admits_its_own_key_and_is_gone_with_its_porter() {
        let doors = Arc::new(Doors::default());
        let first = Doors::open(&doors, "s", false);
        let second = Doors::open(&doors, "s", false);
        let door = doors.of("s").unwrap();
        assert!(door.admits(second.token().expose_secret()));
        assert!(!door.admits(first.token().expose_secret()));
        assert!(!door.admits("") && doors.of("t").is_none());
        drop(first);
        assert!(
            doors.of("s").is_some(),
            "an older porter closed a newer door"
        );
        drop(second);
        assert!(doors.of("s").is_none());
    }

    #[tokio::test]
    async fn a_request_that_was_given_up_is_passed_over() {
        let doors = Arc::new(Doors::default());
        let mut porter = Doors::open(&doors, "s", false);
        let knock = |body: &'static str| {
            let (answer, told) = oneshot::channel();
            let body = Bytes::from(body);
            let headers = HeaderMap::new();
            (
                Knock {
                    path: "/v1/messages".to_owned(),
                    headers,
                    body,
                    answer,
                },
                told,
            )
        };
        let ((gone, left), (waits, told)) = (knock("gone"), knock("waits"));
        drop(left);
        for knock in [gone, waits] {
            porter.door.knocks.try_send(knock).unwrap();
        }
        let knock = porter.knock().await;
        assert_eq!(&knock.body[..], b"waits");
        assert!(knock.tell(Told::No("not now")));
        assert!(matches!(told.await, Ok(Told::No("not now"))));
    }
}
