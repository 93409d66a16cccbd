//! `oc demo`: the whole thing once, on this machine. Starts a server if none
//! runs, lets an agent work in a sandbox, shows every step, and leaves the
//! server running with what to try next. A second run uses the same server.

mod key;
mod launch;
mod pid;
mod stop;
mod story;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::error::CliError;
use launch::Launched;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Folder that holds everything the server keeps
    #[arg(long, env = "OC_DATA", default_value = "./data")]
    data: PathBuf,
    /// Address the server listens on
    #[arg(long, env = "OC_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// End the server that an earlier demo left running, and its sandboxes
    #[arg(long)]
    stop: bool,
    /// Only to see whether there is one: the server gets it from its environment.
    #[arg(long, env = "ANTHROPIC_API_KEY", hide = true, hide_env_values = true)]
    anthropic_api_key: Option<String>,
}

pub(super) async fn run(context: &Context, demo: Demo) -> Result<(), CliError> {
    if demo.stop {
        return stop::run(context, &demo.data).await;
    }
    let new = !demo.data.exists();
    let key = key::load_or_create(&demo.data)?;
    // Dropped without `keep`, it ends what it started.
    let launched = launch::ensure(context, &demo.data, demo.listen, &key)
        .await
        .inspect_err(|_| {
            if new {
                key::forget(&demo.data);
            }
        })?;
    let here = Context {
        out: context.out,
        url: Some(launched.url.clone()),
        key: Some(key.clone()),
    };
    let model = story::model(demo.anthropic_api_key.as_deref());
    match story::tell(&here, model).await {
        Ok(told) => {
            let fresh = launched.fresh();
            launched.keep();
            farewell(&here, &demo, &key, &told, fresh)
        }
        Err(error) => Err(unhappy(error, &demo, &launched)),
    }
}

/// Adds what would help to what went wrong.
fn unhappy(error: CliError, demo: &Demo, launched: &Launched) -> CliError {
    let log = demo.data.join("server.log");
    let after = if launched.fresh() {
        "The server it started was ended."
    } else {
        "The server was running before and goes on."
    };
    match error {
        CliError::Local(message) => {
            CliError::Local(format!("{message}\n{after} Its log: {}", log.display()))
        }
        CliError::Api(mut refused) => {
            refused.message = format!("{}\n{after} Its log: {}", refused.message, log.display());
            refused.into()
        }
        other => other,
    }
}

fn farewell(
    context: &Context,
    demo: &Demo,
    key: &str,
    told: &story::Told,
    fresh: bool,
) -> Result<(), CliError> {
    let (out, url) = (context.out, context.url.as_deref().unwrap_or_default());
    if out.json {
        return out.value(&json!({ "url": url, "api_key": key, "agent": told.agent, "session": told.session, "result": told.result, "started": fresh }));
    }
    let oc = program();
    let data = quoted(&demo.data.display().to_string());
    let paint = out.paint;
    let lines = [
        String::new(),
        paint.bold("The result"),
        told.result
            .lines()
            .map(|line| {
                format!("  {}", super::paint::clean(line))
                    .trim_end()
                    .to_owned()
            })
            .collect::<Vec<_>>()
            .join("\n"),
        String::new(),
        paint.bold("The server goes on running"),
        format!("  address  {url}"),
        format!("  API key  {key}"),
        format!("  log      {}", demo.data.join("server.log").display()),
        String::new(),
        paint.bold("To use it from this shell"),
        format!("  export OPENCOMPUTER_API_URL={url}"),
        format!("  export OPENCOMPUTER_API_KEY={key}"),
        String::new(),
        paint.bold("Then try"),
        format!(
            "  {oc} session steer {} \"Do it again, please.\" --follow",
            told.session
        ),
        format!("  {oc} session list"),
        format!("  {oc} demo --stop --data {data}"),
    ];
    out.line(&lines.join("\n"))
}

/// How this program is called from here.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_else(|| "oc".to_owned());
    let here = std::env::current_dir().ok();
    let path = std::path::Path::new(&called);
    let short = here
        .as_deref()
        .and_then(|here| path.strip_prefix(here).ok());
    quoted(&short.map_or(called.clone(), |short| format!("./{}", short.display())))
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_the_shell_is_quoted_where_it_must_be() {
        for (given, want) in [
            ("./data", "./data"),
            ("my data", "'my data'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(given), want);
        }
    }
}
