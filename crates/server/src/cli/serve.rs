//! `oc serve`: runs a node until it is told to stop.

use clap::Args;

use super::error::CliError;
use super::logging;
use super::options::Given;
use crate::points;

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    given: Box<Given>,
    /// Leave the terminal's session, for whoever starts it in the background
    #[arg(long, hide = true)]
    own_session: bool,
}

pub(super) fn run(serve: Serve) -> Result<(), CliError> {
    let config = serve.given.hold()?;
    if serve.own_session {
        // Fails only for one who leads a group already: then nothing is to do.
        let _ = nix::unistd::setsid();
    }
    let armed = points::check().map_err(CliError::Usage)?;
    logging::start(&config)?;
    if let Some(armed) = armed {
        tracing::warn!(armed, "this server is drilled: it will crash");
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let node = Box::pin(crate::node::serve(config));
    let served = runtime.block_on(node);
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    served.map_err(|error| CliError::Local(error.to_string()))
}
