//! A plan: everything in a history that the rules do not decide.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use session::{Limits, Stop};

/// What someone outside does.
#[derive(Debug, Clone, Copy)]
pub enum Outside {
    Send,
    Interrupt,
    Request,
    Cancel,
    Archive,
    Limits(u64),
}

/// How a model call or a tool call comes out.
#[derive(Debug, Clone)]
pub enum Comes {
    /// With an answer; ignored where a call was asked for.
    Reply(Shape),
    /// The provider failed.
    Failure,
    /// The driver dies in the middle of it.
    Crash,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Shape {
    pub stop: Stop,
    pub text: bool,
    pub tools: Vec<&'static str>,
    pub usage: Option<u64>,
}

/// How a call ends.
#[derive(Debug, Clone, Copy)]
pub enum Ends {
    Done,
    NotRun,
    Indeterminate,
}

/// One step of the driver, and what happens around it.
#[derive(Debug, Clone)]
pub struct Move {
    /// What happens outside while the step runs.
    pub meanwhile: Vec<Outside>,
    /// How a model call comes out.
    pub comes: Comes,
    /// How a tool call ends.
    pub ends: Ends,
    /// Whether the step came to its end although it was to be cut.
    pub late: bool,
    /// How long it takes, in milliseconds.
    pub takes: i64,
}

/// A history to be.
#[derive(Debug, Clone)]
pub struct Plan {
    pub limits: Limits,
    pub first: Vec<Outside>,
    pub moves: Vec<Move>,
}

fn outside() -> impl Strategy<Value = Outside> {
    prop_oneof![
        12 => Just(Outside::Send),
        4 => Just(Outside::Interrupt),
        3 => Just(Outside::Request),
        3 => Just(Outside::Cancel),
        1 => Just(Outside::Archive),
        1 => (1..500u64).prop_map(Outside::Limits),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let stop = prop_oneof![
        6 => Just(Stop::EndTurn),
        6 => Just(Stop::ToolUse),
        2 => Just(Stop::MaxTokens),
        1 => Just(Stop::Pause),
        1 => Just(Stop::Refusal),
        1 => Just(Stop::ContextFull),
    ];
    let tool = prop_oneof![
        6 => Just("bash"),
        2 => Just("write"),
        2 => Just("say"),
        1 => Just("ask"),
        1 => Just("browse"),
        1 => Just("cut"),
    ];
    let tools = prop_oneof![Just(vec![]), vec(tool, 1..4)];
    let usage = option::weighted(0.9, prop_oneof![9 => 1..90u64, 1 => 700..1200u64]);
    (stop, any::<bool>(), tools, usage).prop_map(|(stop, text, tools, usage)| Shape {
        stop,
        text,
        tools,
        usage,
    })
}

fn one_move() -> impl Strategy<Value = Move> {
    let meanwhile = prop_oneof![3 => Just(vec![]), 1 => vec(outside(), 1..3)];
    let comes = prop_oneof![
        16 => shape().prop_map(Comes::Reply),
        1 => Just(Comes::Failure),
        1 => Just(Comes::Crash),
    ];
    let ends = prop_oneof![
        6 => Just(Ends::Done),
        1 => Just(Ends::NotRun),
        1 => Just(Ends::Indeterminate),
    ];
    let takes = prop_oneof![20 => 0..1000i64, 1 => 10_000..90_000i64, 1 => -50..0i64];
    (meanwhile, comes, ends, any::<bool>(), takes).prop_map(
        |(meanwhile, comes, ends, late, takes)| Move {
            meanwhile,
            comes,
            ends,
            late,
            takes,
        },
    )
}

/// All plans.
pub fn plans() -> impl Strategy<Value = Plan> {
    let limits = (
        option::weighted(0.3, 20..400u64),
        option::weighted(0.3, 1..60u64),
        option::weighted(0.3, 1..4u32),
        option::weighted(0.3, 1..3u32),
        option::weighted(0.3, 1..6u32),
    );
    let limits = limits.prop_map(
        |(tokens, turn_seconds, turns, auto_continue, steps)| Limits {
            tokens,
            turn_seconds,
            turns,
            auto_continue,
            steps,
            ..Limits::default()
        },
    );
    (limits, vec(outside(), 0..3), vec(one_move(), 0..40)).prop_map(|(limits, first, moves)| Plan {
        limits,
        first,
        moves,
    })
}
