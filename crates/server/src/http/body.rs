//! Reading a body: with a limit on its size and on the time it may take.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::problem::{Code, Problem};

/// Most bytes of a body.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// Bytes beyond the limit that are read and dropped, so that a client that
/// writes first and reads later still gets its answer.
const DROPPED: usize = 4 * BODY_LIMIT;
/// Longest a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// The whole body.
///
/// # Errors
/// 413 if it is over the limit, 408 if it does not arrive, 400 if it breaks off.
pub async fn read(request: Request) -> Result<Bytes, Problem> {
    read_up_to(request, BODY_LIMIT).await
}

/// The whole body, of at most so many bytes.
///
/// # Errors
/// As [`read`].
pub async fn read_up_to(request: Request, most: usize) -> Result<Bytes, Problem> {
    let told = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let reading = collect(request.into_body(), told.unwrap_or(0), most);
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_| {
            let message = format!(
                "the body did not arrive within {} seconds",
                PATIENCE.as_secs()
            );
            Err(Problem::new(Code::Timeout, message))
        })
}

async fn collect(body: Body, told: usize, most: usize) -> Result<Bytes, Problem> {
    let mut parts = body.into_data_stream();
    if told > most {
        return Err(too_large(parts, 0, most).await);
    }
    let mut whole = BytesMut::with_capacity(told);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| {
            Problem::new(Code::Malformed, format!("the body broke off: {error}"))
        })?;
        if whole.len() + part.len() > most {
            return Err(too_large(parts, whole.len(), most).await);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

async fn too_large(mut rest: BodyDataStream, mut seen: usize, most: usize) -> Problem {
    while let Some(Ok(part)) = rest.next().await {
        seen += part.len();
        if seen > DROPPED {
            break;
        }
    }
    Problem::new(
        Code::TooLarge,
        format!("the body is over the limit of {most} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(parts: Vec<usize>, told: Option<usize>) -> Request {
        let parts = parts
            .into_iter()
            .map(|size| Ok::<_, std::io::Error>(vec![b'x'; size]));
        let body = Body::from_stream(futures::stream::iter(parts));
        let request = Request::builder();
        let request = match told {
            Some(told) => request.header(CONTENT_LENGTH, told),
            None => request,
        };
        request.body(body).unwrap()
    }

    #[tokio::test]
    async fn a_body_is_whole_or_too_large_whatever_it_says_of_itself() {
        let table = [
            (vec![], None, Ok(0)),
            (vec![3, 4], Some(7), Ok(7)),
            (vec![BODY_LIMIT], None, Ok(BODY_LIMIT)),
            (vec![BODY_LIMIT, 1], None, Err(Code::TooLarge)),
            (vec![BODY_LIMIT / 2; 3], None, Err(Code::TooLarge)),
            (vec![1], Some(BODY_LIMIT + 1), Err(Code::TooLarge)),
        ];
        for (parts, told, want) in table {
            let got = read(request(parts, told)).await;
            assert_eq!(
                got.map(|bytes| bytes.len()).map_err(|problem| problem.code),
                want
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let parts = [Ok("{"), Err(std::io::Error::other("reset"))];
        let body = Body::from_stream(futures::stream::iter(parts));
        let problem = read(Request::new(body)).await.unwrap_err();
        assert_eq!(problem.code, Code::Malformed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_given_up() {
        let body = Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>());
        assert_eq!(
            read(Request::new(body)).await.unwrap_err().code,
            Code::Timeout
        );
    }
}
