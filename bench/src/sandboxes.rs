//! The first command in a new sandbox, cold and from the warm pool, beside a
//! bare launcher (`unshare` of the same namespaces, then the command) and a bare
//! fork and exec; and a burst of one hundred.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use hands::{Dial, Exec, Hands, HandsConfig, Pieces, Resolve};
use tokio::task::JoinSet;

use crate::figures::{ms, percentile, plain, row, title};

const RUNS: usize = 40;
const BURST: usize = 100;

pub async fn run() {
    title("the first command in a new sandbox");
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = std::path::absolute(folder.path()).unwrap();
    let cold = open(&path.join("cold"), 0).await;
    let warm = open(&path.join("warm"), 4).await;
    let (mut forks, mut bares, mut colds, mut warms) = (vec![], vec![], vec![], vec![]);
    for n in 0..RUNS {
        forks.push(timed(|| Command::new("/bin/true").status()));
        bares.push(timed(|| {
            Command::new("unshare")
                .args([
                    "-U",
                    "-r",
                    "-m",
                    "-p",
                    "-f",
                    "-n",
                    "-i",
                    "-u",
                    "-C",
                    "/bin/true",
                ])
                .status()
        }));
        colds.push(first_command(&cold, &format!("cold{n}")).await);
        warms.push(first_command(&warm, &format!("warm{n}")).await);
        cold.destroy(&format!("cold{n}")).await.unwrap();
        warm.destroy(&format!("warm{n}")).await.unwrap();
        while warm.stats().warm < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let (fork, bare) = (percentile(&mut forks, 50), percentile(&mut bares, 50));
    let (cold_p50, warm_p50) = (percentile(&mut colds, 50), percentile(&mut warms, 50));
    row(
        "cold, p50, beside unshare + exec",
        &ms(cold_p50),
        &ms(bare),
        ratio(cold_p50, bare),
        "≤ 4",
    );
    row(
        "warm, p50, beside fork + exec",
        &ms(warm_p50),
        &ms(fork),
        ratio(warm_p50, fork),
        "≤ 4 ms",
    );
    burst(&cold).await;
    cold.reap(&Default::default()).await;
    warm.reap(&Default::default()).await;
}

async fn burst(hands: &Arc<Hands>) {
    let mut tasks = JoinSet::new();
    for n in 0..BURST {
        let hands = hands.clone();
        tasks.spawn(async move { first_command(&hands, &format!("burst{n}")).await });
    }
    let mut times = tasks.join_all().await;
    let figure = format!(
        "{} of {BURST}, {}",
        times.len(),
        ms(percentile(&mut times, 50))
    );
    plain("a burst of 100, done and p50", &figure, "all, ≤ 300 ms");
}

async fn first_command(hands: &Arc<Hands>, owner: &str) -> Duration {
    let began = Instant::now();
    let obtained = hands.obtain(owner, None, None).await.unwrap();
    let receipt = obtained
        .sandbox
        .exec(Exec::new("first", &["/bin/true"]), None)
        .await
        .unwrap();
    assert_eq!(receipt.exit_code, Some(0));
    began.elapsed()
}

async fn open(folder: &std::path::Path, warm: usize) -> Arc<Hands> {
    let mut config = HandsConfig::new(folder);
    config.warm = warm;
    let nowhere: Dial =
        Arc::new(|_| async { Err(std::io::ErrorKind::ConnectionRefused.into()) }.boxed());
    let nobody: Resolve = Arc::new(|_| async { Err(std::io::ErrorKind::NotFound.into()) }.boxed());
    let hands = Arc::new(
        Hands::open(config, nowhere, nobody, Pieces::none())
            .await
            .unwrap(),
    );
    while hands.stats().warm < warm {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    hands
}

fn timed(run: impl FnOnce() -> std::io::Result<std::process::ExitStatus>) -> Duration {
    let began = Instant::now();
    assert!(run().unwrap().success());
    began.elapsed()
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}
