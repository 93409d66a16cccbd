//! What was asked, as it was received: keys included, for that is what people
//! want to see. Bounded; nothing of it leaves this process but by `/__log`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use axum::http::request::Parts;
use serde_json::{Map, Value, json};
use session::Tokens;

/// Requests kept.
const MOST: usize = 500;
/// Bytes of a body kept.
const BODY: usize = 1024 * 1024;
/// Bytes of all bodies kept.
const ALL: usize = 64 * 1024 * 1024;

/// How an answer ends that was given whole.
pub(super) const ANSWERED: &str = "answered";

/// One request and what became of it.
#[derive(Debug, Default)]
struct Entry {
    number: u64,
    request: Value,
    size: usize,
    status: Option<u16>,
    ended: Option<&'static str>,
    /// What the whole answer uses, once it is known.
    whole: Tokens,
    /// Whether the model thinks before it speaks: the answer is paid for at once.
    thinks: bool,
    /// Bytes of the answer that were sent.
    sent: u64,
}

impl Entry {
    /// What was used so far: a token for each byte that was sent, until the
    /// answer has all it is to have.
    fn used(&self) -> Tokens {
        let whole = self.thinks || self.ended == Some(ANSWERED);
        let sent = if whole { u64::MAX } else { self.sent };
        Tokens {
            output: self.whole.output.min(sent),
            ..self.whole
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    count: u64,
    size: usize,
    entries: VecDeque<Entry>,
}

/// The newest requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Inner>>);

/// Watches one request to its end: when nobody holds it any more and no other
/// end was told, the client has gone away.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    log: Log,
    number: u64,
}

impl Log {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes down a request.
    pub fn add(&self, head: &Parts, body: &[u8]) -> Watch {
        let headers: Map<String, Value> = head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value.into())
            })
            .collect();
        let kept = &body[..body.len().min(BODY)];
        let text = || Value::from(String::from_utf8_lossy(kept));
        let body = match kept.len() == body.len() {
            true => serde_json::from_slice(body).unwrap_or_else(|_| text()),
            false => text(),
        };
        let request = json!({ "method": head.method.as_str(), "path": head.uri.path(),
            "query": head.uri.query(), "headers": headers, "body": body });
        self.keep(request, kept.len())
    }

    fn keep(&self, request: Value, size: usize) -> Watch {
        let number = self.with(|inner| {
            inner.count += 1;
            inner.size += size;
            let number = inner.count;
            inner.entries.push_back(Entry {
                number,
                request,
                size,
                ..Entry::default()
            });
            while inner.entries.len() > MOST || inner.size > ALL {
                let Some(oldest) = inner.entries.pop_front() else {
                    break;
                };
                inner.size -= oldest.size;
            }
            number
        });
        let log = self.clone();
        Watch(Arc::new(Watched { log, number }))
    }

    /// The newest requests, oldest first.
    pub fn list(&self) -> Value {
        let show = |entry: &Entry| {
            let mut shown = entry.request.clone();
            shown["number"] = entry.number.into();
            shown["status"] = entry.status.into();
            shown["used"] = json!(entry.used());
            shown["ended"] = entry.ended.unwrap_or("not yet").into();
            shown
        };
        self.with(|inner| inner.entries.iter().map(show).collect::<Vec<_>>().into())
    }

    /// A watch over a request that is not kept.
    #[cfg(test)]
    pub fn watch(&self) -> Watch {
        self.keep(json!({}), 0)
    }
}

impl Watched {
    fn change(&self, change: impl FnOnce(&mut Entry)) {
        self.log.with(|inner| {
            let found = inner.entries.iter_mut().rev();
            let mut found = found.filter(|entry| entry.number == self.number);
            if let Some(entry) = found.next() {
                change(entry);
            }
        });
    }
}

impl Watch {
    /// The id a provider would give the request.
    pub fn request_id(&self) -> String {
        format!("req_rehearsal_{}", self.0.number)
    }

    /// Notes the status of the answer.
    pub fn status(&self, status: StatusCode) {
        self.0.change(|entry| entry.status = Some(status.as_u16()));
    }

    /// Notes what the whole answer uses, and whether its model thinks first.
    pub fn begins(&self, whole: Tokens, thinks: bool) {
        self.0
            .change(|entry| (entry.whole, entry.thinks) = (whole, thinks));
    }

    /// Notes that so many bytes of the model's own are sent.
    pub fn sent(&self, bytes: u64) {
        self.0.change(|entry| entry.sent += bytes);
    }

    /// Notes how the answer ended.
    pub fn ended(&self, how: &'static str) {
        self.0.change(|entry| entry.ended = Some(how));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.change(|entry| {
            entry.ended.get_or_insert("the client left");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_is_let_go_without_an_end_means_the_client_left() {
        let log = Log::default();
        let (answered, left) = (log.watch(), log.watch());
        let held = left.clone();
        answered.ended("answered");
        drop((answered, left));
        let ends = |log: &Log| {
            let list = log.list();
            let all = list.as_array().unwrap().iter();
            all.map(|entry| entry["ended"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(ends(&log), ["answered", "not yet"]);
        drop(held);
        assert_eq!(ends(&log), ["answered", "the client left"]);
    }

    #[test]
    fn what_is_kept_is_bounded_by_number_and_by_size() {
        let log = Log::default();
        for _ in 0..MOST + 9 {
            log.watch();
        }
        let list = log.list();
        let list = list.as_array().unwrap();
        assert_eq!((list.len(), &list[0]["number"]), (MOST, &json!(10)));
        log.keep(json!({}), ALL - 1);
        log.keep(json!({}), ALL - 1);
        assert_eq!(log.list().as_array().unwrap().len(), 1);
    }
}
