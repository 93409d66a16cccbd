//! A crash in the middle of many turns: from the start of the next process to
//! the moment at which the last interrupted session moves again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tokio::task::JoinSet;

use crate::figures::{ms, plain, row, title};
use crate::server::Server;

const SESSIONS: usize = 1000;
/// Between two looks at the log: seldom, since a look takes a core from those
/// that are looked at.
const LOOK: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_secs(120);

pub async fn run() {
    title("1,000 sessions in a model call, kill -9, start");
    let mut empty = Server::start();
    let began = empty.crash();
    empty.listens();
    let floor = began.elapsed();
    drop(empty);

    let mut server = interrupted().await;
    let log = server.data.path().join("oc.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let log = Connection::open_with_flags(log, flags).unwrap();
    let began = server.crash();
    let counts = [1, SESSIONS / 10, SESSIONS / 2, SESSIONS * 9 / 10, SESSIONS];
    let times = counts.map(|count| (count, until(&log, began, count)));
    server.listens();
    for (count, time) in times {
        let what = format!("start → {count} sessions move");
        let ratio = time.as_secs_f64() / floor.as_secs_f64();
        let floor = format!("{} empty", ms(floor));
        row(&what, &ms(time), &floor, ratio, "–");
    }
    finished(&Arc::new(server)).await;
}

/// A server with that many sessions in the middle of a model call.
async fn interrupted() -> Server {
    let server = Arc::new(Server::start());
    let agent = server.agent("bench").await;
    let mut tasks = JoinSet::new();
    for n in 0..SESSIONS {
        // Long enough that none ends before the crash.
        let steps = json!([{ "say": format!("slowly {n}"), "chunks": 60, "chunk_ms": 500 }]);
        let input = format!("Bench.\n@steps\n{steps}");
        let (server, agent) = (server.clone(), agent.clone());
        tasks.spawn(async move {
            let session = server.session(&agent, &input).await;
            server.stream(&session, 0).await.until("turn.started").await;
        });
    }
    tasks.join_all().await;
    Arc::into_inner(server).unwrap()
}

/// Waits until so many sessions were taken up again, as the log tells: nobody
/// asks the server anything meanwhile.
#[expect(
    clippy::disallowed_methods,
    reason = "the log of another process tells nobody that it grew"
)]
fn until(log: &Connection, began: Instant, count: usize) -> Duration {
    let sql = "SELECT count(DISTINCT session) FROM events WHERE type = 'session.recovered'";
    let mut look = log.prepare_cached(sql).unwrap();
    loop {
        let found: i64 = look.query_row([], |row| row.get(0)).unwrap();
        let passed = began.elapsed();
        if found >= count as i64 {
            return passed;
        }
        assert!(passed < LONGEST, "{found} of {count} after {passed:?}");
        std::thread::sleep(LOOK);
    }
}

/// Every session comes to its end, and says what it would have said.
async fn finished(server: &Arc<Server>) {
    let list = server.get("/v3/sessions?limit=100").await;
    let some = list["data"].as_array().unwrap();
    let mut tasks = JoinSet::new();
    for session in some {
        let (server, id) = (server.clone(), session["id"].as_str().unwrap().to_owned());
        tasks.spawn(async move {
            let mut stream = server.stream(&id, 0).await;
            let end = stream.until("turn.completed").await;
            assert!(end.contains("\"completed\""), "{end}");
        });
    }
    let count = tasks.len();
    tasks.join_all().await;
    plain(
        "of 100 looked at, came to their end",
        &count.to_string(),
        "100",
    );
}
