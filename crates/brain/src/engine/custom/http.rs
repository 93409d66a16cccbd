//! Questions to a program's own port, and the lines of its answer.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, to_bytes};
use bytes::BytesMut;
use futures::StreamExt;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::engine::place::Reach;

/// The port that a program is told to listen on.
pub(super) const PORT: u16 = 8080;
/// Time for an answer that needs no thought.
pub(super) const AT_ONCE: Duration = Duration::from_secs(2);
/// Longest answer that is read whole, and longest line, in bytes.
const LONGEST: usize = 4 << 20;

/// The connections to a program: given up with this.
pub(super) type Connections = JoinSet<()>;

/// How a program says it is.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    pub status: String,
    pub contract_version: String,
    pub busy: Option<bool>,
}

/// A line of the answer to a turn.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    pub kind: String,
    pub seq: Option<u64>,
    pub reason: Option<String>,
    pub error: Option<Value>,
}

/// Asks a program how it is.
pub(super) async fn health(reach: &Reach, tasks: &mut Connections) -> Result<Health, String> {
    let asked = async {
        let answer = send(reach, tasks, Method::GET, "/healthz", None).await?;
        if answer.status() != StatusCode::OK {
            return Err(format!("/healthz answered {}", answer.status()));
        }
        let whole = to_bytes(answer.into_body(), LONGEST).await;
        let whole = whole.map_err(|error| format!("/healthz: {error}"))?;
        serde_json::from_slice(&whole).map_err(|error| format!("/healthz: {error}"))
    };
    let answered = timeout(AT_ONCE, asked).await;
    answered.unwrap_or_else(|_| Err("/healthz did not answer in time".to_owned()))
}

/// Begins a turn: its lines, or the status that refused it.
pub(super) async fn turn(
    reach: &Reach,
    tasks: &mut Connections,
    request: &Value,
) -> Result<Result<Lines, StatusCode>, String> {
    let answer = send(reach, tasks, Method::POST, "/turn", Some(request)).await?;
    Ok(match answer.status() {
        StatusCode::OK => Ok(Lines {
            from: answer.into_body().into_data_stream(),
            read: BytesMut::new(),
        }),
        status => Err(status),
    })
}

async fn send(
    reach: &Reach,
    tasks: &mut Connections,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Response<Body>, String> {
    let stream = reach(PORT).await.map_err(|error| error.to_string())?;
    let shaken = handshake::<_, Body>(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
    // Those that ended are of no more interest.
    while tasks.try_join_next().is_some() {}
    tasks.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a program broke");
        }
    });
    let body = body.map_or_else(Body::empty, |value| Body::from(value.to_string()));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|error| error.to_string())?;
    let sent = sender.send_request(request).await;
    Ok(sent.map_err(|error| error.to_string())?.map(Body::new))
}

/// The lines of a turn. Waiting for one may be given up at any moment.
pub(super) struct Lines {
    from: BodyDataStream,
    read: BytesMut,
}

impl Lines {
    /// The next line; `None` at the end of the answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn next(&mut self) -> Result<Option<Line>, String> {
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.split_to(at + 1);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let line = serde_json::from_slice(&line);
                return line
                    .map(Some)
                    .map_err(|error| format!("a line of /turn: {error}"));
            }
            if self.read.len() > LONGEST {
                return Err("a line of /turn has no end".to_owned());
            }
            match self.from.next().await {
                Some(Ok(piece)) => self.read.extend_from_slice(&piece),
                Some(Err(error)) => return Err(format!("/turn broke off: {error}")),
                // The last line may lack its end.
                None if self.read.iter().any(|byte| !byte.is_ascii_whitespace()) => {
                    self.read.extend_from_slice(b"\n");
                }
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_however_they_are_cut() {
        let pieces = [
            "{\"seq\":1,\"ki",
            "nd\":\"x\"}\n\n",
            "{\"kind\":\"done\",\"reason\":\"quiescent\"}",
        ];
        let pieces = pieces.map(Ok::<_, std::io::Error>);
        let body = Body::from_stream(futures::stream::iter(pieces));
        let mut lines = Lines {
            from: body.into_data_stream(),
            read: BytesMut::new(),
        };
        let first = lines.next().await.unwrap().unwrap();
        assert_eq!((first.kind.as_str(), first.seq), ("x", Some(1)));
        let last = lines.next().await.unwrap().unwrap();
        assert_eq!(last.reason.as_deref(), Some("quiescent"));
        assert_eq!(lines.next().await, Ok(None));
        lines.read.extend_from_slice(b"no json\n");
        assert!(lines.next().await.is_err());
    }
}
