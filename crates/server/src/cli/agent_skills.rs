//! `oc agent skills`: an agent's skills, from a folder or an archive.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::agent;
use super::api::Ask;
use super::context::{Context, field};
use super::error::CliError;
use super::pack::archive;

#[derive(Debug, Subcommand)]
pub(super) enum AgentSkillsCommand {
    /// Give an agent these skills, in place of all it has
    Put(Put),
    /// Show an agent's skills
    #[command(visible_alias = "list")]
    Get(Of),
    /// Take an agent's skills away
    #[command(visible_alias = "rm")]
    Delete(Of),
}

#[derive(Debug, Args)]
pub(super) struct Of {
    /// The agent's id or name
    #[arg(long, value_name = "ID|NAME")]
    agent: String,
}

#[derive(Debug, Args)]
pub(super) struct Put {
    #[command(flatten)]
    of: Of,
    /// A folder of skills, a skill's own folder, or a zip archive
    path: std::path::PathBuf,
}

pub(super) async fn run(context: &Context, command: AgentSkillsCommand) -> Result<(), CliError> {
    match command {
        AgentSkillsCommand::Put(put) => {
            let archive = archive(put.path).await?;
            let ask = Ask::new(Method::PUT, path(context, &put.of).await?).zip(archive);
            let answer = context.ask("sending the skills", ask).await?;
            context.show(&answer, deployed)
        }
        AgentSkillsCommand::Get(of) => {
            let ask = Ask::get(path(context, &of).await?);
            let answer = context.ask("reading the skills", ask).await?;
            let heading = ["NAME", "FILES", "DESCRIPTION"];
            let none = "No skills yet: oc agent skills put FOLDER --agent AGENT";
            context.show(&answer, |skills| {
                let rows = skills["skills"].as_array().into_iter().flatten().map(row);
                super::table::columns(context.out.paint, &heading, rows.collect(), none)
            })
        }
        AgentSkillsCommand::Delete(of) => {
            let ask = Ask::new(Method::DELETE, path(context, &of).await?);
            let answer = context.ask("taking the skills away", ask).await?;
            context.show(&answer, deployed)
        }
    }
}

async fn path(context: &Context, of: &Of) -> Result<String, CliError> {
    let agent = agent::path(context, &of.agent).await?;
    Ok(format!("{agent}/skills"))
}

fn deployed(answer: &Value) -> String {
    let number = field(&answer["revision"], "number");
    if answer["result"] == "deduped" {
        format!("Nothing changed: revision {number} stays active.")
    } else {
        format!("Revision {number} is active.")
    }
}

fn row(skill: &Value) -> Vec<String> {
    let files = skill["files"].as_array().map_or(0, Vec::len);
    vec![
        field(skill, "name"),
        files.to_string(),
        field(skill, "description"),
    ]
}
