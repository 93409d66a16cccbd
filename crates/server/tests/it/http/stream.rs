//! The live log: framing, resuming, filters, and how a stream ends.

use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{OK, refused, rested};
use crate::harness::{KEY, PATIENCE, Server, Stream, is};

fn stream(server: &Server, session: &str, query: &str) -> RequestBuilder {
    server
        .http()
        .get(server.at(&format!("/v3/sessions/{session}/events?stream=sse&{query}")))
        .bearer_auth(KEY)
}

/// All events from here to the end of the stream.
async fn rest(mut stream: Stream) -> Vec<Value> {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    events
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect()
}

async fn archive(server: &Server, session: &str) {
    server
        .post(&format!("/v3/sessions/{session}/archive"), json!({}))
        .await;
}

#[tokio::test]
async fn a_frame_is_id_and_data_with_plain_line_feeds_and_no_event_name() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    archive(&server, &session).await;
    let answer = stream(&server, &session, "").send().await.unwrap();
    let header = |headers: &HeaderMap, name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(
        header(answer.headers(), "content-type"),
        "text/event-stream"
    );
    assert_eq!(header(answer.headers(), "cache-control"), "no-cache");
    assert_eq!(header(answer.headers(), "x-accel-buffering"), "no");
    assert_eq!(header(answer.headers(), "access-control-allow-origin"), "*");
    let text = answer.text().await.unwrap();
    let listed = server.events(&session).await;
    let want: String = listed
        .iter()
        .map(|event| format!("id: {}\ndata: ", event["seq"]))
        .collect();
    let mut got = String::new();
    for (frame, event) in text.split_inclusive("\n\n").zip(&listed) {
        let (head, data) = frame.split_at(frame.find('{').unwrap());
        got.push_str(head);
        assert_eq!(
            &serde_json::from_str::<Value>(data).unwrap(),
            event,
            "the frame is the event of the list"
        );
        assert!(
            data.ends_with("}\n\n") && data.matches('\n').count() == 2,
            "{data:?}"
        );
    }
    assert_eq!(got, want);
    assert!(
        text.ends_with("retry: 60000\n\n"),
        "a closed session asks readers to stay away"
    );
    assert!(!text.contains('\r'));
}

#[tokio::test]
async fn a_reader_goes_on_behind_the_higher_of_its_two_places() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    archive(&server, &session).await;
    let all = seqs(&server.events(&session).await);
    for (after, last, want) in [
        ("0", None, 0),
        ("3", None, 3),
        ("0", Some("2"), 2),
        ("4", Some("2"), 4),
        ("2", Some("4"), 4),
    ] {
        let mut request = stream(&server, &session, &format!("after={after}"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let events = rest(Stream::open(request).await).await;
        assert_eq!(seqs(&events), all[want..], "after={after} {last:?}");
    }
    let end = stream(&server, &session, &format!("after={}", all.len()));
    assert_eq!(
        rest(Stream::open(end).await).await,
        Vec::<Value>::new(),
        "nothing is left, and the stream ends"
    );
}

#[tokio::test]
async fn a_place_that_is_none_is_refused_before_the_stream() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    for bad in ["x", "-1", "1.5", "99999999999999999999999"] {
        let path = format!("/v3/sessions/{session}/events?stream=sse&after={bad}");
        assert_eq!(
            refused(&server, Method::GET, &path, None, 400).await["param"],
            "after"
        );
        let request = stream(&server, &session, "").header("Last-Event-ID", bad);
        let answer = request.timeout(PATIENCE).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 400);
        assert_eq!(
            answer.json::<Value>().await.unwrap()["error"]["param"],
            "Last-Event-ID"
        );
    }
    let unknown = "/v3/sessions/ses_none/events?stream=sse";
    refused(&server, Method::GET, unknown, None, 404).await;
}

#[tokio::test]
async fn a_filtered_stream_shows_what_the_filtered_list_shows() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    archive(&server, &session).await;
    for query in [
        "level=user",
        "level=progress",
        "type=turn.*",
        "type=*.message&level=user",
        "type=nothing",
    ] {
        let listed = server
            .get(&format!("/v3/sessions/{session}/events?{query}"))
            .await;
        let events = rest(Stream::open(stream(&server, &session, query)).await).await;
        assert_eq!(listed["data"], Value::Array(events), "{query}");
    }
}

#[tokio::test]
async fn what_is_there_and_what_comes_is_one_stream_without_gap_or_repeat() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let mut live = server.follow(&session, 0).await;
    let first = live.next().await.unwrap();
    assert_eq!(first["seq"], 1);
    for n in 0..5 {
        server.say(&session, &format!("message {n}")).await;
    }
    archive(&server, &session).await;
    let mut all = vec![first];
    all.extend(rest(live).await);
    assert_eq!(all, server.events(&session).await);
}

#[tokio::test]
async fn many_readers_all_get_everything() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let readers = futures::future::join_all((0..50).map(|_| server.follow(&session, 0))).await;
    server.say(&session, "to all").await;
    server.turn_end(&session, 2).await;
    archive(&server, &session).await;
    let want = server.events(&session).await;
    for got in futures::future::join_all(readers.into_iter().map(rest)).await {
        assert_eq!(got, want);
    }
}

#[tokio::test]
async fn a_silent_stream_pings() {
    let server = Server::with(&[("OC_HEARTBEAT_SECONDS", "1")]);
    let (session, _) = rested(&server).await;
    let head = server.events(&session).await.len() as u64;
    let mut quiet = server.follow(&session, head).await;
    for _ in 0..2 {
        assert_eq!(quiet.frame().await.as_deref(), Some(": ping"));
    }
}

#[tokio::test]
async fn pieces_of_an_answer_are_named_frames_for_those_who_ask() {
    let server = Server::start();
    let session = server
        .play(
            json!([{ "say": "hello", "call": [{ "tool": "ask", "args": { "text": "go?" } }] },
        { "say": "one two three four", "chunks": 4, "chunk_ms": 5 }]),
        )
        .await;
    server.turn_end(&session, 1).await;
    let head = server.events(&session).await.len();
    let mut plain = server.follow(&session, head as u64).await;
    let mut asking =
        Stream::open(stream(&server, &session, &format!("deltas=1&after={head}"))).await;
    server.say(&session, "go").await;
    let (mut pieces, mut finished) = (String::new(), None);
    while finished.is_none() {
        let frame = asking.frame().await.unwrap();
        if let Some(data) = frame.strip_prefix("event: delta\ndata: ") {
            let delta: Value = serde_json::from_str(data).unwrap();
            assert!(!frame.contains("id:"), "a piece is no place to go on from");
            if delta["kind"] == "text" {
                pieces.push_str(delta["text"].as_str().unwrap());
            }
        } else if let Some((_, data)) = frame.split_once("data: ") {
            let event: Value = serde_json::from_str(data).unwrap();
            finished = is("agent.message")(&event)
                .then(|| event["body"]["text"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(finished.as_deref(), Some(pieces.as_str()));
    loop {
        let frame = plain.frame().await.unwrap();
        assert!(!frame.contains("event:"), "{frame}");
        if frame.contains("turn.completed") {
            break;
        }
    }
}

/// What a stream tells that is opened with a token of an hour short before that
/// has passed: the server starts again with a clock that is so far on.
async fn open_late(server: &mut Server, query: &str) -> String {
    let minted = Instant::now();
    // On a machine with much to do starting takes long: then once more, earlier.
    for left in [2, 8, 32].map(Duration::from_secs) {
        let jump = Duration::from_secs(3600) - minted.elapsed() - left;
        server.kill9();
        server.set("OC_DRILL_CLOCK", &format!("0:{}", jump.as_millis()));
        server.launch();
        let open = server.http().get(server.at(query)).timeout(PATIENCE);
        let open = open.send().await.unwrap();
        if open.status().is_success() {
            return open.text().await.unwrap();
        }
    }
    panic!("the token opens nothing after a restart")
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let mut server = Server::start();
    let (session, token) = rested(&server).await;
    let query = format!("/v3/sessions/{session}/events?stream=sse&token={token}");
    let text = open_late(&mut server, &query).await;
    let last = server.events(&session).await.pop().unwrap();
    assert!(text.contains(last["id"].as_str().unwrap()), "{text}");
    let answer = server
        .http()
        .get(server.at(&query))
        .timeout(PATIENCE)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 401);
}

#[tokio::test]
async fn a_draining_node_sends_its_readers_away_with_a_hint() {
    let mut server = Server::start();
    let (session, _) = rested(&server).await;
    let head = server.events(&session).await.len() as u64;
    let mut open = server.follow(&session, head).await;
    let ended = tokio::task::spawn_blocking(move || server.terminate());
    assert_eq!(open.frame().await.as_deref(), Some("retry: 1000"));
    assert_eq!(open.frame().await, None);
    assert!(ended.await.unwrap(), "the server ended well");
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_the_others_nothing() {
    let server = Server::start();
    let (session, _) = rested(&server).await;
    let stuck = stream(&server, &session, "").send().await.unwrap();
    assert_eq!(stuck.status(), OK);
    let big = "y".repeat(20_000);
    for _ in 0..40 {
        server.say(&session, &big).await;
    }
    archive(&server, &session).await;
    let events = rest(server.follow(&session, 0).await).await;
    assert_eq!(events, server.events(&session).await);
    let mut late = stuck.bytes_stream();
    let mut text = Vec::new();
    while let Some(part) = late.next().await {
        text.extend_from_slice(&part.unwrap());
    }
    let frames = String::from_utf8(text).unwrap().matches("id: ").count();
    assert_eq!(
        frames,
        events.len(),
        "and in its own time it gets everything"
    );
}
