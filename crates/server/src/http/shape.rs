//! How each face words a problem: `v3` by its envelope, the older faces as their
//! clients read it. What is wrong is the same in all of them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Code, Problem};

/// The shape of a face's problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The envelope, for `v3` and all else.
    V3,
    /// `{"error": {"type", "message"}}`.
    V1,
    /// `{"error": "text", "code"}`.
    Sandboxes,
}

/// A problem of the sandbox face.
#[derive(Debug, Serialize, ToSchema)]
pub struct SandboxError {
    /// For people.
    error: String,
    /// For programs.
    code: &'static str,
}

/// A problem of the `v1` face.
#[derive(Debug, Serialize, ToSchema)]
pub struct V1Error {
    /// What went wrong.
    error: V1ErrorObject,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct V1ErrorObject {
    /// For programs.
    #[serde(rename = "type")]
    kind: &'static str,
    /// For people.
    message: String,
}

impl Shape {
    /// The shape of whatever is at that path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path.split('/').nth(1) {
            Some("api") => Self::Sandboxes,
            Some("v1") => Self::V1,
            _ => Self::V3,
        }
    }

    /// The status of a code: the older faces know no 422.
    #[must_use]
    pub fn status(self, code: Code) -> StatusCode {
        match (self, code.status()) {
            (Self::V1 | Self::Sandboxes, StatusCode::UNPROCESSABLE_ENTITY) => {
                StatusCode::BAD_REQUEST
            }
            (_, status) => status,
        }
    }

    /// The answer to the request of that id.
    pub fn answer(self, problem: Problem, request_id: &str) -> Response {
        let status = self.status(problem.code);
        match self {
            Self::V3 => (status, Json(problem.envelope(request_id))).into_response(),
            Self::V1 => {
                let error = V1ErrorObject {
                    kind: kind(problem.code, status),
                    message: problem.message,
                };
                (status, Json(V1Error { error })).into_response()
            }
            Self::Sandboxes => {
                let body = SandboxError {
                    code: problem.code.name(),
                    error: problem.message,
                };
                (status, Json(body)).into_response()
            }
        }
    }
}

/// The word of the `v1` face.
fn kind(code: Code, status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "invalid_request",
        StatusCode::INTERNAL_SERVER_ERROR => "internal_error",
        _ => code.name(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    async fn told(path: &str, problem: Problem) -> (u16, Value) {
        let answer = Shape::of(path).answer(problem, "req_1");
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), 10_000).await;
        (status, serde_json::from_slice(&bytes.unwrap()).unwrap())
    }

    #[tokio::test]
    async fn each_face_words_a_problem_as_its_clients_read_it() {
        let invalid = || Problem::invalid("name", "`name` is required");
        let text = "`name` is required";
        assert_eq!(
            told("/api/secret-stores", invalid()).await,
            (400, json!({ "error": text, "code": "invalid" }))
        );
        assert_eq!(
            told("/v1/agents/a/secrets", invalid()).await,
            (
                400,
                json!({ "error": { "type": "invalid_request", "message": text } })
            )
        );
        let (status, body) = told("/v3/agents", invalid()).await;
        assert_eq!((status, &body["error"]["param"]), (422, &json!("name")));
    }

    #[tokio::test]
    async fn the_words_of_v1_are_the_contract_s() {
        for (code, status, kind) in [
            (Code::Malformed, 400, "invalid_request"),
            (Code::Unauthorized, 401, "unauthorized"),
            (Code::NotFound, 404, "not_found"),
            (Code::Conflict, 409, "conflict"),
            (Code::Internal, 500, "internal_error"),
        ] {
            let (got, body) = told("/v1/agents", Problem::new(code, "x")).await;
            assert_eq!((got, &body["error"]["type"]), (status, &json!(kind)));
        }
    }

    #[test]
    fn a_face_is_told_by_the_first_part_of_the_path() {
        for (path, shape) in [
            ("/api/x", Shape::Sandboxes),
            ("/v1/x", Shape::V1),
            ("/v3/x", Shape::V3),
            ("/apis/x", Shape::V3),
            ("/", Shape::V3),
            ("", Shape::V3),
        ] {
            assert_eq!(Shape::of(path), shape, "{path}");
        }
    }
}
