//! Sandboxes started by an ordinary user: one uid, no cgroups, the same walls.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::process::{Command, Stdio};

use hands::Hands;

use crate::pieces::Kept;
use crate::support::{Folder, config, no_dial, no_resolve, run, says, text};

const NOBODY: u32 = 65534;

#[tokio::test]
async fn an_ordinary_user_gets_walls_as_well() {
    let dir = Folder::new();
    chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    // Where an ordinary user may run it from.
    let program = dir.path().join("launcher");
    std::fs::copy(env!("CARGO_BIN_EXE_hands-launcher"), &program).unwrap();
    let data = dir.path().join("data");
    let id = NOBODY.to_string();
    let mut server = Command::new("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .arg(&program)
        .args(["hold", data.to_str().unwrap(), "a", "x", "sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut started = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut started)
        .unwrap();
    assert!(started.starts_with("sbx_"), "{started}");
    server.kill().unwrap();
    server.wait().unwrap();

    let kept = Kept::new();
    let hands = Hands::open(config(&data), no_dial(), no_resolve(), kept.pieces())
        .await
        .unwrap();
    let sandbox = hands.find("a").unwrap();
    let status = says(&sandbox, "id -u; cat /proc/self/status").await;
    for line in [
        "0\n",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(line), "{line} in {status}");
    }
    assert_eq!(
        says(&sandbox, "ls -A /root /home").await,
        "/home:\n\n/root:"
    );
    assert_eq!(says(&sandbox, "echo mine > f; cat f").await, "mine");
    for line in [
        "echo x > /usr/bin/env",
        "cat /proc/1/environ",
        "head -c1 /proc/1/mem",
        "unshare -U true",
    ] {
        let receipt = run(&sandbox, line).await;
        assert_ne!(receipt.exit_code, Some(0), "{line}: {}", text(&receipt));
    }
    says(&sandbox, "rm /etc/shells; rm -r /etc/ssl; mkdir /etc/ssl").await;
    let saved = hands.checkpoint("a", &[]).await.unwrap();
    let other = hands
        .obtain("b", None, Some(&saved.manifest))
        .await
        .unwrap();
    assert_eq!(says(&other.sandbox, "cat f; ls /etc/ssl").await, "mine");
    let deleted = run(&other.sandbox, "test -e /etc/shells").await;
    assert_eq!(deleted.exit_code, Some(1));
    hands.destroy("b").await.unwrap();
    sandbox.kill("x").await.unwrap();
    assert_eq!(says(&sandbox, "pgrep -c sleep || true").await, "0");
    while hands.stats().alive > 0 {
        hands.obtain("a", None, None).await.unwrap();
        hands.destroy("a").await.unwrap();
    }
    assert_eq!(
        std::fs::read_dir(data.join("sandboxes")).unwrap().count(),
        0
    );
    hands.close().await;
}
