//! Why a command ended badly, and the number it ends with. Scripts rely on the
//! numbers: 1 here, 2 the command line, 3 refused by the server, 4 a conflict,
//! 5 the server's own fault, 6 to 9 a turn that did not complete, 130 interrupted.

use std::io;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::ended::Ended;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// Something here: a file, the network, a missing key.
    #[error("{0}")]
    Local(String),
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// The server answered with an error.
    #[error("{0}")]
    Api(#[from] Refused),
    /// Whoever read our output went away: no error to speak of.
    #[error("the output was closed")]
    Pipe,
    /// Something here, and it was told already.
    #[error("failed, as told above")]
    Silent,
    /// The turn that was waited for did not complete.
    #[error("{0}")]
    Turn(Ended),
    /// The user pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// An error the server answered with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", hint(.param.as_deref(), .request_id.as_deref()))]
pub(super) struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The stable word for programs.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// The field that is wrong.
    pub param: Option<String>,
    /// The name of the request in the server's log.
    pub request_id: Option<String>,
}

impl CliError {
    /// Something that was looked for here, among what the server listed, and that is
    /// not there: told as the server tells it.
    pub(super) fn nothing(message: String) -> Self {
        Self::from(Refused {
            status: 404,
            code: "not_found".to_owned(),
            message,
            param: None,
            request_id: None,
        })
    }
}

fn hint(param: Option<&str>, request: Option<&str>) -> String {
    let param = param.map(|name| format!(" [{name}]")).unwrap_or_default();
    let request = request.map(|id| format!(" ({id})")).unwrap_or_default();
    format!("{param}{request}")
}

impl Refused {
    /// Reads the error envelope; older layers send a bare string.
    pub(super) fn read(status: u16, body: &Value) -> Self {
        let error = &body["error"];
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        let message = text("message").or_else(|| error.as_str().map(str::to_owned));
        Self {
            status,
            code: text("code")
                .or_else(|| text("type"))
                .or_else(|| body["code"].as_str().map(str::to_owned))
                .unwrap_or_else(|| "http_error".to_owned()),
            message: message.unwrap_or_else(|| format!("the server answered {status}")),
            param: text("param"),
            request_id: text("request_id"),
        }
    }
}

impl CliError {
    /// The number the program ends with.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Local(_) | Self::Silent => 1,
            Self::Usage(_) => 2,
            Self::Api(refused) => match refused.status {
                409 => 4,
                500.. => 5,
                _ => 3,
            },
            Self::Pipe => 0,
            Self::Turn(ended) => ended.code(),
            Self::Interrupted => 130,
        }
    }

    /// The same as the program's end.
    pub(super) fn exit(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// The error as one JSON object.
    pub(super) fn json(&self) -> Value {
        let mut value = json!({ "error": self.to_string(), "code": self.code() });
        if let Self::Api(refused) = self {
            value["error"] = refused.message.as_str().into();
            value["status"] = refused.status.into();
            value["type"] = refused.code.as_str().into();
            value["param"] = refused.param.clone().into();
            value["request_id"] = refused.request_id.clone().into();
        }
        if let Self::Turn(ended) = self {
            value["yield_reason"] = ended.reason.as_str().into();
        }
        value
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            _ => Self::Local(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(status: u16) -> CliError {
        Refused::read(status, &json!({ "error": { "type": "t", "message": "m" } })).into()
    }

    #[test]
    fn each_kind_of_failure_has_its_own_number() {
        let table = [
            (CliError::Local("x".into()), 1),
            (CliError::Usage("x".into()), 2),
            (api(400), 3),
            (api(401), 3),
            (api(404), 3),
            (api(409), 4),
            (api(422), 3),
            (api(429), 3),
            (api(500), 5),
            (api(503), 5),
            (CliError::Pipe, 0),
            (CliError::Silent, 1),
            (CliError::Interrupted, 130),
        ];
        for (error, want) in table {
            assert_eq!(error.code(), want, "{error:?}");
        }
    }

    #[test]
    fn the_envelope_is_read_whole_and_older_forms_too() {
        let whole = json!({ "error": { "type": "invalid", "code": "invalid", "message": "no", "param": "limits.tokens", "request_id": "req_1" } });
        let refused = Refused::read(422, &whole);
        assert_eq!(refused.to_string(), "no [limits.tokens] (req_1)");
        assert_eq!(
            Refused::read(400, &json!({ "error": "plain" })).message,
            "plain"
        );
        assert_eq!(
            Refused::read(502, &Value::Null).message,
            "the server answered 502"
        );
        assert_eq!(Refused::read(502, &Value::Null).code, "http_error");
    }

    #[test]
    fn programs_get_the_parts_of_an_error_apart() {
        let value = api(409).json();
        assert_eq!(
            (value["error"].as_str(), value["code"].as_u64()),
            (Some("m"), Some(4))
        );
        assert_eq!(
            (value["status"].as_u64(), value["type"].as_str()),
            (Some(409), Some("t"))
        );
        assert_eq!(
            CliError::Local("no file".into()).json(),
            json!({ "error": "no file", "code": 1 })
        );
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(CliError::from(closed).code(), 0);
    }
}
