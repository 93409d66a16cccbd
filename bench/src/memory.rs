//! Memory of the server: with 1,000 sessions in a turn at once, and with
//! 100,000 idle sessions in its file beside an empty one.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::figures::{plain, title};
use crate::server::Server;
use crate::{appends, history};

const RUNNING: usize = 1000;
const IDLE: usize = 100_000;

pub async fn run() {
    title("memory of the server");
    let server = Server::start();
    let empty = server.memory();
    plain("just started", &mib(empty), "figure");
    running(server).await;
    idle(empty).await;
}

async fn running(server: Server) {
    let server = Arc::new(server);
    let agent = server.agent("bench").await;
    let steps = json!([{ "say": "slowly", "chunks": 60, "chunk_ms": 1000 }]);
    let input = format!("Bench.\n@steps\n{steps}");
    let mut tasks = JoinSet::new();
    for _ in 0..RUNNING {
        let (server, agent, input) = (server.clone(), agent.clone(), input.clone());
        tasks.spawn(async move {
            let session = server.session(&agent, &input).await;
            server.stream(&session, 0).await.until("turn.started").await;
        });
    }
    tasks.join_all().await;
    plain(
        "1,000 sessions in a turn",
        &mib(server.memory()),
        "≤ 256 MiB",
    );
}

async fn idle(empty: u64) {
    let data = tempfile::tempdir_in(".").unwrap();
    let (store, org) = history::open(data.path()).await;
    let mut tasks = JoinSet::new();
    for part in 0..64 {
        let (store, org) = (store.clone(), org.clone());
        tasks.spawn(async move {
            for n in (part..IDLE).step_by(64) {
                appends::session(&store, &org, n).await;
            }
        });
    }
    tasks.join_all().await;
    store.close().await;
    drop(store);
    let server = Server::on(data);
    server.agent("one").await;
    let full = server.memory();
    let figure = format!(
        "{} ({:+.1} MiB)",
        mib(full),
        (full as f64 - empty as f64) / f64::from(1 << 20)
    );
    plain("100,000 idle sessions in the file", &figure, "no growth");
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
