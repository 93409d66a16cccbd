//! `oc login`, `oc logout`: remember the server and the key of this user, once
//! the server has taken them.

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::json;

use super::api::{Api, Ask};
use super::context::Context;
use super::error::CliError;
use super::home::{Home, masked};
use super::progress::during;
use super::secret;

#[derive(Debug, Args)]
pub(super) struct Login {
    /// Ask for a key even if one is given or kept already
    #[arg(long)]
    force: bool,
    /// No browser is ever opened: the key is asked for here
    #[arg(long, hide = true)]
    no_browser: bool,
}

#[derive(Debug, Args)]
pub(super) struct Logout {
    /// Nothing but this machine's copy is ever forgotten: `oc key revoke` ends the key itself
    #[arg(long, hide = true)]
    local: bool,
}

/// Takes a key from the flag, the environment or the user, and keeps it if it opens.
pub(super) async fn login(context: &Context, login: &Login) -> Result<(), CliError> {
    let mut home = Home::load()?;
    let place = context.place(&home);
    let key = match place.key.filter(|_| !login.force) {
        Some(key) => key,
        None => secret::ask(&format!("API key for {}", place.url))
            .await?
            .expose_secret()
            .to_owned(),
    };
    let api = Api::new(&place.url, Some(&key))?;
    let look = Ask::get("/v3/agents").with("limit", Some(1));
    during(context.out, "trying the key", api.send(look)).await?;
    home.set("api_url", Some(api.url()));
    home.set("sessions_api_url", None);
    home.set("api_key", Some(&key));
    home.save()?;
    let path = home.path().display().to_string();
    if context.out.json {
        let told = json!({ "api_url": api.url(), "key_prefix": masked(&key), "kept_in": path });
        return context.out.value(&told);
    }
    context.out.line(&format!(
        "Logged in to {} with the key {}, kept in {path}.",
        api.url(),
        masked(&key)
    ))
}

/// Forgets the key.
pub(super) fn logout(context: &Context) -> Result<(), CliError> {
    let mut home = Home::load()?;
    let there = home.get("api_key").is_some();
    if there {
        home.set("api_key", None);
        home.save()?;
    }
    if context.out.json {
        return context.out.value(&json!({ "logged_out": there }));
    }
    context.out.line(if there {
        "Logged out: the key is forgotten here. `oc key revoke` ends it everywhere."
    } else {
        "There was no key to forget."
    })
}
