//! Receivers that are down, slow, wrong or hostile, and servers that die.

use std::time::Duration;

use serde_json::{Value, json};

use super::receiver::{Receiver, never, ready, slowly, status};
use super::{OPEN, all_delivered, says, start, until_listed, visible};
use crate::harness::Server;

fn told(receiver: &Receiver) -> Value {
    json!({ "destinations": [{ "url": receiver.url(), "level": "internal" }] })
}

fn deliveries(session: &str) -> String {
    format!("/v3/sessions/{session}/deliveries")
}

#[tokio::test]
async fn a_failed_attempt_is_made_again_and_those_behind_it_go_on() {
    let server = Server::with(&OPEN);
    let receiver =
        Receiver::answering(|_, got| ready(status(if got.seq() == 2 { 500 } else { 200 }))).await;
    let session = start(&server, &says("one"), told(&receiver)).await;
    server.turn_end(&session, 1).await;
    let want = visible(&server, &session, "internal").await;
    let all = until_listed(&server, &deliveries(&session), |all| {
        all.len() == want.len() && all.iter().any(|one| one["status"] == "dead_letter")
    })
    .await;
    let dead: Vec<_> = all
        .iter()
        .filter(|one| one["status"] != "delivered")
        .collect();
    assert_eq!(dead.len(), 1, "{all:?}");
    assert_eq!(
        (
            &dead[0]["event_seq"],
            &dead[0]["attempts"],
            &dead[0]["response_code"]
        ),
        (&json!(2), &json!(8), &json!(500))
    );
    assert_eq!(dead[0]["error"], "status 500");
    let got = receiver.got();
    let tries: Vec<_> = got.iter().filter(|one| one.seq() == 2).collect();
    assert_eq!(tries.len(), 8);
    assert!(tries.iter().all(|one| one.body == tries[0].body));
    assert_eq!(got.len(), want.len() + 7);
    let made = server
        .get(&format!("/v3/sessions/{session}/destinations"))
        .await;
    assert_eq!(made["data"][0]["failing"]["error"], "status 500");
}

#[tokio::test]
async fn a_receiver_that_is_down_for_a_while_gets_everything_later() {
    let server = Server::with(&OPEN);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/");
    let extra = json!({ "destinations": [{ "url": url, "level": "internal" }] });
    let session = start(&server, &says("one"), extra).await;
    server.turn_end(&session, 1).await;
    until_listed(&server, &deliveries(&session), |all| {
        all.iter()
            .all(|one| one["status"] == "failed" && one["attempts"].as_u64() >= Some(2))
    })
    .await;
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let receiver = Receiver::on(listener, |_, _| ready(status(204)));
    let want = visible(&server, &session, "internal").await;
    let all = all_delivered(&server, &deliveries(&session), want.len()).await;
    assert!(all.iter().all(|one| one["error"].is_null()), "{all:?}");
    assert_eq!(receiver.got().len(), want.len());
}

#[tokio::test]
async fn redirects_are_not_followed_and_a_huge_answer_is_not_read() {
    let server = Server::with(&OPEN);
    let elsewhere = Receiver::start().await;
    let to = elsewhere.url();
    let receiver = Receiver::answering(move |n, _| {
        let mut answer = status(if n == 0 { 307 } else { 200 });
        answer.headers_mut().insert("location", to.parse().unwrap());
        if n > 0 {
            let endless =
                futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1 << 16]));
            *answer.body_mut() = axum::body::Body::from_stream(endless);
        }
        ready(answer)
    })
    .await;
    let extra = json!({ "webhook": receiver.url() });
    let session = start(&server, &says("one"), extra).await;
    server.turn_end(&session, 1).await;
    let want = visible(&server, &session, "user").await;
    let all = all_delivered(&server, &deliveries(&session), want.len()).await;
    let attempts: u64 = all
        .iter()
        .map(|one| one["attempts"].as_u64().unwrap())
        .sum();
    assert_eq!(attempts, want.len() as u64 + 1);
    assert!(elsewhere.got().is_empty());
}

#[tokio::test]
async fn who_hangs_holds_up_neither_sessions_nor_others() {
    let env = [OPEN[0], OPEN[1], ("OC_DELIVERY_SECONDS", "2")];
    let server = Server::with(&env);
    let hanging =
        Receiver::answering(|n, _| if n < 2 { never() } else { ready(status(200)) }).await;
    let well = Receiver::start().await;
    let stuck = start(&server, &says("one"), told(&hanging)).await;
    hanging.until(1).await;
    let session = start(&server, &says("two"), told(&well)).await;
    server.turn_end(&session, 1).await;
    server.turn_end(&stuck, 1).await;
    let want = visible(&server, &session, "internal").await;
    well.until(want.len()).await;
    assert!(hanging.got().len() <= 2, "one at a time");
    let all = all_delivered(&server, &deliveries(&stuck), want.len()).await;
    let twice = all.iter().filter(|one| one["attempts"] == 2);
    assert_eq!(twice.count(), 2);
}

#[tokio::test]
async fn a_late_answer_is_an_answer_and_retry_after_is_heeded() {
    let server = Server::with(&OPEN);
    let receiver = Receiver::answering(|n, _| match n {
        0 => {
            let mut busy = status(429);
            busy.headers_mut()
                .insert("retry-after", "1".parse().unwrap());
            ready(busy)
        }
        _ => slowly(Duration::from_millis(300), 202),
    })
    .await;
    let session = start(&server, &says("one"), json!({ "webhook": receiver.url() })).await;
    server.turn_end(&session, 1).await;
    let want = visible(&server, &session, "user").await;
    let all = all_delivered(&server, &deliveries(&session), want.len()).await;
    let got = receiver.got();
    let moment = |n: usize| got[n].header("webhook-timestamp").parse::<i64>().unwrap();
    let first = got
        .iter()
        .rposition(|one| one.seq() == got[0].seq())
        .unwrap();
    assert!(first > 0 && moment(first) > moment(0), "a second later");
    assert!(all.iter().all(|one| one["response_code"] == 202));
}

#[tokio::test]
async fn addresses_of_this_machine_are_refused_by_name_too() {
    let server = Server::with(&[("OC_DELIVERY_RETRY_MS", "20")]);
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    let extra = json!({ "webhook": format!("https://localhost:{port}/") });
    let session = start(&server, &says("one"), extra).await;
    let all = until_listed(&server, &deliveries(&session), |all| {
        !all.is_empty() && all.iter().all(|one| one["status"] == "dead_letter")
    })
    .await;
    assert!(
        all.iter().all(|one| one["error"] == "refused: loopback"),
        "{all:?}"
    );
    assert!(receiver.got().is_empty());
}

// The receiver goes on while the test waits for the end of a process.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_it_was_written_down_comes_again_after_a_crash() {
    let point = [OPEN[0], OPEN[1], ("OC_DRILL_POINT", "delivery.sent:1")];
    let mut server = Server::with(&point);
    let receiver = Receiver::start().await;
    let session = start(&server, &says("one"), told(&receiver)).await;
    server.died();
    let before = receiver.got();
    assert!(!before.is_empty());
    server.disarm();
    server.launch();
    server.turn_end(&session, 1).await;
    let want = visible(&server, &session, "internal").await;
    all_delivered(&server, &deliveries(&session), want.len()).await;
    let got = receiver.got();
    let mut first = Vec::new();
    for one in &got {
        if !first.contains(&one.seq()) {
            first.push(one.seq());
        }
    }
    assert_eq!(first, want, "none is lost, and first arrivals are in order");
    let again = got
        .iter()
        .filter(|one| one.header("webhook-id") == before[0].header("webhook-id"));
    assert_eq!(again.count(), 2, "the one that was not written down");
}
