//! Files of a sandbox: the first checkpoint of 20,000 files beside `tar | zstd -3`
//! of the same tree in the same sandbox, the second after 100 of them changed, and
//! how long a sandbox that was put away takes to its first command, beside `tar x`.
//!
//! A checkpoint's pieces are flushed to the disk one by one, as the store does it;
//! the archive is not flushed at all.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use hands::{Dial, Exec, Hands, HandsConfig, Pieces, Resolve, Sandbox};

use crate::figures::{ms, percentile, row, title};

const ROUNDS: usize = 5;
/// 20,000 files of 9 KiB with random words from a vocabulary of 4,096.
const MAKE: &str = r#"awk 'BEGIN { srand(7);
  for (w = 0; w < 4096; w++) { word = ""; n = 4 + int(rand() * 9);
    for (c = 0; c < n; c++) word = word sprintf("%c", 97 + int(rand() * 26)); words[w] = word }
  for (d = 0; d < 200; d++) { system("mkdir -p /workspace/tree/" d);
    for (f = 0; f < 100; f++) { name = "/workspace/tree/" d "/" f ".txt"; size = 0;
      while (size < 9437) { line = "";
        for (i = 0; i < 12; i++) line = line words[int(rand() * 4096)] " ";
        print line > name; size += length(line) + 1 }
      close(name) } } }'"#;
const TAR: &str = "tar -C /workspace -cf - tree | zstd -q -3 -f -o /root/tree.tar.zst";
const UNTAR: &str = "mkdir /root/out && tar -C /root/out --zstd -xf /root/tree.tar.zst";
const BYTES: &str = "stat -c %s /root/tree.tar.zst";

pub async fn run() {
    title("files of a sandbox: 20,000, 180 MiB, text of random words");
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = std::path::absolute(folder.path()).unwrap();
    let hands = open(&path).await;
    let sandbox = hands.obtain("a", None, None).await.unwrap().sandbox;
    shell(&sandbox, MAKE).await;
    let (mut tars, mut firsts, mut seconds) = (vec![], vec![], vec![]);
    let (mut untars, mut wakes) = (vec![], vec![]);
    let mut sizes = (0, 0, 0);
    for round in 0..ROUNDS {
        tars.push(shell(&sandbox, TAR).await.0);
        untars.push(shell(&sandbox, UNTAR).await.0);
        sizes.0 = shell(&sandbox, BYTES).await.1.trim().parse().unwrap();
        shell(&sandbox, "rm -r /root/out /root/tree.tar.zst").await;
        let began = Instant::now();
        let first = hands.checkpoint("a", &[]).await.unwrap();
        firsts.push(began.elapsed());
        let change =
            "for n in $(seq 0 2 198); do echo changed >> /workspace/tree/$n/ROUND.txt; done";
        shell(&sandbox, &change.replace("ROUND", &round.to_string())).await;
        let began = Instant::now();
        let second = hands.checkpoint("a", &[&first.manifest]).await.unwrap();
        seconds.push(began.elapsed());
        (sizes.1, sizes.2) = (first.added, second.added);
        wakes.push(woken(&hands, &second.manifest).await);
    }
    hands.reap(&Default::default()).await;
    times(
        "first checkpoint, beside tar | zstd -3",
        &mut firsts,
        &mut tars,
        "≤ 1.5",
    );
    bytes("  its bytes", sizes.1, sizes.0, "");
    times(
        "second, 100 changed, beside the first",
        &mut seconds,
        &mut firsts,
        "≤ 0.1",
    );
    bytes("  its bytes", sizes.2, sizes.1, "≤ 0.1");
    times(
        "woken: first command, beside tar x",
        &mut wakes,
        &mut untars,
        "",
    );
}

/// A new sandbox with these files, to the end of its first command.
async fn woken(hands: &Hands, manifest: &str) -> Duration {
    let began = Instant::now();
    let obtained = hands.obtain("woken", None, Some(manifest)).await.unwrap();
    shell(&obtained.sandbox, "true").await;
    let took = began.elapsed();
    hands.destroy("woken").await.unwrap();
    took
}

async fn shell(sandbox: &Arc<dyn Sandbox>, line: &str) -> (Duration, String) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("x{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let began = Instant::now();
    let receipt = sandbox.exec(Exec::shell(name, line), None).await.unwrap();
    let text = String::from_utf8_lossy(&receipt.output.head).into_owned();
    assert_eq!(receipt.exit_code, Some(0), "{line}: {text}");
    (began.elapsed(), text)
}

fn times(what: &str, ours: &mut [Duration], theirs: &mut [Duration], aim: &str) {
    let (ours, theirs) = (percentile(ours, 50), percentile(theirs, 50));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    row(what, &ms(ours), &ms(theirs), ratio, aim);
}

fn bytes(what: &str, ours: u64, theirs: u64, aim: &str) {
    let mib = |bytes: u64| format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20));
    row(
        what,
        &mib(ours),
        &mib(theirs),
        ours as f64 / theirs as f64,
        aim,
    );
}

async fn open(folder: &Path) -> Hands {
    let mut config = HandsConfig::new(folder.join("hands"));
    config.warm = 0;
    let nowhere: Dial =
        Arc::new(|_| async { Err(std::io::ErrorKind::ConnectionRefused.into()) }.boxed());
    let nobody: Resolve = Arc::new(|_| async { Err(std::io::ErrorKind::NotFound.into()) }.boxed());
    let pieces = folder.join("pieces");
    std::fs::create_dir(&pieces).unwrap();
    Hands::open(config, nowhere, nobody, kept(pieces))
        .await
        .unwrap()
}

/// Pieces in a folder, each flushed.
fn kept(folder: PathBuf) -> Pieces {
    let next = Arc::new(AtomicU64::new(0));
    let to = folder.clone();
    Pieces {
        put: Arc::new(move |_, piece| {
            let name = next.fetch_add(1, Ordering::Relaxed).to_string();
            let path = to.join(&name);
            async move {
                let written = tokio::task::spawn_blocking(move || {
                    let mut file = File::create_new(path)?;
                    file.write_all(&piece)?;
                    file.sync_all()
                });
                written.await??;
                Ok(name)
            }
            .boxed()
        }),
        get: Arc::new(move |_, name| {
            let path = folder.join(name);
            async move { Ok(tokio::fs::read(path).await?.into()) }.boxed()
        }),
    }
}
