//! `oc session logs`: the past, and with `--follow` what happens from then on.

use clap::Args;
use serde_json::json;

use super::path;
use crate::cli::api::{Api, Ask};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::follow::{Follow, Seen, Wanted};
use crate::cli::live::Live;
use crate::cli::progress::during;
use crate::cli::render::Render;

/// Milliseconds between two looks for a server that is away.
const AWAY: u64 = 1_000;

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The session's id
    id: String,
    /// Go on with what happens next, until the session is archived
    #[arg(long, short)]
    follow: bool,
    /// How much: user (messages, results), progress (and turns), internal (all)
    #[arg(long, value_parser = ["user", "progress", "internal"])]
    level: Option<String>,
    /// Only events of this type: exact, or like turn.* or *.message
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only events of this turn
    #[arg(long)]
    turn: Option<String>,
    /// Only events after this number
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// With --follow: show the model's words as they come
    #[arg(long, requires = "follow")]
    deltas: bool,
}

impl Logs {
    /// Model calls are shown to whoever asks for all there is.
    fn steps(&self) -> bool {
        self.level.as_deref() == Some("internal") || self.kind.is_some()
    }
}

pub(super) async fn run(context: &Context, logs: Logs) -> Result<(), CliError> {
    if !logs.follow {
        return past(context, &logs).await;
    }
    let steps = logs.steps();
    let wanted = Wanted {
        level: logs.level,
        kind: logs.kind,
        turn: logs.turn,
        deltas: logs.deltas,
    };
    let mut live = Live::new(context.out, steps);
    watch(context, &logs.id, wanted, logs.after, false, |seen| {
        show(context, &mut live, seen)
    })
    .await
}

/// Watches a session from after an event until it comes to rest.
pub(crate) async fn follow_turn(context: &Context, id: &str, after: u64) -> Result<(), CliError> {
    let wanted = Wanted {
        deltas: context.out.terminal && !context.out.json,
        ..Wanted::default()
    };
    let mut live = Live::new(context.out, false);
    watch(context, id, wanted, after, true, |seen| {
        show(context, &mut live, seen)
    })
    .await
}

/// Waits until a session comes to rest, and shows nothing.
pub(crate) async fn wait_turn(context: &Context, id: &str) -> Result<(), CliError> {
    let wanted = Wanted {
        kind: Some("turn.completed".to_owned()),
        ..Wanted::default()
    };
    watch(context, id, wanted, 0, true, |_| Ok(())).await
}

/// Sees everything there is to see, until the session is archived, or at rest
/// if that is enough.
async fn watch(
    context: &Context,
    id: &str,
    wanted: Wanted,
    after: u64,
    until_rest: bool,
    mut show: impl FnMut(&Seen) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let api = context.api()?;
    let mut follow = Follow::new(&api, id, wanted, after);
    while let Some(seen) = follow.next().await? {
        show(&seen)?;
        match seen {
            Seen::Lost(ms) => {
                let waiting = "the connection is lost; trying again (Ctrl-C to stop)";
                during(context.out, waiting, Follow::pause(ms)).await;
            }
            Seen::Event(event) if until_rest && event["type"] == "turn.completed" => {
                if at_rest(&api, id).await? {
                    return Ok(());
                }
            }
            Seen::Event(_) | Seen::Delta(_) => {}
        }
    }
    Ok(())
}

/// Whether a session rests: what was said during a turn may have queued another.
/// Waits for a server that is away.
async fn at_rest(api: &Api, id: &str) -> Result<bool, CliError> {
    loop {
        match api.send(Ask::get(path(id, ""))).await {
            Ok(answer) => {
                return Ok(!matches!(
                    answer.value["status"].as_str(),
                    Some("queued" | "running")
                ));
            }
            Err(CliError::Api(refused)) if refused.status < 500 && refused.status != 429 => {
                return Err(refused.into());
            }
            Err(_) => Follow::pause(AWAY).await,
        }
    }
}

fn show(context: &Context, live: &mut Live, seen: &Seen) -> Result<(), CliError> {
    match seen {
        Seen::Event(event) if context.out.json => context.out.value(event),
        Seen::Delta(delta) if context.out.json => context.out.value(&json!({ "delta": delta })),
        Seen::Event(event) => live.event(event),
        Seen::Delta(delta) => live.delta(delta),
        Seen::Lost(_) => live.break_line(),
    }
}

async fn past(context: &Context, logs: &Logs) -> Result<(), CliError> {
    let (mut after, mut all, mut render) = (
        logs.after,
        Vec::new(),
        Render::new(context.out.paint).with_steps(logs.steps()),
    );
    loop {
        let ask = Ask::get(path(&logs.id, "/events"))
            .with("after", Some(after))
            .with("level", logs.level.as_ref())
            .with("type", logs.kind.as_ref())
            .with("turn_id", logs.turn.as_ref());
        let mut page = context.ask("reading events", ask).await?.value;
        let events = page["data"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        if context.out.json {
            all.extend(events);
        } else {
            events
                .iter()
                .filter_map(|event| render.event(event))
                .try_for_each(|lines| context.out.line(&lines))?;
        }
        match page["next_cursor"]
            .as_str()
            .and_then(|cursor| cursor.parse::<u64>().ok())
        {
            Some(cursor) if cursor > after => after = cursor,
            _ => break,
        }
    }
    if context.out.json {
        context
            .out
            .value(&json!({ "data": all, "next_cursor": null }))
    } else {
        Ok(())
    }
}
