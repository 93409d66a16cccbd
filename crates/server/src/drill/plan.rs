//! Which runs a drill holds: every fault that this machine allows in turn, each
//! at a moment drawn from the seed.

use super::cast::{self, Part};
use super::error::DrillError;
use super::fault::Fault;
use super::report::Skipped;
use super::seed::Seed;
use super::stage::LEASE;
use crate::points;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Everything random follows from it.
    pub seed: u64,
    /// Runs in all.
    pub runs: u32,
    /// Names of the faults to drill; empty: all.
    pub points: Vec<String>,
}

/// What this machine and this installation allow.
#[derive(Debug)]
pub(super) struct Here {
    /// Why no disk of the drill's own can be mounted, if none can.
    pub(super) disk: Result<(), String>,
    /// Whether the database is a PostgreSQL server.
    pub(super) postgres: bool,
}

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    /// Counted from 1.
    pub(super) number: u32,
    pub(super) fault: Fault,
    /// The passing of the point, or the number of events seen, at which it
    /// happens.
    pub(super) at: u64,
    pub(super) cast: Vec<Part>,
    /// What else there is to be drawn.
    pub(super) seed: Seed,
}

/// The runs of a drill.
pub(super) struct Plan {
    pub(super) trials: Vec<Trial>,
    pub(super) skipped: Vec<Skipped>,
}

impl Plan {
    pub(super) fn make(wish: &Wish, here: &Here) -> Result<Self, DrillError> {
        let mut skipped = Vec::new();
        let mut faults = Vec::new();
        for fault in wanted(wish)? {
            match impossible(fault, here) {
                None => faults.push(fault),
                Some(why) => skipped.push(Skipped {
                    point: fault.name(),
                    why,
                }),
            }
        }
        let seed = Seed::new(wish.seed);
        let trials = faults.iter().cycle().zip(1..=wish.runs);
        Ok(Self {
            trials: trials
                .map(|(fault, number)| trial(number, *fault, seed.part(number.into())))
                .collect(),
            skipped,
        })
    }
}

fn wanted(wish: &Wish) -> Result<Vec<Fault>, DrillError> {
    if wish.points.is_empty() {
        return Ok(Fault::all());
    }
    let named = |name: &String| {
        Fault::named(name).ok_or_else(|| {
            let all: Vec<_> = Fault::all().into_iter().map(Fault::name).collect();
            DrillError::Wish(format!(
                "there is no point `{name}`; there are {}",
                all.join(", ")
            ))
        })
    };
    wish.points.iter().map(named).collect()
}

/// Why a fault cannot be drilled here.
fn impossible(fault: Fault, here: &Here) -> Option<String> {
    match fault {
        Fault::DiskFull | Fault::PowerLost if here.postgres => {
            Some("the facts are on the disk of PostgreSQL, which is not ours to break".to_owned())
        }
        Fault::DiskFull | Fault::PowerLost => here.disk.clone().err(),
        Fault::DatabaseAway if !here.postgres => {
            Some("the database is a file of the server, always there".to_owned())
        }
        _ => None,
    }
}

fn trial(number: u32, fault: Fault, mut seed: Seed) -> Trial {
    let mut cast = cast::cast(number, &seed);
    if fault == Fault::Point("lease.late") {
        // A lease is renewed only while somebody is at work for long enough.
        cast.push(cast::sleeper(number, LEASE));
    }
    Trial {
        number,
        fault,
        at: seed.between(1, most(fault, &cast)),
        cast,
        seed,
    }
}

/// The last moment that surely comes.
fn most(fault: Fault, cast: &[Part]) -> u64 {
    // Of those with marks alone: a budget may end the other one early.
    let workers = || cast.iter().filter(|part| part.cap.is_none());
    let marks: u64 = workers().map(|part| part.marks.len() as u64).sum();
    let replies: u64 = workers().map(|part| part.replies).sum();
    let sessions = workers().count() as u64;
    match fault {
        // A beginning, an answer for each reply, a receipt for each command.
        Fault::Point("append.begun" | "append.durable") => sessions + replies + marks,
        // Webhooks of each session are sent at least in one go.
        Fault::Point("turn.begun" | "delivery.sent") => sessions,
        Fault::Point("model.streaming") => replies,
        Fault::Point("intent.written" | "exec.started" | "exec.finished") => marks,
        // Once for each session that has files.
        Fault::Point("checkpoint.half" | "checkpoint.made" | "hibernate.half") => sessions,
        Fault::Point(_) => 1,
        // Events of a session that is forked then.
        Fault::FamilyBroken => 12,
        // Only says where.
        Fault::RunBroken => 5,
        // Questions to the model between two kills.
        Fault::BudgetShared => 6,
        // Events: each session has more than these even if all goes by.
        _ => 4 * sessions + marks,
    }
}

impl Trial {
    /// Milliseconds after its start at which the clock of a server jumps, and by
    /// how many.
    pub(super) fn jump(&self) -> (u64, i64) {
        const BY: [i64; 4] = [600_000, -600_000, 7_200_000, -7_200_000];
        let which = usize::try_from(self.at).unwrap_or(0) % BY.len();
        (
            200 + 20 * self.at,
            BY.get(which).copied().unwrap_or(600_000),
        )
    }

    /// Where the task of a session's run breaks.
    fn broken_at(&self) -> &'static str {
        const WHERE: [&str; 5] = [
            "turn.begun",
            "model.streaming",
            "intent.written",
            "exec.started",
            "exec.finished",
        ];
        let which = usize::try_from(self.at).unwrap_or(0) % WHERE.len();
        WHERE.get(which).copied().unwrap_or("turn.begun")
    }

    /// What arms the server for it.
    pub(super) fn armed(&self) -> Vec<(&'static str, String)> {
        match self.fault {
            // The renewal is held up until its lease is over.
            Fault::Point(name @ "lease.late") => {
                let ms = LEASE * 1000 + 1500;
                vec![(points::VARIABLE, format!("{name}:{}:wait={ms}", self.at))]
            }
            Fault::Point(name @ "hibernate.half") => vec![
                (points::VARIABLE, format!("{name}:{}", self.at)),
                ("OC_IDLE_TIMEOUT_SECONDS", "1".to_owned()),
            ],
            Fault::Point(name) => vec![(points::VARIABLE, format!("{name}:{}", self.at))],
            Fault::RunBroken => vec![(points::VARIABLE, format!("{}:1:panic", self.broken_at()))],
            Fault::ClockJumped => {
                let (after, by) = self.jump();
                vec![("OC_DRILL_CLOCK", format!("{after}:{by}"))]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Here = Here {
        disk: Ok(()),
        postgres: false,
    };

    fn wish(points: &[&str], runs: u32) -> Wish {
        Wish {
            seed: 5,
            runs,
            points: points.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn the_faults_take_turns_and_the_seed_says_when() {
        let plan = || Plan::make(&wish(&["turn.begun", "sandbox.lost"], 5), &HERE).unwrap();
        let shape = |plan: &Plan| -> Vec<_> {
            let trials = plan.trials.iter();
            trials
                .map(|trial| (trial.number, trial.fault.name(), trial.at))
                .collect()
        };
        assert_eq!(shape(&plan()), shape(&plan()));
        let names: Vec<_> = plan().trials.iter().map(|t| t.fault.name()).collect();
        assert_eq!(
            names,
            [
                "turn.begun",
                "sandbox.lost",
                "turn.begun",
                "sandbox.lost",
                "turn.begun"
            ]
        );
    }

    #[test]
    fn a_run_is_the_same_however_many_there_are() {
        let at = |runs: u32| {
            Plan::make(&wish(&["turn.begun"], runs), &HERE)
                .unwrap()
                .trials[1]
                .clone()
        };
        assert_eq!(at(2).cast[0].input, at(9).cast[0].input);
        assert_eq!(at(2).at, at(9).at);
    }

    #[test]
    fn what_cannot_be_drilled_here_is_said() {
        let points = wish(&["power.lost", "turn.begun"], 2);
        let here = Here {
            disk: Err("no loop devices".to_owned()),
            ..HERE
        };
        let plan = Plan::make(&points, &here).unwrap();
        let names: Vec<_> = plan.trials.iter().map(|t| t.fault.name()).collect();
        assert_eq!(names, ["turn.begun", "turn.begun"]);
        let skipped: Vec<_> = plan.skipped.iter().map(|s| (s.point, &*s.why)).collect();
        assert_eq!(skipped, [("power.lost", "no loop devices")]);
    }

    #[test]
    fn what_is_no_point_is_refused() {
        let refused = Plan::make(&wish(&["append"], 1), &HERE);
        assert!(matches!(refused, Err(DrillError::Wish(_))));
    }
}
