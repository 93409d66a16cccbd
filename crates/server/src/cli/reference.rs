//! The parts of the documentation that are made from the code: they are checked
//! here, and written anew with `UPDATE=1`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory};
use serde_json::Value;

use super::Cli;
use crate::config::Settings;

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

/// Compares what stands between two marks of a document with what should.
#[expect(clippy::disallowed_methods, reason = "UPDATE rewrites the documents")]
fn check(name: &str, made: &str) {
    let (path, begin, end) = (
        docs(name),
        "<!-- made from the code -->\n",
        "<!-- end -->\n",
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (between, after) = rest.split_once(end).unwrap();
    if between == made {
        return;
    }
    assert!(
        std::env::var_os("UPDATE").is_some(),
        "docs/{name} is behind the code: run the tests once with UPDATE=1"
    );
    std::fs::write(&path, format!("{before}{begin}{made}{end}{after}")).unwrap();
}

#[test]
fn the_table_of_options_is_what_the_server_takes() {
    let config = serde_json::to_value(Settings::default().hold().unwrap()).unwrap();
    let mut command = Cli::command();
    let serve = command.find_subcommand_mut("serve").unwrap();
    let mut made =
        String::from("| variable | flag | default | meaning |\n| --- | --- | --- | --- |\n");
    for option in serve.get_arguments().filter(|option| !option.is_hide_set()) {
        let default = match &config[option.get_id().as_str()] {
            Value::Null => "–".to_owned(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let variable = option
            .get_env()
            .map(|name| name.to_string_lossy().into_owned());
        let (variable, flag) = (
            variable.unwrap_or_default(),
            option.get_long().unwrap_or_default(),
        );
        writeln!(
            made,
            "| `{variable}` | `--{flag}` | {default} | {} |",
            help(option)
        )
        .unwrap();
    }
    check("operations.md", &made);
}

#[test]
fn the_reference_of_commands_is_the_tree_of_commands() {
    let mut command = Cli::command();
    command.build();
    let mut made = String::new();
    for below in command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
    {
        describe(&mut made, below);
    }
    check("cli.md", &made);
}

fn describe(made: &mut String, command: &Command) {
    let deeper: Vec<&Command> = command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
        .collect();
    if command.is_subcommand_required_set() {
        return deeper.into_iter().for_each(|below| describe(made, below));
    }
    let name = command.get_bin_name().unwrap_or_default();
    let words: Vec<String> = command
        .get_positionals()
        .map(|word| word.to_string())
        .collect();
    let line = [vec![name.to_owned()], words].concat().join(" ");
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    writeln!(made, "### `{line}`\n\n{about}.\n").unwrap();
    // What every command takes is told once, and the server's options elsewhere.
    let everywhere = ["json", "no_color", "api_key", "api_url", "help", "version"];
    let whole = matches!(name, "oc serve" | "oc config" | "oc doctor");
    let elsewhere = |option: &Arg| {
        option.is_hide_set()
            || option.is_positional()
            || everywhere.contains(&option.get_id().as_str())
            || whole && option.get_env().is_some()
    };
    if whole {
        made.push_str("Takes every option of the server; see [operations.md](operations.md).\n\n");
    }
    let options: Vec<&Arg> = command
        .get_arguments()
        .filter(|option| !elsewhere(option))
        .collect();
    if !options.is_empty() {
        made.push_str("| option | meaning |\n| --- | --- |\n");
        for option in options {
            writeln!(made, "| `{}` | {} |", flag(option), help(option)).unwrap();
        }
        made.push('\n');
    }
    deeper.into_iter().for_each(|below| describe(made, below));
}

fn flag(option: &Arg) -> String {
    let short = option
        .get_short()
        .map(|short| format!("-{short}, "))
        .unwrap_or_default();
    let value = option
        .get_action()
        .takes_values()
        .then(|| option.get_value_names());
    let value = value
        .flatten()
        .map(|names| format!(" <{}>", names.join(" ")))
        .unwrap_or_default();
    format!("{short}--{}{value}", option.get_long().unwrap_or_default()).replace('|', "\\|")
}

fn help(option: &Arg) -> String {
    option
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace('|', "\\|")
}
