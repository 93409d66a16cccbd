//! What the server writes about itself: one line an occurrence on standard
//! error, as text for people or as JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::error::CliError;
use crate::config::Config;

/// Starts logging as the options say.
///
/// # Errors
/// If `log` is no filter.
pub(super) fn start(config: &Config) -> Result<(), CliError> {
    let filter = filter(&config.logs.log)?;
    let terminal = std::io::stderr().is_terminal();
    let json = match config.logs.log_format.as_str() {
        "json" => true,
        "text" => false,
        _ => !terminal,
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "NO_COLOR is a convention of terminals, no option of ours"
    )]
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written, to a full disk or a closed pipe, is lost. Told
        // of on standard error it would break the task that wrote it: that is where it went.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    let started = if json {
        log.json().flatten_event(true).try_init()
    } else {
        log.try_init()
    };
    started.map_err(|error| CliError::Local(format!("cannot start logging: {error}")))
}

fn filter(text: &str) -> Result<EnvFilter, CliError> {
    EnvFilter::try_new(text).map_err(|error| {
        CliError::Local(format!(
            "`log` is `{text}`: {error}. Give a level such as info, or target=level pairs"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_and_targets() {
        for good in ["info", "warn,store=debug", "server::http=trace"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        let error = filter("store=loud").unwrap_err();
        assert!(error.to_string().contains("store=loud"), "{error}");
    }
}
