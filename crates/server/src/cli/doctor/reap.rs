//! Ends what outlives a server on purpose: its sandboxes. For folders that are
//! about to be deleted.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use futures::FutureExt;
use hands::{Dial, Hands, Resolve};

use crate::cli::error::CliError;
use crate::config::Config;

/// Ends all sandboxes of this data folder; says how many there were. A server
/// that still runs on it would lose them.
///
/// # Errors
/// If the folder cannot be used.
pub(crate) async fn reap(config: &Config) -> Result<usize, CliError> {
    let mut settings = crate::node::hands_config(config);
    if !settings.dir.exists() {
        return Ok(0);
    }
    settings.warm = 0;
    let closed = || {
        io::Error::new(
            io::ErrorKind::ConnectionRefused,
            "the sandbox is being ended",
        )
    };
    let dial: Dial = Arc::new(move |_| async move { Err(closed()) }.boxed());
    let resolve: Resolve = Arc::new(move |_| async move { Err(closed()) }.boxed());
    let failed = |error: hands::Error| {
        CliError::Local(format!(
            "the sandboxes of {} cannot be ended: {error}",
            config.node.data.display()
        ))
    };
    let pieces = hands::Pieces::none();
    let hands = Hands::open(settings, dial, resolve, pieces)
        .await
        .map_err(failed)?;
    // The warm ones have no owner yet; each gets one to be reaped with.
    for number in 0..hands.stats().warm {
        let _ = hands.obtain(&format!("reaped {number}"), None, None).await;
    }
    let ended = hands.reap(&HashSet::new()).await;
    hands.close().await;
    Ok(ended)
}
