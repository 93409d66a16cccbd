//! From `POST /v3/sessions` to `turn.completed` on an open stream, beside one
//! durable commit of this disk measured between the requests.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::figures::{ms, percentile, row, title};
use crate::server::Server;

const TURNS: usize = 300;

/// Runs on one thread, as the clients of browsers and Node do: a client whose own
/// threads wake each other for each answer adds that to every turn.
pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(turns());
}

async fn turns() {
    title("a turn without tools, over HTTP, rehearsal model");
    let server = Server::start();
    // What it does once when it starts is no part of a turn.
    server.keeps_sandboxes_warm().await;
    let agent = server.agent("bench").await;
    let disk = Disk::new(server.data.path());
    let (mut first, mut whole, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS + 20 {
        let began = Instant::now();
        let session = server.session(&agent, "hello").await;
        let mut stream = server.stream(&session, 0).await;
        stream.next().await;
        let seen = began.elapsed();
        stream.until("turn.completed").await;
        let done = began.elapsed();
        let commit = disk.commit();
        // The first ones warm caches and the connection up.
        if turn >= 20 {
            first.push(seen);
            whole.push(done);
            commits.push(commit);
        }
    }
    let commit = percentile(&mut commits, 50);
    for (what, samples) in [
        ("POST → first event, p50", &mut first),
        ("POST → turn.completed, p50", &mut whole),
    ] {
        let time = percentile(samples, 50);
        let ratio = time.as_secs_f64() / commit.as_secs_f64();
        row(
            what,
            &ms(time),
            &format!("{} commit", ms(commit)),
            ratio,
            "≤ 5 commits",
        );
    }
    let late = percentile(&mut whole, 99);
    row(
        "POST → turn.completed, p99",
        &ms(late),
        &ms(commit),
        late.as_secs_f64() / commit.as_secs_f64(),
        "–",
    );
}

/// One durable commit at a time on the disk under test.
pub struct Disk(Connection);

impl Disk {
    pub fn new(folder: &Path) -> Self {
        let db = Connection::open(folder.join("floor.db")).unwrap();
        db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(n INTEGER, text TEXT);").unwrap();
        Self(db)
    }

    pub fn commit(&self) -> Duration {
        let began = Instant::now();
        self.0
            .execute("INSERT INTO t VALUES(1, $1)", ["x".repeat(400)])
            .unwrap();
        began.elapsed()
    }
}
