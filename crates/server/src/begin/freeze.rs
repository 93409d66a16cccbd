//! What a session keeps of its agent for ever, as it is at this moment.

use session::config::Bounds;
use session::{Cause, Frozen, Limits, ModelRef};
use store::AgentRow;

use crate::app::App;
use crate::gate::own_store;
use crate::http::problem::Problem;
use crate::http::v3::{agents, credentials, price};

/// What a session of that agent is frozen with.
pub(super) async fn freeze(
    app: &App,
    agent: AgentRow,
    model: Option<String>,
    limits: Limits,
    cause: Option<Cause>,
) -> Result<Frozen, Problem> {
    let model = agents::model(
        model.unwrap_or_else(|| agent.active.model.clone()),
        &agent.runtime,
    )?;
    // It may have been removed since the agent was made.
    agents::runtime::known(&app.runtimes(), Some(&agent.runtime))
        .map_err(|problem| problem.at("agent"))?;
    let credential = credentials::resolve(app, &agent, model.provider).await?;
    let limits = limits.over(agent.limits);
    let prices = price::of(app, &model);
    price::needed(prices, &model, &limits)?;
    price::capped(prices, &model, &agent.policy.caps)?;
    if let Some(cause) = &cause {
        price::capped(prices, &model, &cause.caps)?;
    }
    price::allowed(app, prices, &model)?;
    let own = own_store(&agent.id);
    Ok(Frozen {
        bounds: bounds(app, &model),
        agent: agent.id,
        revision: agent.active.number,
        prompt: agent.active.prompt,
        prompt_hash: agent.active.prompt_hash,
        model,
        runtime: agent.runtime,
        credential,
        limits,
        on_interrupt: agent.policy.on_interrupt,
        prices,
        caps: agent.policy.caps,
        egress: agent.policy.egress,
        secret_stores: std::iter::once(own)
            .chain(agent.policy.secret_store)
            .collect(),
        skills: agent.active.skills.map(told),
        cause,
    })
}

/// What a session's model is told of the skills of its agent.
fn told(bundle: store::Bundle) -> session::Skills {
    let skill = |row: store::SkillRow| session::Skill {
        name: row.name,
        description: row.description,
    };
    session::Skills {
        digest: bundle.digest,
        list: bundle.skills.into_iter().map(skill).collect(),
    }
}

/// The platform's own limits: the operator's where set, else the model's.
fn bounds(app: &App, model: &ModelRef) -> Bounds {
    let config = &app.config;
    Bounds {
        turn_seconds: config.turns.turn_seconds,
        steps: config.turns.turn_steps,
        max_tokens: config
            .models
            .max_output_tokens
            .unwrap_or_else(|| app.models.max_output(model)),
        window: config
            .models
            .context_window
            .unwrap_or_else(|| app.models.window(model)),
        loop_after: config.turns.loop_after,
        model_seconds: config.models.model_seconds,
        tool_seconds: config.turns.tool_seconds,
    }
}
