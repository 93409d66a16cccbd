//! Which folder of runtimes a command works on, and a command line in words.

use std::path::PathBuf;

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::options;
use crate::config::Settings;
use crate::runtimes::Runtimes;

/// Which folder of runtimes.
#[derive(Debug, Args)]
pub(in crate::cli) struct Place {
    /// The server's data folder
    #[arg(long, env = "OC_DATA")]
    data: Option<PathBuf>,
    /// Folder of installed runtimes, if it is not in the data folder
    #[arg(long, env = "OC_RUNTIMES")]
    runtimes: Option<PathBuf>,
    /// The server's file of options
    #[arg(long, env = "OC_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The runtimes there.
    pub(super) fn hold(self) -> Result<Runtimes, CliError> {
        let mut settings = Settings::default();
        settings.node.data = self.data;
        settings.node.runtimes = self.runtimes;
        let (config, _) = options::hold(settings, self.config.as_deref())?;
        Ok(Runtimes::new(config.node.runtimes()))
    }
}

/// The words of a command, as a shell splits them: at blanks, except inside
/// quotes or behind a backslash. Nothing else of a shell is meant.
pub(super) fn words(line: &str) -> Result<Vec<String>, CliError> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None, ' ' | '\t' | '\n') => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(rest.next()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        let wrong = format!("a quote of `{line}` is not closed");
        return Err(CliError::Usage(wrong));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_as_a_shell_would() {
        for (line, want) in [
            ("python3 brain.py", vec!["python3", "brain.py"]),
            ("  a\tb  ", vec!["a", "b"]),
            (
                r#"a "b c" 'd "e"' f\ g"#,
                vec!["a", "b c", "d \"e\"", "f g"],
            ),
            (r#"a "" x"y"z"#, vec!["a", "", "xyz"]),
            (r"'a\b'", vec![r"a\b"]),
            ("", vec![]),
        ] {
            assert_eq!(words(line).unwrap(), want, "{line}");
        }
        assert_eq!(words("a 'b").unwrap_err().code(), 2);
    }
}
