//! A server that is killed, and the next one on the same folder.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hands::{Exec, Hands, Known, Pieces, Started};

use crate::support::{Folder, config, no_dial, no_resolve, run, says, text};

/// A server that has started `line` as `exec` for `owner`; and its sandbox's id.
fn server(dir: &Path, owner: &str, exec: &str, line: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hands-launcher"))
        .args(["hold", dir.to_str().unwrap(), owner, exec, line])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut id = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut id)
        .unwrap();
    (child, id.trim().to_owned())
}

fn kill(mut server: Child) {
    server.kill().unwrap();
    server.wait().unwrap();
}

const LINE: &str = "echo run >> log; test -e /tmp/gate || mkfifo /tmp/gate; \
    echo before; cat /tmp/gate; echo after; cat log";

#[tokio::test]
async fn a_command_outlives_its_server_and_is_found_again_by_the_next() {
    let dir = Folder::new();
    let (first, id) = server(dir.path(), "a", "x", LINE);
    kill(first);
    // The next server asks for the same thing, as one that recovers does.
    let (second, same) = server(dir.path(), "a", "x", LINE);
    assert_eq!(same, id);
    kill(second);
    let hands = Hands::open(config(dir.path()), no_dial(), no_resolve(), Pieces::none())
        .await
        .unwrap();
    let found = hands.obtain("a", None, None).await.unwrap();
    assert_eq!((found.started, found.fresh), (Started::Found, false));
    let sandbox = found.sandbox;
    assert_eq!(sandbox.id(), id);
    assert!(matches!(
        sandbox.known("x").await.unwrap(),
        Known::Running { .. }
    ));
    says(
        &sandbox,
        "until test -p /tmp/gate; do :; done; echo gate > /tmp/gate",
    )
    .await;
    let receipt = sandbox.exec(Exec::shell("x", LINE), None).await.unwrap();
    assert_eq!(text(&receipt), "before\ngate\nafter\nrun\n");
    // What was warm there is warm here.
    let stats = hands.stats();
    assert!(
        stats.alive >= 1 && stats.warm + 1 == stats.alive,
        "{stats:?}"
    );
    hands.reap(&Default::default()).await;
    hands.close().await;
    end_of(dir).await;
}

/// Ends what is left: warm sandboxes are nobody's, and reaping is about owners.
async fn end_of(dir: Folder) {
    let hands = Hands::open(config(dir.path()), no_dial(), no_resolve(), Pieces::none())
        .await
        .unwrap();
    while hands.stats().warm > 0 {
        hands.obtain("end", None, None).await.unwrap();
        hands.destroy("end").await.unwrap();
    }
    assert_eq!(hands.stats().alive, 0);
    hands.close().await;
}

#[tokio::test]
async fn what_is_left_of_a_dead_sandbox_is_cleared_away() {
    let dir = Folder::new();
    let (first, id) = server(dir.path(), "a", "x", "echo $$; sleep 600");
    kill(first);
    let state = dir.path().join("sandboxes").join(&id).join("state.json");
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
    let pid = state["pid"].as_i64().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    let stat = format!("/proc/{pid}/stat");
    while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        tokio::task::yield_now().await;
    }
    // Half a start: a folder in which no sandbox ever ran.
    std::fs::create_dir(dir.path().join("sandboxes/sbx_half")).unwrap();
    let hands = Hands::open(config(dir.path()), no_dial(), no_resolve(), Pieces::none())
        .await
        .unwrap();
    let again = hands.obtain("a", None, None).await.unwrap();
    assert!(again.fresh && again.sandbox.id() != id);
    assert_eq!(text(&run(&again.sandbox, "ls").await), "");
    for gone in [id.as_str(), "sbx_half"] {
        assert!(!dir.path().join("sandboxes").join(gone).exists(), "{gone}");
    }
    for group in state["groups"].as_array().unwrap() {
        let path = group["path"].as_str().unwrap();
        assert!(!Path::new(path).exists(), "{path}");
    }
    hands.reap(&Default::default()).await;
    hands.close().await;
    end_of(dir).await;
}
