//! Models behind a provider's HTTP API. A request is built once, so every
//! attempt sends the same bytes.
//!
//! That a conversation does not fit is no failure but an answer: its reader has
//! a way to go on. Only a summary has to fit, so its oldest part is cut.

use axum::Router;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::Client;
use reqwest::header::HeaderMap;
use session::{Reply, Stop, Tokens};

use crate::api::{Api, Want};
use crate::count::{can_do_without, counted, most_tokens};
use crate::door::Frame;
use crate::model::{Ask, Deltas, Model, Purpose};
use crate::retry::persist;
use crate::wire::client::Endpoint;
use crate::wire::stream;
use crate::{ConfigError, ErrorKind, ModelError, Patience, shorten, table};

/// An answer, and the bytes it came in where an engine waits for them.
#[derive(Debug)]
pub(crate) struct Told {
    pub reply: Reply,
    pub bytes: Bytes,
}

/// The models of one provider.
#[derive(Debug)]
pub(crate) struct Remote {
    api: Api,
    answers: Endpoint,
    counts: Endpoint,
    patience: Patience,
}

impl Remote {
    /// The provider whose API is below that base URL.
    pub fn new(
        api: Api,
        client: &Client,
        base: &str,
        allow_http: bool,
        patience: Patience,
    ) -> Result<Self, ConfigError> {
        let at = |want| Endpoint::new(client, base, api.path(want), allow_http);
        Self::at(api, at, patience)
    }

    /// The rehearsals behind that API, in this process.
    pub fn here(api: Api, router: &Router, patience: Patience) -> Result<Self, ConfigError> {
        let path = |want| match api {
            Api::Messages => api.path(want).to_owned(),
            Api::Responses => format!("/v1{}", api.path(want)),
        };
        Self::at(api, |want| Endpoint::here(router, &path(want)), patience)
    }

    fn at(
        api: Api,
        at: impl Fn(Want) -> Result<Endpoint, ConfigError>,
        patience: Patience,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            api,
            answers: at(Want::Answer)?,
            counts: at(Want::Count)?,
            patience,
        })
    }

    /// One attempt at an answer.
    async fn attempt(
        &self,
        headers: HeaderMap,
        body: Bytes,
        (record, thinks): (bool, bool),
        deltas: &Deltas,
    ) -> Result<Told, ModelError> {
        let meter = deltas.meter();
        meter.asked(thinks);
        let open = stream::open(&self.answers, headers, body, &self.patience, record);
        let mut events = open.await.inspect_err(|error| {
            if !error.begun() {
                meter.refused();
            }
        })?;
        let request_id = events.request_id.clone();
        let mut assembly = self.api.assembly(deltas);
        let read = events.read(|data| assembly.take(data)).await;
        let reply = read.and_then(|()| assembly.finish());
        if let Ok(reply) = &reply {
            meter.told(reply.usage);
        }
        match reply {
            Ok(reply) => Ok(Told {
                reply: Reply {
                    request_id,
                    ..reply
                },
                bytes: events.record.unwrap_or_default().into(),
            }),
            Err(error) => Err(ModelError {
                request_id,
                ..error
            }),
        }
    }

    /// One answer, asked for as often as patience allows; by an engine's frame
    /// if there is one.
    async fn answer(
        &self,
        ask: &Ask,
        frame: Option<&Frame>,
        deltas: &Deltas,
    ) -> Result<Told, ModelError> {
        let (headers, body) = match frame {
            None => (
                self.api.headers(ask.key.as_ref())?,
                self.api.body(ask, Want::Answer)?,
            ),
            Some(frame) => (frame.headers(self.api, ask)?, frame.body(self.api, ask)?),
        };
        let record = frame.is_some();
        let thinks = table::look_up(&ask.model).adaptive;
        let attempt = || {
            self.attempt(headers.clone(), body.clone(), (record, thinks), deltas)
                .boxed()
        };
        persist(&self.patience, ask, Some(deltas), attempt).await
    }

    /// A summary of as much of the conversation's end as fits.
    async fn summary(
        &self,
        ask: &Ask,
        frame: Option<&Frame>,
        deltas: &Deltas,
    ) -> Result<Told, ModelError> {
        // Words have about four bytes a token; half a window leaves room for
        // what else is in the request, and for the summary.
        let half = usize::try_from(table::look_up(&ask.model).window / 2).unwrap_or(usize::MAX);
        let mut most = (shorten::size(ask) / 2).min(half.saturating_mul(4));
        loop {
            most = most.max(shorten::LEAST);
            let short = shorten::shortened(ask, most);
            let answer = self.answer(&short, frame, deltas).await;
            match answer {
                Err(error) if is_full(&error) && most > shorten::LEAST => most /= 2,
                answer => return answer,
            }
        }
    }
}

impl Remote {
    /// The answer to this ask, as it was told.
    ///
    /// # Errors
    /// As [`Model::think`].
    pub async fn tell(
        &self,
        ask: &Ask,
        frame: Option<&Frame>,
        deltas: &Deltas,
    ) -> Result<Told, ModelError> {
        match (self.answer(ask, frame, deltas).await, ask.purpose) {
            (Err(error), Purpose::Turn) if is_full(&error) => Ok(Told {
                reply: full(error.request_id),
                bytes: Bytes::new(),
            }),
            (Err(error), Purpose::Compact) if is_full(&error) => {
                self.summary(ask, frame, deltas).await
            }
            (answer, _) => answer,
        }
    }
}

impl Model for Remote {
    fn think(&self, ask: Ask, deltas: Deltas) -> BoxFuture<'_, Result<Reply, ModelError>> {
        async move { Ok(self.tell(&ask, None, &deltas).await?.reply) }.boxed()
    }

    fn count<'a>(&'a self, ask: &'a Ask) -> BoxFuture<'a, Result<u64, ModelError>> {
        async move {
            let body = self.api.body(ask, Want::Count)?;
            let headers = self.api.headers(ask.key.as_ref())?;
            let patience = self.patience.for_counting();
            let attempt = || {
                let (headers, body) = (headers.clone(), body.clone());
                stream::document(&self.counts, headers, body, &patience).boxed()
            };
            match persist(&patience, ask, None, attempt).await {
                Ok(answer) => Ok(counted(&answer).unwrap_or_else(|| most_tokens(ask))),
                Err(error) if can_do_without(&error) => Ok(most_tokens(ask)),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }
}

fn is_full(error: &ModelError) -> bool {
    error.kind == ErrorKind::ContextFull
}

/// The answer of a model whose window does not hold the question. The provider
/// refused it, so nothing was used.
pub(crate) fn full(request_id: Option<String>) -> Reply {
    Reply {
        raw: "[]".into(),
        text: String::new(),
        calls: vec![],
        stop: Stop::ContextFull,
        usage: Some(Tokens::default()),
        request_id,
    }
}
