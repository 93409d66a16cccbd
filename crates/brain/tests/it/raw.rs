//! Streams no rehearsal plays: written by hand, byte by byte, to a real socket.

use std::time::Duration;

use brain::{Delta, ErrorKind, Patience};
use serde_json::{Value, json};
use session::Stop;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::hall::{MODELS, ask, models, patience, think, user};

/// Answers each request with the pieces that are next and then stalls; answers
/// with the last ones again and again, and closes. Gives the requests as they came.
pub async fn each(answers: Vec<Vec<Vec<u8>>>) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        let mut stalled = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = tell.try_send(request(&mut socket).await);
            let last = answers.len() == 1;
            let pieces = answers.peek().cloned().unwrap();
            for piece in &pieces {
                socket.write_all(piece).await.unwrap();
            }
            if !last {
                answers.next();
                stalled.push(socket);
            }
        }
    });
    (url, asked)
}

/// A whole request, head and body.
async fn request(socket: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let read = socket.read(&mut part).await.unwrap();
        all.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&all);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if read == 0 || length.is_some_and(|length| body.len() >= length.parse().unwrap()) {
            return all;
        }
    }
}

/// Answers one request with these pieces, each flushed on its own, and then
/// keeps the connection or closes it.
pub async fn serve(pieces: Vec<Vec<u8>>, close: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        for piece in pieces {
            socket.write_all(&piece).await.unwrap();
            socket.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        if !close {
            std::future::pending::<()>().await;
        }
    });
    url
}

pub fn head(status: &str, kind: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\nrequest-id: req_raw\r\n\r\n")
        .into_bytes()
}

fn events(events: &[Value]) -> String {
    let lines = events
        .iter()
        .map(|event| format!("event: x\r\ndata: {event}\r\n\r\n"));
    format!(": hello\n\n{}", lines.collect::<String>())
}

fn anthropic() -> Vec<Value> {
    vec![
        json!({ "type": "message_start", "message": { "usage": { "input_tokens": 3 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "häl" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "lo" } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "pause_turn" }, "usage": { "output_tokens": 2 } }),
        json!({ "type": "message_stop" }),
    ]
}

#[tokio::test]
async fn however_the_bytes_are_cut_the_answer_is_the_same() {
    let text = events(&anthropic());
    for size in [1, 2, 3, 7, 64, 100_000] {
        let mut pieces = vec![head("200 OK", "text/event-stream")];
        pieces.extend(text.as_bytes().chunks(size).map(<[u8]>::to_vec));
        let models = models(&serve(pieces, false).await, patience());
        let (reply, _) = think(&models, ask(MODELS[0], vec![user(1, "hi")])).await;
        let reply = reply.unwrap();
        assert_eq!((reply.text.as_str(), reply.stop), ("hällo", Stop::Pause));
        assert_eq!(reply.usage.unwrap().total(), 5);
        assert_eq!(reply.request_id.as_deref(), Some("req_raw"));
    }
}

#[tokio::test]
async fn a_stalled_stream_is_asked_for_again_with_the_same_bytes() {
    let short = Patience {
        gap: Duration::from_millis(100),
        ..patience()
    };
    let item = json!({ "type": "message", "content": [{ "type": "output_text", "text": "hi" }] });
    let openai = vec![
        json!({ "type": "response.output_item.done", "item": item }),
        json!({ "type": "response.completed", "response": {} }),
    ];
    for (model, whole) in [(MODELS[0], anthropic()), (MODELS[2], openai)] {
        let stream = || head("200 OK", "text/event-stream");
        let stalled = vec![stream(), events(&whole[..1]).into()];
        let last = vec![stream(), events(&whole).into()];
        let (url, mut asked) = each(vec![stalled.clone(), stalled, last]).await;
        let (reply, told) = think(&models(&url, short), ask(model, vec![user(1, "hi")])).await;
        assert!(reply.is_ok(), "{model}: {reply:?}");
        let stalls = told.iter().filter(|delta| match delta {
            Delta::Retry { why, .. } => why.contains("stopped sending"),
            _ => false,
        });
        assert_eq!(stalls.count(), 2, "{model}: {told:?}");
        let first = asked.recv().await.unwrap();
        assert!(!first.is_empty());
        for _ in 0..2 {
            assert_eq!(asked.recv().await.unwrap(), first, "{model}");
        }
    }
}

#[tokio::test]
async fn streams_that_go_wrong_are_known_for_what_they_are() {
    let once = Patience {
        attempts: 1,
        gap: Duration::from_millis(100),
        ..Patience::default()
    };
    let overloaded =
        json!({ "type": "error", "error": { "type": "overloaded_error", "message": "busy" } });
    let late = [anthropic()[..3].to_vec(), vec![overloaded]].concat();
    let stream = || head("200 OK", "text/event-stream");
    for (pieces, close, kind, words) in [
        (
            vec![stream(), events(&anthropic()[..4]).into()],
            true,
            ErrorKind::Broken,
            "ended before",
        ),
        (
            vec![stream(), events(&anthropic()[..4]).into()],
            false,
            ErrorKind::Timeout,
            "stopped sending",
        ),
        (
            vec![stream(), events(&late).into()],
            false,
            ErrorKind::Overloaded,
            "busy",
        ),
        (
            vec![stream(), "data: {}\n\n".into()],
            true,
            ErrorKind::Broken,
            "cannot be read",
        ),
        (
            vec![head("200 OK", "text/html"), "<html>".into()],
            true,
            ErrorKind::Broken,
            "ended before",
        ),
        (
            vec![head("502 Bad Gateway", "text/html"), "<html>".into()],
            true,
            ErrorKind::Overloaded,
            "502",
        ),
        (
            vec![head(
                "302 Found\r\nlocation: http://127.0.0.1:1/",
                "text/html",
            )],
            true,
            ErrorKind::BadRequest,
            "302",
        ),
        (
            vec![b"no http at all\r\n\r\n".to_vec()],
            true,
            ErrorKind::Broken,
            "broke",
        ),
        (vec![], true, ErrorKind::Broken, "broke"),
    ] {
        let models = models(&serve(pieces, close).await, once);
        let (reply, _) = think(&models, ask(MODELS[0], vec![user(1, "hi")])).await;
        let error = reply.unwrap_err();
        assert_eq!(error.kind, kind, "{words}: {error}");
        assert!(error.message.contains(words), "{words}: {error}");
    }
}

#[tokio::test]
async fn an_openai_stream_is_read_however_it_is_cut_and_may_break_off_by_name() {
    let item = json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "häl" }] });
    let done = json!({ "type": "response.output_item.done", "item": item });
    let usage = json!({ "input_tokens": 9, "output_tokens": 1, "input_tokens_details": { "cached_tokens": 8 } });
    let completed = json!({ "type": "response.completed", "response": { "usage": usage } });
    for size in [1, 5, 100_000] {
        let text = events(&[done.clone(), completed.clone()]);
        let mut pieces = vec![head("200 OK", "text/event-stream")];
        pieces.extend(text.as_bytes().chunks(size).map(<[u8]>::to_vec));
        let models = models(&serve(pieces, false).await, patience());
        let (reply, _) = think(&models, ask(MODELS[2], vec![user(1, "hi")])).await;
        let reply = reply.unwrap();
        assert_eq!((reply.text.as_str(), reply.stop), ("häl", Stop::EndTurn));
        assert_eq!(reply.raw.as_ref(), format!("[{item}]"));
        assert_eq!(reply.usage.unwrap().cache_read, 8);
    }
    let failed = json!({ "type": "response.failed", "response": { "error": { "code": "insufficient_quota", "message": "empty" } } });
    let pieces = vec![
        head("200 OK", "text/event-stream"),
        events(&[done, failed]).into(),
    ];
    let models = models(&serve(pieces, false).await, patience());
    let (reply, told) = think(&models, ask(MODELS[2], vec![user(1, "hi")])).await;
    assert_eq!(reply.unwrap_err().kind, ErrorKind::Spend);
    assert!(told.is_empty(), "a spend limit is not retried: {told:?}");
}
