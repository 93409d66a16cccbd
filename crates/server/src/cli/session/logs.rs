//! `oc session logs`: the past, and with `--follow` what happens from then on.

use clap::Args;
use serde_json::{Value, json};

use super::{path, whole};
use crate::cli::api::{Api, Ask};
use crate::cli::context::Context;
use crate::cli::ended::Ended;
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
    let live = Live::new(context.out, steps);
    watch(context, &logs.id, wanted, logs.after, Until::Archived, live).await
}

/// Watches a session from after an event until it comes to rest.
pub(crate) async fn follow_turn(context: &Context, id: &str, after: u64) -> Result<(), CliError> {
    let wanted = Wanted {
        deltas: context.out.terminal && !context.out.json,
        ..Wanted::default()
    };
    let live = Live::new(context.out, false);
    watch(context, id, wanted, after, Until::Rest, live).await
}

/// Waits until a session comes to rest, and shows nothing.
pub(crate) async fn wait_turn(context: &Context, id: &str) -> Result<(), CliError> {
    let wanted = Wanted {
        kind: Some("turn.completed".to_owned()),
        ..Wanted::default()
    };
    watch(
        context,
        id,
        wanted,
        0,
        Until::Rest,
        Live::silent(context.out),
    )
    .await
}

/// How long a session is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Until the turn ended that was waited for.
    Rest,
    /// As long as there may be more.
    Archived,
}

/// Shows everything there is to see. The last turn that ended says how it went.
async fn watch(
    context: &Context,
    id: &str,
    wanted: Wanted,
    after: u64,
    until: Until,
    mut live: Live,
) -> Result<(), CliError> {
    let api = context.api()?;
    let mut follow = Follow::new(&api, id, wanted, after);
    while let Some(mut seen) = follow.next().await? {
        if let Seen::Event(event) = &mut seen
            && !context.out.json
        {
            // Where the whole is not to be had, the part is shown, and says so.
            let _ = whole::fill(&api, id, event).await;
        }
        show(context, &mut live, &seen)?;
        match seen {
            Seen::Lost(ms) => {
                let waiting = "the connection is lost; trying again (Ctrl-C to stop)";
                during(context.out, waiting, Follow::pause(ms)).await;
            }
            Seen::Event(event) if until == Until::Rest && event["type"] == "turn.completed" => {
                if rests_after(&api, id, &event).await? {
                    return went(&event["body"], live.shows());
                }
            }
            Seen::Event(_) | Seen::Delta(_) => {}
        }
    }
    // What was asked for need not hold the ends of turns.
    let session = now(&api, id).await?;
    went(&session["last_turn"], false)
}

/// An end that is not well is an error.
fn went(turn: &Value, told: bool) -> Result<(), CliError> {
    match Ended::of(turn, told) {
        Some(ended) => Err(CliError::Turn(ended)),
        None => Ok(()),
    }
}

/// Whether a session rests after this end of a turn: what was said during the turn
/// may have queued another, which may have ended by now.
async fn rests_after(api: &Api, id: &str, end: &Value) -> Result<bool, CliError> {
    let session = now(api, id).await?;
    let rests = !matches!(session["status"].as_str(), Some("queued" | "running"));
    Ok(rests && session["last_turn"]["id"] == end["body"]["turn_id"])
}

/// The session as it is. Waits for a server that is away.
async fn now(api: &Api, id: &str) -> Result<Value, CliError> {
    loop {
        match api.send(Ask::get(path(id, ""))).await {
            Ok(answer) => return Ok(answer.value),
            Err(CliError::Api(refused)) if refused.status < 500 && refused.status != 429 => {
                return Err(refused.into());
            }
            Err(_) => Follow::pause(AWAY).await,
        }
    }
}

fn show(context: &Context, live: &mut Live, seen: &Seen) -> Result<(), CliError> {
    if !live.shows() {
        return Ok(());
    }
    match seen {
        Seen::Event(event) if context.out.json => context.out.value(event),
        Seen::Delta(delta) if context.out.json => context.out.value(&json!({ "delta": delta })),
        Seen::Event(event) => live.event(event),
        Seen::Delta(delta) => live.delta(delta),
        Seen::Lost(_) => live.break_line(),
    }
}

async fn past(context: &Context, logs: &Logs) -> Result<(), CliError> {
    let api = context.api()?;
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
            for mut event in events {
                let _ = whole::fill(&api, &logs.id, &mut event).await;
                render
                    .event(&event)
                    .map_or(Ok(()), |lines| context.out.line(&lines))?;
            }
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
