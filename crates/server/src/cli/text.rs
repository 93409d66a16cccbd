//! Text given to a command: as an argument, as `-` for standard input, or as
//! `@file`.

use std::io::Read;

use super::error::CliError;

/// The text an argument stands for. A text that begins with `@` is written `@@`.
pub(super) fn given(argument: &str) -> Result<String, CliError> {
    if argument == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        return Ok(text);
    }
    match argument.strip_prefix('@') {
        None => Ok(argument.to_owned()),
        Some(rest) if rest.starts_with('@') => Ok(rest.to_owned()),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| CliError::Local(format!("cannot read {path}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_itself_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompt.md");
        std::fs::write(&path, "from a file").unwrap();
        assert_eq!(given("plain").unwrap(), "plain");
        assert_eq!(given("@@home").unwrap(), "@home");
        assert_eq!(
            given(&format!("@{}", path.display())).unwrap(),
            "from a file"
        );
        assert_eq!(given("@/no/such/file").unwrap_err().code(), 1);
    }
}
