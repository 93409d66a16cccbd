//! How long it takes until a first command has ended: bare fork and exec, a bare
//! `unshare` of the same namespaces, a cold sandbox, a warm one, a burst of 100.
//!
//! `cargo run --release -p hands --example start_times`, as root.

use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use hands::{Error, Exec, Hands, HandsConfig, Lookup, Pieces, Stream, Target};

const ROUNDS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    hands::launcher_main(std::env::args_os());
    let dir = std::env::temp_dir().join(format!("oc-start-times-{}", std::process::id()));
    let fork = median(|| bare(&["true"]))?;
    let unshare = median(|| bare(&["unshare", "-UrmpniuCf", "true"]))?;
    println!("bare fork+exec      {fork:>10.2?}");
    println!("bare unshare        {unshare:>10.2?}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (cold, warm, burst) = runtime.block_on(sandboxes(&dir))?;
    let ratio = |time: Duration| time.as_secs_f64() / unshare.as_secs_f64();
    println!(
        "cold sandbox        {cold:>10.2?}  {:.1} x unshare",
        ratio(cold)
    );
    println!(
        "warm sandbox        {warm:>10.2?}  {:.1} x unshare",
        ratio(warm)
    );
    println!("burst of 100        {burst:>10.2?}  median");
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn median<E>(mut run: impl FnMut() -> Result<Duration, E>) -> Result<Duration, E> {
    let mut times = (0..ROUNDS).map(|_| run()).collect::<Result<Vec<_>, E>>()?;
    times.sort();
    Ok(times[ROUNDS / 2])
}

fn bare(argv: &[&str]) -> io::Result<Duration> {
    let since = Instant::now();
    Command::new(argv[0]).args(&argv[1..]).status()?;
    Ok(since.elapsed())
}

async fn sandboxes(dir: &std::path::Path) -> Result<(Duration, Duration, Duration), Error> {
    let dial = Arc::new(|_: Target| {
        Box::pin(async { Err::<Box<dyn Stream>, _>(io::ErrorKind::ConnectionRefused.into()) }) as _
    });
    let resolve =
        Arc::new(|_: Lookup| Box::pin(async { Err(io::ErrorKind::NotFound.into()) }) as _);
    let config = HandsConfig {
        warm: 0,
        ..HandsConfig::new(dir)
    };
    let hands = Hands::open(
        config.clone(),
        dial.clone(),
        resolve.clone(),
        Pieces::none(),
    )
    .await?;
    let cold = one_by_one(&hands, "cold").await?;
    let next = next(&hands).await?;
    println!("next command        {next:>10.2?}");
    let mut burst = try_join_all((0..100).map(|n| first(&hands, format!("burst{n}")))).await?;
    burst.sort();
    hands.reap(&Default::default()).await;
    hands.close().await;
    let config = HandsConfig {
        warm: ROUNDS,
        ..config
    };
    let hands = Hands::open(
        config.clone(),
        dial.clone(),
        resolve.clone(),
        Pieces::none(),
    )
    .await?;
    while hands.stats().warm < ROUNDS {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let warm = one_by_one(&hands, "warm").await?;
    hands.close().await;
    let hands = Hands::open(
        HandsConfig { warm: 0, ..config },
        dial,
        resolve,
        Pieces::none(),
    )
    .await?;
    while hands.stats().alive > 0 {
        hands.obtain("last", None, None).await?;
        hands.reap(&Default::default()).await;
    }
    hands.close().await;
    Ok((cold, warm, burst[50]))
}

async fn one_by_one(hands: &Hands, name: &str) -> Result<Duration, Error> {
    let mut times = Vec::new();
    for n in 0..ROUNDS {
        times.push(first(hands, format!("{name}{n}")).await?);
        hands.destroy(&format!("{name}{n}")).await?;
    }
    times.sort();
    Ok(times[ROUNDS / 2])
}

/// A second command in a sandbox that has run one.
async fn next(hands: &Hands) -> Result<Duration, Error> {
    let sandbox = hands.obtain("next", None, None).await?.sandbox;
    let mut times = Vec::new();
    for n in 0..ROUNDS {
        let since = Instant::now();
        sandbox
            .exec(Exec::new(format!("next{n}"), &["true"]), None)
            .await?;
        times.push(since.elapsed());
    }
    times.sort();
    Ok(times[ROUNDS / 2])
}

async fn first(hands: &Hands, owner: String) -> Result<Duration, Error> {
    let since = Instant::now();
    let sandbox = hands.obtain(&owner, None, None).await?.sandbox;
    sandbox.exec(Exec::new("first", &["true"]), None).await?;
    Ok(since.elapsed())
}
