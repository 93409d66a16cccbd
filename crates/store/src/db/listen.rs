//! Hearing what other nodes on the same PostgreSQL appended.

use std::time::Duration;

use futures::{StreamExt, stream};
use tokio_postgres::{AsyncMessage, Config};

use super::{Db, connect};
use crate::Error;

/// The channel of hints.
pub(crate) const CHANNEL: &str = "oc_log";
/// How long to wait before connecting again.
const AGAIN: Duration = Duration::from_secs(1);

/// What was heard.
pub(crate) enum Heard {
    /// Somebody said this.
    Said(String),
    /// The line was down: anything may have been said meanwhile.
    Gap,
}

impl Db {
    /// Listens for ever, across lost connections; returns at once if nobody
    /// else can say anything.
    pub(crate) async fn listen(&self, hear: impl Fn(Heard)) {
        let Self::Postgres(postgres) = self else {
            return;
        };
        loop {
            if let Err(error) = listen(&postgres.config, &hear).await {
                tracing::warn!(%error, "hints of other nodes are late until this is mended");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn listen(config: &Config, hear: &impl Fn(Heard)) -> Result<(), Error> {
    let gone = |error: &tokio_postgres::Error| super::postgres::classify(error);
    let mut config = config.clone();
    config.options("-c statement_timeout=20000");
    let connecting = tokio::time::timeout(connect::CONNECT, config.connect(connect::tls()?));
    let (client, mut connection) = connecting
        .await
        .map_err(|_| Error::Unavailable("no connection in time".to_owned()))?
        .map_err(|error| gone(&error))?;
    let said = stream::poll_fn(move |cx| connection.poll_message(cx));
    tokio::pin!(said);
    let asked = async {
        let listening = client.batch_execute(&format!("LISTEN {CHANNEL}")).await;
        if listening.is_ok() {
            hear(Heard::Gap);
        }
        listening
    };
    tokio::pin!(asked);
    let mut asking = true;
    loop {
        tokio::select! {
            listening = &mut asked, if asking => {
                listening.map_err(|error| gone(&error))?;
                asking = false;
            }
            message = said.next() => match message {
                Some(Ok(AsyncMessage::Notification(said))) => hear(Heard::Said(said.payload().to_owned())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(gone(&error)),
                None => return Err(Error::Unavailable("the connection was closed".to_owned())),
            },
        }
    }
}
