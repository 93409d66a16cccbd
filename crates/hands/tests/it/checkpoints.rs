//! Files of a sandbox kept, and found again in another one.

use hands::{DriverKind, Error, Exec, Hands, HandsConfig, Started};

use crate::pieces::Kept;
use crate::support::{Bench, config, no_dial, no_resolve, run, says, text};

/// Everything of a tree that a program inside can see, and a digest of it.
const LOOK: &str = "cd /workspace && find . -printf '%P %y %m %U:%G %s %T@ %l\\n' | sort \
    && find . -type f -print0 | sort -z | xargs -0 -r sha256sum";

#[tokio::test]
async fn files_are_the_same_in_a_sandbox_of_another_node() {
    let kept = Kept::new();
    let (one, two) = (Bench::keeping(&kept).await, Bench::keeping(&kept).await);
    let first = one.sandbox("a").await;
    says(
        &first,
        "mkdir -p a/b 'with space' && echo one > a/one && echo two > 'a/b/two' && ln -s ../one a/b/link \
         && ln a/one a/b/hard && mkfifo pipe && : > empty && chmod 4750 a/one && chmod 700 a/b \
         && touch -d 2001-02-03T04:05:06.789 a/b && head -c 3000000 /dev/urandom > large \
         && rm /etc/os-release && rm -r /etc/ssl && mkdir /etc/ssl && echo x > /etc/ssl/mine \
         && echo tool > /usr/local/bin/tool && rm /usr/bin/env",
    )
    .await;
    let saved = one.hands.checkpoint("a", &[]).await.unwrap();
    assert!(!saved.unchanged && saved.added > 3_000_000, "{saved:?}");
    let was = says(&first, LOOK).await;
    let (other, how) = {
        let obtained = two
            .hands
            .obtain("a", None, Some(&saved.manifest))
            .await
            .unwrap();
        (obtained.sandbox, (obtained.started, obtained.fresh))
    };
    assert_eq!(how, (Started::Restored, true));
    assert_eq!(says(&other, LOOK).await, was);
    assert_eq!(says(&other, "stat -c %h a/one").await, "2");
    assert_eq!(
        says(&other, "ls /etc/ssl; cat /usr/local/bin/tool").await,
        "mine\ntool"
    );
    for gone in ["/etc/os-release", "/usr/bin/env"] {
        assert_ne!(
            run(&other, &format!("test -e {gone}")).await.exit_code,
            Some(0),
            "{gone}"
        );
    }
    one.end().await;
    two.end().await;
}

#[tokio::test]
async fn what_is_unchanged_is_not_kept_twice() {
    let kept = Kept::new();
    let bench = Bench::keeping(&kept).await;
    let sandbox = bench.sandbox("a").await;
    says(
        &sandbox,
        "for n in $(seq 500); do head -c 2000 /dev/urandom > $n; done",
    )
    .await;
    let first = bench.hands.checkpoint("a", &[]).await.unwrap();
    let pieces = kept.count();
    let again = bench
        .hands
        .checkpoint("a", &[&first.manifest])
        .await
        .unwrap();
    assert_eq!((again.unchanged, again.added), (true, 0), "{again:?}");
    assert_eq!(again.manifest, first.manifest);
    assert_eq!(kept.count(), pieces);
    says(&sandbox, "echo more >> 7; mv 8 eight; cp 9 nine").await;
    let second = bench
        .hands
        .checkpoint("a", &[&first.manifest])
        .await
        .unwrap();
    assert!(
        !second.unchanged && second.added < first.added / 10,
        "{second:?} {first:?}"
    );
    let was = says(&sandbox, LOOK).await;
    bench.hands.destroy("a").await.unwrap();
    let back = bench
        .hands
        .obtain("a", None, Some(&second.manifest))
        .await
        .unwrap();
    assert_eq!(says(&back.sandbox, LOOK).await, was);
    // What was just restored is known as well.
    let third = bench
        .hands
        .checkpoint("a", &[&second.manifest])
        .await
        .unwrap();
    assert!(third.unchanged, "{third:?}");
    bench.end().await;
}

#[tokio::test]
async fn a_damaged_piece_starts_nothing() {
    let kept = Kept::new();
    let bench = Bench::keeping(&kept).await;
    let sandbox = bench.sandbox("a").await;
    says(&sandbox, "head -c 100000 /dev/urandom > f").await;
    let saved = bench.hands.checkpoint("a", &[]).await.unwrap();
    bench.hands.destroy("a").await.unwrap();
    for piece in saved.packs.iter().chain([&saved.manifest]) {
        let path = kept.piece(piece);
        let good = std::fs::read(&path).unwrap();
        for at in [0, 9, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            damaged(&bench, &saved.manifest).await;
        }
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        damaged(&bench, &saved.manifest).await;
        std::fs::remove_file(&path).unwrap();
        damaged(&bench, &saved.manifest).await;
        std::fs::write(&path, &good).unwrap();
    }
    let back = bench
        .hands
        .obtain("a", None, Some(&saved.manifest))
        .await
        .unwrap();
    assert_eq!(
        text(&run(&back.sandbox, "wc -c < f").await).trim(),
        "100000"
    );
    bench.end().await;
}

async fn damaged(bench: &Bench, manifest: &str) {
    let error = bench
        .hands
        .obtain("a", None, Some(manifest))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, Error::Damaged(_)), "{error}");
    assert_eq!(bench.hands.stats().alive, 0);
    let left = std::fs::read_dir(bench.dir.path().join("sandboxes")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_sandbox_stands_still_while_it_is_read_and_then_goes_on() {
    let kept = Kept::new();
    let bench = Bench::keeping(&kept).await;
    let sandbox = bench.sandbox("a").await;
    // Each round writes one number into two files, the second long after the first.
    let line = "n=0; while :; do n=$((n+1)); echo $n > first; echo $n > second; done";
    sandbox.start(Exec::shell("writer", line)).await.unwrap();
    says(
        &sandbox,
        "until test -s second; do :; done; head -c 20000000 /dev/urandom > large",
    )
    .await;
    let saved = bench.hands.checkpoint("a", &[]).await.unwrap();
    let (now, later) = (
        says(&sandbox, "cat first").await,
        "until test $(cat first) -gt",
    );
    says(&sandbox, &format!("{later} $(({now} + 10)); do :; done")).await;
    let other = bench
        .hands
        .obtain("b", None, Some(&saved.manifest))
        .await
        .unwrap()
        .sandbox;
    let number = |text: String| text.parse::<u64>().unwrap_or_default();
    let first = number(says(&other, "cat first").await);
    let second = number(says(&other, "cat second").await);
    // An empty one was being written at that very moment.
    assert!(
        first == 0 || second == 0 || first - second <= 1,
        "{first} {second}"
    );
    bench.end().await;
}

#[tokio::test]
async fn what_dies_is_rebuilt_and_has_what_was_in_tmp() {
    let kept = Kept::new();
    let bench = Bench::keeping(&kept).await;
    let sandbox = bench.sandbox("a").await;
    says(
        &sandbox,
        "mkdir /tmp/d && echo memory > /tmp/d/f && echo disk > f && echo $$ > pid",
    )
    .await;
    let saved = bench.hands.checkpoint("a", &[]).await.unwrap();
    let pid = bench.dir.state(sandbox.id())["pid"].as_i64().unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(killed.unwrap().success());
    while sandbox.alive() {
        tokio::task::yield_now().await;
    }
    let lost = bench.hands.checkpoint("a", &[&saved.manifest]).await;
    assert!(matches!(lost, Err(Error::Lost(_))), "{lost:?}");
    let back = bench
        .hands
        .obtain("a", None, Some(&saved.manifest))
        .await
        .unwrap();
    assert_eq!((back.started, back.fresh), (Started::Restored, true));
    assert_eq!(
        says(&back.sandbox, "cat /tmp/d/f f; stat -c %a /tmp").await,
        "memory\ndisk\n1777"
    );
    // It lives: it is found, whatever checkpoint is named.
    let found = bench
        .hands
        .obtain("a", None, Some("nonsense"))
        .await
        .unwrap();
    assert_eq!(found.started, Started::Found);
    assert!(bench.hands.written("a").unwrap() > 0);
    bench.end().await;
}

#[tokio::test]
async fn a_second_checkpoint_of_twenty_thousand_files_costs_a_tenth_at_most() {
    let kept = Kept::new();
    let bench = Bench::keeping(&kept).await;
    let sandbox = bench.sandbox("a").await;
    let make = "awk 'BEGIN { srand(7); for (d = 0; d < 100; d++) { system(\"mkdir \" d); \
        for (f = 0; f < 200; f++) { name = d \"/\" f; \
        for (n = 0; n < 250; n++) printf \"%08x\", rand() * 2147483647 > name; close(name) } } }'";
    says(&sandbox, make).await;
    let first = bench.hands.checkpoint("a", &[]).await.unwrap();
    assert!(first.files > 20_000 && first.packs.len() < 20, "{first:?}");
    says(&sandbox, "for n in $(seq 100); do echo more >> 7/$n; done").await;
    let second = bench
        .hands
        .checkpoint("a", &[&first.manifest])
        .await
        .unwrap();
    assert!(second.added * 10 < first.added, "{second:?} {first:?}");
    bench.end().await;
}

#[tokio::test]
async fn a_plain_process_has_its_workspace_kept() {
    let kept = Kept::new();
    let process = |config| HandsConfig {
        driver: DriverKind::Process,
        ..config
    };
    let bench = Bench::open(process, kept.pieces()).await;
    let sandbox = bench.sandbox("a").await;
    says(
        &sandbox,
        "mkdir -p d && echo one > d/f && ln -s d/f link && chmod 711 d",
    )
    .await;
    let saved = bench.hands.checkpoint("a", &[]).await.unwrap();
    bench.hands.destroy("a").await.unwrap();
    let back = bench
        .hands
        .obtain("a", None, Some(&saved.manifest))
        .await
        .unwrap();
    assert_eq!(
        says(&back.sandbox, "cat link; stat -c %a d").await,
        "one\n711"
    );
    let walled = Bench::keeping(&kept).await;
    let other = walled.hands.obtain("a", None, Some(&saved.manifest)).await;
    assert!(matches!(other.err(), Some(Error::Refused(_))));
    walled.end().await;
    bench.end().await;
}

#[tokio::test]
async fn a_half_restored_sandbox_is_never_adopted() {
    let kept = Kept::new();
    let bench = Bench::keeping(&kept).await;
    let sandbox = bench.sandbox("a").await;
    let (id, folder) = (sandbox.id().to_owned(), bench.dir.path().join("sandboxes"));
    let Bench { hands, dir } = bench;
    hands.close().await;
    // As it is between the start of its guest and the end of the restore.
    let record = folder.join(&id).join("state.json");
    let mut state = dir.state(&id);
    (state["half"], state["owner"]) = (true.into(), serde_json::Value::Null);
    std::fs::write(&record, state.to_string()).unwrap();
    let config = config(dir.path());
    let hands = Hands::open(config, no_dial(), no_resolve(), kept.pieces())
        .await
        .unwrap();
    assert!(!folder.join(&id).exists());
    assert_eq!((hands.stats().alive, hands.stats().warm), (0, 0));
    Bench { hands, dir }.end().await;
}
