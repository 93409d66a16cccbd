//! The command line: one tree of commands, one exit code each.
//!
//! Commands about agents, sessions and credentials are clients of the HTTP face
//! like any other program and know nothing of the store. `serve`, `demo`,
//! `rehearse`, `key`, `vault`, `runtime`, `config` and `doctor` act on this machine.

mod agent;
mod agent_hook;
mod agent_invoke;
mod agent_schedule;
mod agent_secret;
mod agent_skills;
mod api;
mod caps;
mod context;
mod credential;
mod delivery;
mod demo;
mod destination;
mod doctor;
mod drill;
mod ended;
mod error;
mod follow;
mod home;
mod key;
mod limits;
mod live;
mod local;
mod logging;
mod login;
mod named;
mod options;
mod out;
mod pack;
mod paint;
mod policy;
mod progress;
#[cfg(test)]
mod reference;
mod rehearse;
mod remember;
mod render;
mod runtime;
mod secret;
mod secret_store;
mod serve;
mod session;
pub(crate) mod sse;
mod store_secret;
mod table;
mod text;
mod usage;
mod vault;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use context::Context;
use error::CliError;
use out::Out;

/// Runs AI agents as durable sessions, and talks to the server that does.
#[derive(Debug, Parser)]
#[command(name = "oc", version, propagate_version = true, arg_required_else_help = true, after_help = AFTER)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "Exit codes: 0 done, 1 failed here, 2 wrong command line, 3 refused by the server, \
4 conflict, 5 the server failed; of a turn that was waited for: 6 it failed, 7 a limit ended it, \
8 it was stopped, 9 it asks something; 130 interrupted.";

#[derive(Debug, Args)]
#[command(next_help_heading = "For every command")]
struct Global {
    /// One JSON document for programs instead of words for people
    #[arg(long, global = true)]
    json: bool,
    /// No colours (as with NO_COLOR)
    #[arg(long, global = true)]
    no_color: bool,
    /// API key of the server to talk to (or OPENCOMPUTER_API_KEY)
    // Its variable is read in `main`: clap shows what a variable gives as if the
    // user had to give it.
    #[arg(long, global = true, value_name = "KEY")]
    api_key: Option<String>,
    /// Address of the server to talk to (or OPENCOMPUTER_API_URL)
    #[arg(long, global = true, value_name = "URL")]
    api_url: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See it work: start a server, run an agent, watch it
    Demo(demo::Demo),
    /// Run the server
    Serve(serve::Serve),
    /// Define and look after agents
    #[command(subcommand, visible_alias = "agents")]
    Agent(agent::AgentCommand),
    /// Start, watch and steer sessions
    #[command(subcommand, visible_alias = "sessions")]
    Session(session::SessionCommand),
    /// Look after the providers' keys that agents use
    #[command(subcommand, visible_alias = "credentials")]
    Credential(credential::CredentialCommand),
    /// Who is told of a session's events by webhook
    #[command(subcommand, visible_alias = "destinations")]
    Destination(destination::DestinationCommand),
    /// What destinations were told
    #[command(subcommand, visible_alias = "deliveries")]
    Delivery(delivery::DeliveryCommand),
    /// Look after named sets of secrets for sandboxes
    #[command(subcommand, visible_alias = "secret-stores")]
    SecretStore(secret_store::StoreCommand),
    /// Look after the secrets of a store
    #[command(subcommand, visible_alias = "secrets")]
    Secret(store_secret::SecretCommand),
    /// Show what was used, and what it costs
    Usage(usage::Usage),
    /// Make and revoke API keys, on the server's machine
    #[command(subcommand, visible_alias = "keys")]
    Key(key::KeyCommand),
    /// Look after the master key, on the server's machine
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Keep a server's address and your key for it
    Login(login::Login),
    /// Forget the key that login kept
    Logout(login::Logout),
    /// Show every option of the server, and where its value comes from
    Config(Config),
    /// Tell what this machine can and cannot isolate, and how to fix it
    Doctor(Box<doctor::Doctor>),
    /// Break servers of its own on this machine and tell whether the promises were kept
    Drill(Box<drill::Drill>),
    /// Install and look after the runtimes that agents can use, on the server's machine
    #[command(subcommand, visible_alias = "runtimes")]
    Runtime(runtime::RuntimeCommand),
    /// Serve the rehearsal model over the Anthropic and OpenAI APIs
    Rehearse(rehearse::Rehearse),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
}

/// The server's options, or what this user's commands remember.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
struct Config {
    #[command(flatten)]
    given: Box<options::Given>,
    #[command(subcommand)]
    remember: Option<remember::Remember>,
}

/// Runs the command the program was started with.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let matches = match Cli::command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return misused(&error, json),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return misused(&error, json),
    };
    let out = Out::new(cli.global.json, cli.global.no_color);
    let context = Context {
        out,
        url: cli.global.api_url.or_else(|| set("OPENCOMPUTER_API_URL")),
        key: cli.global.api_key.or_else(|| set("OPENCOMPUTER_API_KEY")),
    };
    match run(&context, cli.command, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            error.exit()
        }
    }
}

/// What a variable of the environment says.
#[expect(
    clippy::disallowed_methods,
    reason = "the client's own two variables are no options of the server's"
)]
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Help is no error; what is one ends with 2.
fn misused(error: &clap::Error, json: bool) -> ExitCode {
    if json && error.use_stderr() {
        let text = error.to_string();
        let whole = text.trim().trim_start_matches("error: ");
        let usage = CliError::Usage(whole.to_owned());
        eprintln!("{}", usage.json());
        return usage.exit();
    }
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    }
}

fn run(context: &Context, command: Command, matches: &ArgMatches) -> Result<(), CliError> {
    match command {
        Command::Serve(serve) => serve::run(serve),
        Command::Config(Config {
            remember: Some(remember),
            ..
        }) => remember::run(context, remember),
        Command::Config(config) => {
            options::run(context, *config.given, matches.subcommand_matches("config"))
        }
        Command::Login(login) => until_interrupted(login::login(context, &login)),
        Command::Logout(_) => login::logout(context),
        Command::Version => version(context),
        Command::Completions { shell } => completions(shell),
        Command::Demo(demo) => until_interrupted(demo::run(context, demo)),
        Command::Agent(command) => until_interrupted(agent::run(context, command)),
        Command::Session(command) => until_interrupted(session::run(context, command)),
        Command::Credential(command) => until_interrupted(credential::run(context, command)),
        Command::Destination(command) => until_interrupted(destination::run(context, command)),
        Command::Delivery(command) => until_interrupted(delivery::run(context, command)),
        Command::SecretStore(command) => until_interrupted(secret_store::run(context, command)),
        Command::Secret(command) => until_interrupted(store_secret::run(context, command)),
        Command::Usage(usage) => until_interrupted(usage::run(context, usage)),
        Command::Key(command) => until_interrupted(key::run(context, command)),
        Command::Vault(command) => until_interrupted(vault::run(context, command)),
        Command::Doctor(doctor) => until_interrupted(doctor::run(context, *doctor)),
        Command::Drill(wanted) => until_interrupted(drill::run(context, *wanted)),
        Command::Runtime(command) => until_interrupted(runtime::run(context, command)),
        Command::Rehearse(rehearse) => until_interrupted(rehearse::run(context, rehearse)),
    }
}

/// Does the work, or stops at Ctrl-C.
fn until_interrupted(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let work = Box::pin(work);
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => Err(CliError::Interrupted),
        }
    });
    // A read of standard input may still hang in a thread of its own.
    runtime.shutdown_background();
    done
}

fn version(context: &Context) -> Result<(), CliError> {
    let version = env!("CARGO_PKG_VERSION");
    if context.out.json {
        context
            .out
            .value(&serde_json::json!({ "version": version }))
    } else {
        context.out.line(&format!("oc {version}"))
    }
}

fn completions(shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "oc", &mut script);
    Ok(std::io::Write::write_all(&mut std::io::stdout(), &script)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_issue_is_there() {
        let lines = [
            "oc serve --listen 127.0.0.1:0 --data d --config c.toml",
            "oc demo --data d --listen 127.0.0.1:1 --stop",
            "oc rehearse --listen 127.0.0.1:9900",
            "oc runtime list --data d",
            "oc runtime install claude",
            "oc runtime install codex --version 0.163.0 --registry http://h --runtimes r",
            "oc runtime add mine --dir d --command brain.py",
            "oc runtime check mine",
            "oc runtime check --dir d --command brain.py",
            "oc runtime remove mine",
            "oc key create --name x",
            "oc key list",
            "oc key revoke key_1",
            "oc vault rotate-master --prepare --data d",
            "oc vault status",
            "oc agent create coder --prompt p --model test/demo --runtime native --tokens 5",
            "oc agent get coder",
            "oc agent get --agent coder",
            "oc agent ls",
            "oc agent update coder --model test/script",
            "oc agent delete coder",
            "oc session create --agent coder --input hi --source o/r@main",
            "oc session get ses_1",
            "oc session ls --status idle --agent coder",
            "oc session logs ses_1 --follow --level user --type turn.* --deltas",
            "oc session steer ses_1 text --interrupt",
            "oc session result ses_1",
            "oc session cancel ses_1",
            "oc session archive ses_1",
            "oc session create --agent a --input x --usd 0.5 --steps 9 --auto-continue 2",
            "oc session fork ses_1 --at 7 --input hi --follow",
            "oc session limits ses_1 --usd 2 --none turns",
            "oc session checkpoints ses_1",
            "oc session rm ses_1",
            "oc usage --from 2026-01-01 --by agent",
            "oc agent update coder --on-interrupt bash=retry --usd-per-day 5",
            "oc agent create coder --prompt p --model test/demo --egress *.github.com,a.test --secret-store ci",
            "oc agent secret set TOKEN --agent coder --from-stdin --allowed-hosts api.github.com",
            "oc agent secret ls --agent coder",
            "oc agent secret delete TOKEN --agent coder",
            "oc secret-store create --name ci --egress-allowlist a.test,b.test",
            "oc secret-store list",
            "oc secret-store get ci",
            "oc secret-store update ci --name cd",
            "oc secret-store delete ci",
            "oc secret set ci TOKEN value --allowed-hosts api.github.com",
            "oc secret list ci",
            "oc secret delete ci TOKEN",
            "oc credential add --provider anthropic --key-env K --default",
            "oc credential list",
            "oc credential remove cred_1",
            "oc credential set-default cred_1",
            "oc config --json",
            "oc config set api_url http://h",
            "oc config get api_url",
            "oc config show",
            "oc login --force",
            "oc logout --local",
            "oc doctor --json",
            "oc doctor --reap --data d",
            "oc doctor --canary --json --data d",
            "oc drill --seed 7 --runs 3 --point turn.begun --keep --json",
            "oc version",
            "oc completions bash",
        ];
        for line in lines {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(
                parsed.is_ok(),
                "{line}: {}",
                parsed
                    .err()
                    .map(|error| error.to_string())
                    .unwrap_or_default()
            );
        }
    }

    #[test]
    fn a_wrong_command_line_is_refused() {
        for line in [
            "oc fly",
            "oc session logs",
            "oc config set colour red",
            "oc config --data d set api_url http://h",
            "oc session logs s --deltas",
            "oc doctor --canary --reap",
            "oc agent create x --model m",
            "oc credential add --key a --key-env b",
            "oc secret set ci TOKEN value --from-stdin",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
