//! What the gate itself answers: JSON that says what is wrong and what to do,
//! for a program or an agent to read. Names of secrets and hosts, never values.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::swap::Stop;

/// A server's body as it comes, or our own.
pub(super) type Body = Either<Incoming, Full<Bytes>>;

/// An answer of our own.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: &str) -> Refusal {
        Refusal {
            status,
            code,
            message: message.to_owned(),
        }
    }
}

impl From<Refusal> for Response<Body> {
    fn from(refusal: Refusal) -> Response<Body> {
        let error = json!({
            "code": refusal.code,
            "message": refusal.message,
            "from": "opencomputer gate",
        });
        let body = format!("{}\n", json!({ "error": error }));
        let mut response = Response::new(Either::Right(Full::from(body)));
        *response.status_mut() = refusal.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

/// Why a token stopped a request to `host`.
pub(super) fn stopped(stop: &Stop, host: &str) -> Refusal {
    let message = match stop {
        Stop::Unknown => {
            "The request carries a sealed token (osb_sealed_…) that does not belong to \
            this sandbox or is no longer valid. Use the one that is in this sandbox's environment."
                .to_owned()
        }
        Stop::NotHere { name, hosts } => format!(
            "The secret {name} may go to {} and not to {host}. To allow it, add {host} to the \
             secret's allowed hosts.",
            hosts.join(", ")
        ),
        Stop::Plain { name } => {
            format!("The secret {name} is put into encrypted requests only. Use https://{host}.")
        }
        Stop::Gone { name } => {
            format!("The secret {name} has been deleted or cannot be read. Set it again.")
        }
        Stop::Unfit { name } => format!(
            "The value of the secret {name} has characters that a header cannot carry (a line \
             break?). Set it again without them."
        ),
    };
    Refusal::new(StatusCode::FORBIDDEN, "sealed_token_refused", &message)
}

/// The request is for another host than the connection.
pub(super) fn misdirected(name: &str) -> Refusal {
    let message = format!(
        "This connection is to {name} and the request names another host, or none, or two. Send \
         it over a connection of its own."
    );
    Refusal::new(StatusCode::MISDIRECTED_REQUEST, "host_mismatch", &message)
}

/// The host is not on the allowlist.
pub(super) fn unlisted(host: &str) -> Refusal {
    let message = format!("This sandbox may not reach {host}: it is not on its egress allowlist.");
    Refusal::new(StatusCode::FORBIDDEN, "egress_denied", &message)
}

/// No answer came from the server.
pub(super) fn unanswered(host: &str, why: &str) -> Refusal {
    let message = format!("The gate got no answer from {host}: {why}.");
    Refusal::new(StatusCode::BAD_GATEWAY, "upstream_failed", &message)
}
