//! Text given to a command: as an argument, as `-` for standard input, or as
//! `@file`.

use std::io::{self, Read};

use super::error::CliError;

/// The text an argument stands for. A text that begins with `@` is written `@@`.
pub(super) async fn given(argument: &str) -> Result<String, CliError> {
    if argument == "-" {
        let read = || {
            let mut text = String::new();
            std::io::stdin()
                .lock()
                .read_to_string(&mut text)
                .map(|_| text)
        };
        return elsewhere(read).await;
    }
    match argument.strip_prefix('@') {
        None => Ok(argument.to_owned()),
        Some(rest) if rest.starts_with('@') => Ok(rest.to_owned()),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| CliError::Local(format!("cannot read {path}: {error}"))),
    }
}

/// Reads what may keep us waiting in a thread of its own, so that Ctrl-C is
/// heard meanwhile.
pub(super) async fn elsewhere(
    read: impl FnOnce() -> io::Result<String> + Send + 'static,
) -> Result<String, CliError> {
    let read = tokio::task::spawn_blocking(read).await;
    Ok(read.map_err(|error| CliError::Local(error.to_string()))??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_is_itself_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompt.md");
        std::fs::write(&path, "from a file").unwrap();
        assert_eq!(given("plain").await.unwrap(), "plain");
        assert_eq!(given("@@home").await.unwrap(), "@home");
        assert_eq!(
            given(&format!("@{}", path.display())).await.unwrap(),
            "from a file"
        );
        assert_eq!(given("@/no/such/file").await.unwrap_err().code(), 1);
    }
}
