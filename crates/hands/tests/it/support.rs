//! Hands in a folder of their own, taken down with everything in them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hands::{
    Dial, DriverKind, Exec, Hands, HandsConfig, Launcher, Pieces, Receipt, Resolve, Sandbox,
    Stream, Target,
};

/// Nobody gets out.
pub fn no_dial() -> Dial {
    Arc::new(|_: Target| {
        Box::pin(async { Err::<Box<dyn Stream>, _>(io::ErrorKind::ConnectionRefused.into()) })
    })
}

/// No name is known.
pub fn no_resolve() -> Resolve {
    Arc::new(|_: String| Box::pin(async { Err(io::ErrorKind::NotFound.into()) }))
}

pub fn config(dir: &Path) -> HandsConfig {
    HandsConfig {
        driver: DriverKind::Container,
        launcher: Launcher::Program(env!("CARGO_BIN_EXE_hands-launcher").into()),
        warm: 0,
        ..HandsConfig::new(dir)
    }
}

/// Hands that end their sandboxes when told to; a test that fails leaves some
/// behind, with a folder that names the test's process.
pub struct Bench {
    pub hands: Hands,
    pub dir: tempfile::TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(|config| config).await
    }

    pub async fn with(change: impl FnOnce(HandsConfig) -> HandsConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = change(config(dir.path()));
        let hands = Hands::open(config, no_dial(), no_resolve(), Pieces::none())
            .await
            .unwrap();
        Self { hands, dir }
    }

    pub async fn sandbox(&self, owner: &str) -> Arc<dyn Sandbox> {
        self.hands.obtain(owner, None, None).await.unwrap().sandbox
    }

    /// Ends everything and sees that nothing is left on the host.
    pub async fn end(self) {
        self.hands.reap(&Default::default()).await;
        let left: Vec<_> = std::fs::read_dir(self.dir.path().join("sandboxes"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
        self.hands.close().await;
    }
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A name no other exec has.
pub fn fresh() -> String {
    format!("exec-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs a line of shell to its end.
pub async fn run(sandbox: &Arc<dyn Sandbox>, line: &str) -> Receipt {
    let exec = Exec {
        timeout_ms: Some(60_000),
        ..Exec::shell(fresh(), line)
    };
    sandbox.exec(exec, None).await.unwrap()
}

/// What a line of shell prints; it must succeed.
pub async fn says(sandbox: &Arc<dyn Sandbox>, line: &str) -> String {
    let receipt = run(sandbox, line).await;
    let text = text(&receipt);
    assert_eq!(receipt.exit_code, Some(0), "{line}: {text} {receipt:?}");
    text.trim_end().to_owned()
}

pub fn text(receipt: &Receipt) -> String {
    let all = [&receipt.output.head[..], &receipt.output.tail].concat();
    String::from_utf8_lossy(&all).into_owned()
}
