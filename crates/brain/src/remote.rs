//! Models behind a provider's HTTP API. A request is built once, so every
//! attempt sends the same bytes.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::Client;
use reqwest::header::HeaderMap;
use session::Reply;

use crate::api::{Api, Want};
use crate::count::{counted, most_tokens, not_counted};
use crate::model::{Ask, Deltas, Model};
use crate::retry::persist;
use crate::wire::client::Endpoint;
use crate::wire::stream;
use crate::{ConfigError, ModelError, Patience};

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
        Ok(Self {
            api,
            answers: at(Want::Answer)?,
            counts: at(Want::Count)?,
            patience,
        })
    }

    async fn attempt(
        &self,
        headers: HeaderMap,
        body: Bytes,
        deltas: &Deltas,
    ) -> Result<Reply, ModelError> {
        let mut events = stream::open(&self.answers, headers, body, &self.patience).await?;
        let request_id = events.request_id.clone();
        let mut assembly = self.api.assembly(deltas);
        let read = events.read(|data| assembly.take(data)).await;
        let reply = read.and_then(|()| assembly.finish());
        match reply {
            Ok(reply) => Ok(Reply {
                request_id,
                ..reply
            }),
            Err(error) => Err(ModelError {
                request_id,
                ..error
            }),
        }
    }
}

impl Model for Remote {
    fn think(&self, ask: Ask, deltas: Deltas) -> BoxFuture<'_, Result<Reply, ModelError>> {
        async move {
            let body = self.api.body(&ask, Want::Answer)?;
            let headers = self.api.headers(ask.key.as_ref())?;
            let attempt = || self.attempt(headers.clone(), body.clone(), &deltas).boxed();
            persist(&self.patience, &ask, Some(&deltas), attempt).await
        }
        .boxed()
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
                Err(error) if not_counted(&error) => Ok(most_tokens(ask)),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }
}
