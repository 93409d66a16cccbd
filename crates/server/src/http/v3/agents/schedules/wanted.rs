//! A schedule as it is asked for: every field is checked, and a wrong one named.

use serde::Deserialize;
use session::cron::{Cron, Zone};
use session::id::Noun;
use store::{AgentRow, NewSchedule, Overlap, ScheduleChange};
use utoipa::ToSchema;

use super::super::policy::{CapsIn, caps};
use crate::app::App;
use crate::clock;
use crate::http::field::{Object, need, slug};
use crate::http::json::Sent;
use crate::http::problem::{Code, Problem};
use crate::schedules;

/// Most bytes of what each session is told first.
const INPUT: usize = 32 * 1024;

/// A schedule to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CreateSchedule {
    /// Small letters, digits and dashes; unique among those of the agent.
    #[schema(value_type = String, required = true, pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    name: Option<String>,
    /// Minute, hour, day of month, month, day of week.
    #[schema(value_type = String, required = true, example = "0 9 * * MON-FRI")]
    cron: Option<String>,
    /// An IANA time zone; null or absent for UTC.
    tz: Option<String>,
    /// What each session is told first, at most 32 KiB.
    #[schema(value_type = String, required = true)]
    input: Option<String>,
    /// What becomes of a slot while the session before still works: `skip` (the
    /// default) or `allow`.
    #[schema(nullable = false)]
    overlap: Option<String>,
    /// What all its sessions together may use; days and months are UTC.
    #[schema(value_type = CapsIn, required = false)]
    caps: Option<Object<CapsIn>>,
}

/// What is to change; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateSchedule {
    /// Another expression; the next slot is computed from now.
    #[schema(nullable = false)]
    cron: Option<String>,
    /// Another time zone, null for UTC; the next slot is computed from now.
    tz: Option<String>,
    /// Another first message.
    #[schema(nullable = false)]
    input: Option<String>,
    /// `skip` or `allow`.
    #[schema(nullable = false)]
    overlap: Option<String>,
    /// Other caps, all of them; null for none.
    #[schema(value_type = Option<CapsIn>)]
    caps: Option<Object<CapsIn>>,
    /// Whether it is to rest. False begins anew: the next slot is computed from
    /// now, and failures before are forgotten.
    #[schema(nullable = false)]
    paused: Option<bool>,
}

/// The schedule that a request asks for.
///
/// # Errors
/// 422 naming the field.
pub fn new(app: &App, agent: &AgentRow, sent: &Sent) -> Result<NewSchedule, Problem> {
    let wanted: CreateSchedule = sent.parse()?;
    let name = slug(need(wanted.name, "name")?, "name")?;
    let cron = cron(need(wanted.cron, "cron")?)?;
    let tz = wanted.tz.map(zone).transpose()?;
    let now = clock::now();
    Ok(NewSchedule {
        next: schedules::next(&cron, tz.as_deref(), now),
        id: clock::fresh(Noun::Schedule),
        org: agent.org.clone(),
        agent: agent.id.clone(),
        name,
        cron,
        tz,
        input: input(need(wanted.input, "input")?)?,
        overlap: wanted.overlap.map_or(Ok(Overlap::Skip), overlap)?,
        caps: caps(app, agent, wanted.caps)?,
        at: now,
    })
}

/// The change that a request asks for.
///
/// # Errors
/// 422 naming the field.
pub fn change(app: &App, agent: &AgentRow, sent: &Sent) -> Result<ScheduleChange, Problem> {
    if sent.has("name") {
        let message = "`name` cannot be changed; make another schedule";
        return Err(Problem::new(Code::Invalid, message).at("name"));
    }
    for field in ["cron", "input", "overlap", "paused"] {
        sent.no_null(field)?;
    }
    let wanted: UpdateSchedule = sent.parse()?;
    Ok(ScheduleChange {
        cron: wanted.cron.map(cron).transpose()?,
        tz: match sent.has("tz") {
            true => Some(wanted.tz.map(zone).transpose()?),
            false => None,
        },
        input: wanted.input.map(input).transpose()?,
        overlap: wanted.overlap.map(overlap).transpose()?,
        caps: match sent.has("caps") {
            true => Some(caps(app, agent, wanted.caps)?),
            false => None,
        },
        paused: wanted.paused,
        at: clock::now(),
    })
}

fn cron(text: String) -> Result<String, Problem> {
    let read = Cron::parse(&text);
    let read = read.map_err(|error| Problem::invalid("cron", format!("`cron`: {error}")))?;
    let utc = Zone::named(None).ok();
    // Where it is some day in UTC it is some day everywhere.
    if utc.and_then(|utc| read.next(clock::now(), &utc)).is_none() {
        let message = "`cron`: there is no such day in the next twenty years";
        return Err(Problem::invalid("cron", message));
    }
    Ok(text)
}

/// The name of a zone as it is usually spelled.
fn zone(text: String) -> Result<String, Problem> {
    let zone = Zone::named(Some(&text));
    let zone = zone.map_err(|error| Problem::invalid("tz", format!("`tz`: {error}")))?;
    Ok(zone.name().to_owned())
}

fn input(text: String) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid("input", "`input` must not be empty"));
    }
    if text.len() > INPUT {
        let message = format!("`input` has {} bytes; at most {INPUT} fit", text.len());
        return Err(Problem::invalid("input", message));
    }
    Ok(text)
}

fn overlap(text: String) -> Result<Overlap, Problem> {
    let message = "`overlap` must be `skip` or `allow`";
    Overlap::named(&text).ok_or_else(|| Problem::invalid("overlap", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        assert!(cron("*/5 * * * *".to_owned()).is_ok());
        for bad in ["", "* * * * * *", "0 0 30 2 *", "61 * * * *"] {
            let problem = cron(bad.to_owned()).unwrap_err();
            assert_eq!(problem.param.as_deref(), Some("cron"), "{bad}");
        }
        assert_eq!(zone("europe/berlin".to_owned()).unwrap(), "Europe/Berlin");
        let nowhere = zone("Mars/Base".to_owned()).unwrap_err();
        assert_eq!(nowhere.param.as_deref(), Some("tz"));
        assert!(input(" \n".to_owned()).is_err());
        assert!(input("x".repeat(INPUT)).is_ok());
        assert!(input("x".repeat(INPUT + 1)).is_err());
        assert!(overlap("queue".to_owned()).is_err());
    }
}
