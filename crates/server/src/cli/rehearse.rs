//! `oc rehearse`: the rehearsal model behind the providers' own APIs, so that
//! other clients and engines can be driven without a key.

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;
use tokio::net::TcpListener;

use super::context::Context;
use super::error::CliError;

#[derive(Debug, Args)]
pub(super) struct Rehearse {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:9900")]
    listen: SocketAddr,
}

pub(super) async fn run(context: &Context, rehearse: Rehearse) -> Result<(), CliError> {
    let address = rehearse.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| CliError::Local(format!("cannot listen on {address}: {error}")))?;
    let bound = listener.local_addr()?;
    if context.out.json {
        context
            .out
            .value(&json!({ "url": format!("http://{bound}") }))?;
    } else {
        context
            .out
            .line(&format!("The rehearsal model listens on http://{bound}"))?;
        context.out.line(&format!(
            "  Anthropic: POST http://{bound}/v1/messages     any key"
        ))?;
        context.out.line(&format!(
            "  OpenAI:    POST http://{bound}/v1/responses    any key"
        ))?;
        context
            .out
            .line(&format!("  What it was asked: GET http://{bound}/__log"))?;
    }
    axum::serve(listener, brain::rehearse_router()).await?;
    Ok(())
}
