//! Streams into a sandbox: to a program, to a port.

use bytes::Bytes;
use futures::FutureExt;
use guest::mux::{Broken, Channel, Item};
use guest::pipe::{PIPE_CAP, Pipe};
use guest::request::{CONNECTED, Open};
use tokio::sync::oneshot;

use super::Client;
use crate::conduit::Conduit;
use crate::config::Stream;
use crate::error::Error;
use crate::sandbox::Piped;

impl Client {
    /// Starts a program and talks to it.
    pub(crate) async fn pipe(&self, pipe: Pipe) -> Result<Piped, Error> {
        let text = serde_json::to_vec(&pipe).map_err(|error| Error::Refused(error.to_string()))?;
        let len = u32::try_from(text.len()).ok();
        let len = len.filter(|&len| len as usize <= PIPE_CAP).ok_or_else(|| {
            Error::Refused(format!(
                "arguments and variables of {} bytes are too long",
                text.len()
            ))
        })?;
        let channel = self.opened(&Open::Pipe { len }, text.into()).await?;
        let (tell, told) = oneshot::channel();
        let end = async {
            let gone = |_| Error::Lost("the stream broke before the program's end".to_owned());
            let text: Bytes = told.await.map_err(gone)?;
            serde_json::from_slice(&text).map_err(|error| Error::Protocol(error.to_string()))
        };
        Ok(Piped {
            stream: Box::new(Conduit::new(channel, Some(tell))),
            end: end.boxed(),
        })
    }

    /// Connects to a port inside.
    pub(crate) async fn port(&self, port: u16) -> Result<Box<dyn Stream>, Error> {
        let channel = self.opened(&Open::Port { port }, Bytes::new()).await?;
        Ok(Box::new(Conduit::new(channel, None)))
    }

    /// A stream that stands. If the connection ends before it does, so has what it
    /// was opened for, and it is opened anew on the next.
    async fn opened(&self, open: &Open, first: Bytes) -> Result<Channel, Error> {
        let payload = serde_json::to_vec(open).unwrap_or_default();
        let opened = async {
            loop {
                let mux = self.mux().await?;
                let stands = async {
                    let mut channel = mux.open(payload.clone()).await?;
                    channel.tx.data(first.clone()).await?;
                    Ok((channel.rx.next().await?, channel))
                };
                match stands.await {
                    Ok((Some(Item::Tell(told)), channel)) if told == CONNECTED => {
                        self.patience.heard();
                        return Ok(channel);
                    }
                    Err(Broken::Gone) => {}
                    Err(Broken::Reset(why)) => return Err(Error::Refused(why)),
                    Err(Broken::Busy) => {
                        return Err(Error::Refused("too many requests".to_owned()));
                    }
                    Ok((other, _)) => return Err(Error::Protocol(format!("told {other:?}"))),
                }
            }
        };
        let limit = self.patience.answer();
        let late = "the guest did not open a stream";
        self.patience.within(limit, late, opened).await
    }
}
