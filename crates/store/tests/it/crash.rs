//! Killed at any moment: what was acknowledged is there, and nothing has a gap.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use store::{Created, EventQuery, Store};
use tokio::task::JoinSet;

use crate::bed::{Bed, ORG, new, next, seqs};

const CHILD: &str = "OC_TEST_CRASH";
const WRITERS: usize = 8;
const ACKNOWLEDGED: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    if let Some(folder) = std::env::var_os(CHILD) {
        write_for_ever(folder.as_ref()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let told = run_and_kill(folder.path());
        let store = open(folder.path()).await;
        for (session, seq) in told {
            let stored = store
                .events(
                    ORG,
                    &session,
                    EventQuery {
                        limit: 1_000_000,
                        ..EventQuery::default()
                    },
                )
                .await
                .unwrap();
            let head = store.session(ORG, &session).await.unwrap().head;
            assert!(
                head >= seq,
                "round {round}: {session} was told {seq} and has {head}"
            );
            assert_eq!(seqs(&stored), (1..=head).collect::<Vec<_>>());
        }
        store.close().await;
    }
}

async fn open(folder: &std::path::Path) -> Store {
    let bed = Bed {
        database: store::Database::Sqlite(folder.join("oc.db")),
        ..Bed::sqlite()
    };
    bed.open().await
}

/// Starts this test as the one that writes, and kills it in the middle. What it
/// told last of each session.
fn run_and_kill(folder: &std::path::Path) -> HashMap<String, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::what_was_acknowledged_survives_a_kill",
            "--nocapture",
        ])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = HashMap::new();
    let mut count = 0;
    let mut kill = false;
    // Lines still in the pipe after the kill count as well.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((session, seq)) = line
            .strip_prefix("told ")
            .and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        told.insert(session.to_owned(), seq.parse().unwrap());
        count += 1;
        if count >= ACKNOWLEDGED && !kill {
            kill = true;
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert_eq!(told.len(), WRITERS);
    told
}

async fn write_for_ever(folder: &std::path::Path) {
    let store = open(folder).await;
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let (store, session) = (store.clone(), format!("ses_{n}"));
        writers.spawn(async move {
            let mut head = match store.session(ORG, &session).await {
                Ok(row) => row.head,
                Err(_) => match store.create_session(new(&session)).await.unwrap() {
                    Created::New { row, .. } => row.head,
                    other => panic!("{other:?}"),
                },
            };
            loop {
                store.append(next(&session, head)).await.unwrap();
                head += 1;
                // One write, so that the kill cannot leave half a line.
                std::io::stdout()
                    .write_all(format!("told {session} {head}\n").as_bytes())
                    .unwrap();
            }
        });
    }
    writers.join_all().await;
}
