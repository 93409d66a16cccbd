//! From an error of the model to a failure in words for the user.

use brain::{ErrorKind, ModelError};
use session::Provider;
use session::fact::{Failure, Family};

/// What the user is told when the model could not be made to answer.
pub(super) fn of_model(error: &ModelError) -> Failure {
    let code = match error.kind {
        ErrorKind::Auth => "auth",
        ErrorKind::Spend => "spend_limit",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::BadRequest => "bad_request",
        ErrorKind::ContextFull => "context_full",
        ErrorKind::NotFound => "unknown_model",
        ErrorKind::Broken => "broken_stream",
        ErrorKind::Timeout => "timeout",
    };
    Failure {
        family: Family::Model,
        code: code.to_owned(),
        message: error.to_string(),
        retriable: error.retriable,
    }
}

/// The session was promised the server's own key, and there is none now.
pub(super) fn no_managed_key(provider: Provider) -> Failure {
    let variable = format!("{}_API_KEY", provider.name().to_uppercase());
    model(
        "no_credential",
        format!(
            "The server has no {} key any more: set {variable} and restart it.",
            provider.name()
        ),
    )
}

/// The session's credential was deleted.
pub(super) fn no_credential(id: &str) -> Failure {
    model(
        "no_credential",
        format!(
            "The credential {id} of this session no longer exists. Start a session with another one."
        ),
    )
}

fn model(code: &str, message: String) -> Failure {
    Failure {
        family: Family::Model,
        code: code.to_owned(),
        message,
        retriable: false,
    }
}
