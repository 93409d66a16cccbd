//! Reads a provider's key or a secret from where it does not leak: a variable or
//! standard input. On the command line it would be seen by everyone who lists
//! processes and stay in the shell's history.

use std::io::{BufRead, IsTerminal, Read};

use clap::Args;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret, SecretString};

use super::error::CliError;
use super::text;

/// Most bytes of a value: more than any server takes.
const MOST: u64 = 128 * 1024;

/// Where a provider's key comes from.
#[derive(Debug, Args)]
pub(super) struct KeySource {
    /// Name of an environment variable that holds the provider's key
    #[arg(long, value_name = "VARIABLE", conflicts_with = "key")]
    pub key_env: Option<String>,
    /// The provider's key itself. Others on this machine can see it while the
    /// command runs and your shell may remember it: prefer --key-env or standard input
    #[arg(long, value_name = "KEY", hide_env_values = true)]
    pub key: Option<String>,
}

impl KeySource {
    /// The key that was given, if any; never asks.
    #[expect(clippy::disallowed_methods, reason = "the user names the variable")]
    pub(super) fn given(&self) -> Result<Option<SecretString>, CliError> {
        match (&self.key, &self.key_env) {
            (Some(key), _) => whole(&key.clone().into()).map(Some),
            (None, Some(name)) => {
                let value = std::env::var(name)
                    .map_err(|_| CliError::Local(format!("the variable {name} is not set")))?;
                whole(&value.into()).map(Some)
            }
            (None, None) => Ok(None),
        }
    }

    /// The key that was given, else from standard input.
    pub(super) async fn read(&self) -> Result<SecretString, CliError> {
        match self.given()? {
            Some(key) => Ok(key),
            None => ask("Provider's key").await,
        }
    }
}

/// Where the value of a secret comes from.
#[derive(Debug, Args)]
pub(super) struct ValueSource {
    /// The value itself; asked for if absent. Others on this machine can see it while
    /// the command runs and your shell may remember it: prefer standard input
    #[arg(hide_env_values = true)]
    value: Option<String>,
    /// Read the value from standard input; one line break at its end is left out
    #[arg(long, conflicts_with = "value")]
    from_stdin: bool,
}

impl ValueSource {
    /// The value that was given, else from standard input.
    pub(super) async fn read(&self, name: &str) -> Result<SecretString, CliError> {
        match &self.value {
            Some(value) => Ok(SecretString::from(value.clone())),
            None => read(&format!("Value of {name}"), self.from_stdin).await,
        }
    }
}

fn whole(text: &SecretString) -> Result<SecretString, CliError> {
    let key = text.expose_secret().trim();
    if key.is_empty() {
        return Err(CliError::Local(
            "the key is empty: pipe it in, or name a variable that holds it".to_owned(),
        ));
    }
    Ok(SecretString::from(key))
}

/// Reads a key from standard input.
pub(super) async fn ask(what: &str) -> Result<SecretString, CliError> {
    whole(&read(what, false).await?)
}

/// Reads standard input, without the line break at its end: a line that is not
/// shown from a terminal unless all of it is wanted. In a thread of its own, so
/// that Ctrl-C is heard meanwhile and the terminal is put right.
async fn read(what: &str, all: bool) -> Result<SecretString, CliError> {
    let terminal = !all && std::io::stdin().is_terminal();
    let _silent = terminal.then(|| {
        eprint!("{what} (not shown): ");
        Silent::new()
    });
    let read = move || {
        let (mut text, mut input) = (String::new(), std::io::stdin().lock().take(MOST + 1));
        let read = if terminal {
            input.read_line(&mut text)
        } else {
            input.read_to_string(&mut text)
        };
        read.map(|_| text)
    };
    let mut text = text::elsewhere(read).await?;
    if terminal {
        eprintln!();
    }
    if text.len() as u64 > MOST {
        let words = format!("what was read is over {} KiB", MOST / 1024);
        return Err(CliError::Local(words));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    text.truncate(line.strip_suffix('\r').unwrap_or(line).len());
    Ok(SecretString::from(text))
}

/// While it lives, the terminal does not show what is typed.
struct Silent(Option<Termios>);

impl Silent {
    fn new() -> Self {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut quiet) = before.clone() {
            quiet.local_flags.remove(LocalFlags::ECHO);
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &quiet);
        }
        Self(before)
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(key: Option<&str>, key_env: Option<&str>) -> KeySource {
        KeySource {
            key: key.map(str::to_owned),
            key_env: key_env.map(str::to_owned),
        }
    }

    #[test]
    fn a_key_is_taken_from_where_it_was_said_to_be() {
        let given = source(Some(" sk-1\n"), None).given().unwrap().unwrap();
        assert_eq!(given.expose_secret(), "sk-1");
        assert!(source(None, None).given().unwrap().is_none());
        // PATH is the one variable every test has.
        assert!(source(None, Some("PATH")).given().unwrap().is_some());
    }

    #[test]
    fn an_absent_or_empty_key_is_an_error() {
        assert_eq!(
            source(None, Some("OC_NO_SUCH_VARIABLE"))
                .given()
                .unwrap_err()
                .code(),
            1
        );
        assert_eq!(source(Some("  "), None).given().unwrap_err().code(), 1);
    }
}
