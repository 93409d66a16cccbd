//! What belongs to an agent and goes by its id or its name: a hook, a schedule.

use super::agent;
use super::api::{Api, Ask};
use super::context::Context;
use super::error::CliError;
use super::progress::during;

/// A kind of thing that belongs to an agent.
pub(super) struct Kind {
    /// What one is called.
    pub(super) noun: &'static str,
    /// What their ids begin with.
    pub(super) prefix: &'static str,
    /// Where they are, below the agent; also the command that shows them all.
    pub(super) folder: &'static str,
    /// The field that a list holds them in.
    pub(super) list: &'static str,
}

impl Kind {
    /// The path of all that an agent has.
    pub(super) async fn of(&self, context: &Context, agent: &str) -> Result<String, CliError> {
        let agent = agent::path(context, agent).await?;
        Ok(format!("{agent}/{}", self.folder))
    }

    /// The path of the one that a reference means.
    pub(super) async fn path(
        &self,
        context: &Context,
        agent: &str,
        reference: &str,
    ) -> Result<String, CliError> {
        let all = self.of(context, agent).await?;
        let api = context.api()?;
        let doing = format!("looking for the {}", self.noun);
        let id = during(context.out, &doing, self.find(&api, &all, reference)).await?;
        Ok(format!("{all}/{id}"))
    }

    /// The id that a reference means: itself if it is one, else that of the thing
    /// of that name.
    async fn find(&self, api: &Api, all: &str, reference: &str) -> Result<String, CliError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if reference.starts_with(self.prefix) && reference.bytes().all(plain) {
            return Ok(reference.to_owned());
        }
        let page = api.send(Ask::get(all).with("limit", Some(100))).await?;
        let found = page.value[self.list]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["name"] == reference));
        let id = found.and_then(|one| one["id"].as_str());
        id.map(str::to_owned).ok_or_else(|| {
            let Self { noun, folder, .. } = self;
            let message =
                format!("the agent has no {noun} `{reference}`; `oc agent {folder}` shows all");
            CliError::nothing(message)
        })
    }
}
