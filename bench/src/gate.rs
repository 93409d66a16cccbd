//! The gate: what it adds to a request and to a connection, a large download
//! through it, and the memory of a connection; each beside the same without
//! it, in the same run. Client, gate and server are one process.
//!
//! Three ways: `direct` to the server; `passed` through a gate that looks at
//! the first bytes and lets the rest by; `stood` through a gate that stands in
//! for the host, decrypts, swaps a token and encrypts again.

mod ends;

use std::time::{Duration, Instant};

use self::ends::{Ends, Way};
use crate::figures::{ms, percentile, plain, row, title};

/// What is asked for; less where nothing is optimized and figures mean little.
const SMALL: bool = cfg!(debug_assertions);
const REQUESTS: usize = if SMALL { 200 } else { 5000 };
const CONNECTIONS: usize = if SMALL { 20 } else { 500 };
const MIB: usize = if SMALL { 16 } else { 1024 };
const OPEN: usize = 400;

pub async fn run() {
    title("gate");
    let ends = Ends::start().await;
    requests(&ends).await;
    connections(&ends).await;
    download(&ends).await;
    memory(&ends).await;
}

/// Small requests on connections that stand already, each way in turn.
async fn requests(ends: &Ends) {
    let mut clients = Vec::new();
    for way in Way::ALL {
        clients.push((way, ends.connect(way).await, Vec::new()));
    }
    for _ in 0..REQUESTS {
        for (_, client, times) in &mut clients {
            let began = Instant::now();
            client.get("/small").await;
            times.push(began.elapsed());
        }
    }
    let samples = clients.into_iter().map(|(way, _, times)| (way, times));
    compared("a request", samples.collect());
}

/// New connections, with TLS and one request.
async fn connections(ends: &Ends) {
    let mut samples: Vec<_> = Way::ALL.map(|way| (way, Vec::new())).into();
    for _ in 0..CONNECTIONS {
        for (way, times) in &mut samples {
            let began = Instant::now();
            ends.connect(*way).await.get("/small").await;
            times.push(began.elapsed());
        }
    }
    compared("a connection and a request", samples);
}

fn compared(what: &str, mut samples: Vec<(Way, Vec<Duration>)>) {
    for percent in [50, 99] {
        let mut floor = None;
        for (way, times) in &mut samples {
            let time = percentile(times, percent);
            let floor = *floor.get_or_insert(time);
            let added = time.saturating_sub(floor);
            row(
                &format!("{what}, {way}, p{percent}"),
                &format!("{} (+{})", ms(time), ms(added)),
                &ms(floor),
                time.as_secs_f64() / floor.as_secs_f64(),
                "figure",
            );
        }
    }
}

async fn download(ends: &Ends) {
    let mut floor = None;
    for way in Way::ALL {
        let mut client = ends.connect(way).await;
        let began = Instant::now();
        let bytes = client.get(&format!("/bytes/{MIB}")).await;
        assert_eq!(bytes, MIB << 20);
        let speed = MIB as f64 / began.elapsed().as_secs_f64();
        let floor = *floor.get_or_insert(speed);
        row(
            &format!("download of {MIB} MiB, {way}"),
            &format!("{speed:.0} MiB/s"),
            &format!("{floor:.0} MiB/s"),
            speed / floor,
            "figure",
        );
    }
}

/// Open connections that have carried a request and wait for the next.
async fn memory(ends: &Ends) {
    let mut floor = None;
    for way in Way::ALL {
        let before = resident();
        let mut open = Vec::new();
        for _ in 0..OPEN {
            let mut client = ends.connect(way).await;
            client.get("/small").await;
            open.push(client);
        }
        let each = resident().saturating_sub(before) as f64 / OPEN as f64 / 1024.0;
        let floor = *floor.get_or_insert(each);
        plain(
            &format!("memory of an open connection, {way}"),
            &format!("{each:.1} KiB (gate: {:.1})", each - floor),
            "figure",
        );
        // Kept, so that the next way does not live in what this one freed.
        std::mem::forget(open);
    }
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
