//! The OpenAI Responses API, streaming and without state on the server: every
//! item, reasoning included, is kept by us and sent back.

mod assembly;
mod item;
mod request;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use session::Reply;

use crate::model::{Ask, Deltas, Model};
use crate::retry::persist;
use crate::wire::client::{Endpoint, key_header};
use crate::wire::stream;
use crate::{ModelError, Patience};
use assembly::Assembly;

/// Models behind the OpenAI Responses API.
#[derive(Debug)]
pub(crate) struct OpenAi {
    endpoint: Endpoint,
    patience: Patience,
}

impl OpenAi {
    pub fn new(endpoint: Endpoint, patience: Patience) -> Self {
        Self { endpoint, patience }
    }

    async fn attempt(
        &self,
        headers: HeaderMap,
        body: Bytes,
        deltas: &Deltas,
    ) -> Result<Reply, ModelError> {
        let mut events = stream::open(&self.endpoint, headers, body, &self.patience).await?;
        let request_id = events.request_id.clone();
        let mut assembly = Assembly::new(deltas);
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

impl Model for OpenAi {
    fn think(&self, ask: Ask, deltas: Deltas) -> BoxFuture<'_, Result<Reply, ModelError>> {
        async move {
            let body = request::body(&ask)?;
            let mut headers = HeaderMap::new();
            if let Some(key) = &ask.key {
                headers.insert(AUTHORIZATION, key_header("Bearer ", key)?);
            }
            let attempt = || self.attempt(headers.clone(), body.clone(), &deltas).boxed();
            persist(&self.patience, &ask, &deltas, attempt).await
        }
        .boxed()
    }
}
