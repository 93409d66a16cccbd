//! Odd orders: one story in which turns call tools, come to their deadline and go
//! on by themselves, and at each of its steps every order of up to three things
//! that someone outside does meanwhile. Random histories meet these seldom.

use session::{Limits, Stop};

use super::plan::{Comes, Ends, Move, Outside, Plan, Shape};
use super::{always, driver};

const DEEDS: [Outside; 4] = [
    Outside::Send,
    Outside::Interrupt,
    Outside::Cancel,
    Outside::Archive,
];

/// A step that answers with these calls, if it is asked for an answer.
fn step(tools: &[&'static str], takes: i64) -> Move {
    Move {
        meanwhile: Vec::new(),
        comes: Comes::Reply(Shape {
            stop: if tools.is_empty() {
                Stop::EndTurn
            } else {
                Stop::ToolUse
            },
            text: true,
            tools: tools.to_vec(),
            usage: Some(20),
        }),
        ends: Ends::Done,
        late: false,
        takes,
    }
}

/// Begin, think, two calls of which the second takes too long, the end at the
/// deadline; and the same in the turn that goes on, which then answers.
fn story() -> Vec<Move> {
    let turn = [
        step(&[], 0),
        step(&["bash", "bash"], 10),
        step(&[], 10),
        step(&[], 60_000),
        step(&[], 0),
    ];
    let last = [step(&[], 0), step(&[], 10)];
    [turn.to_vec(), turn.to_vec(), last.to_vec()].concat()
}

fn orders() -> Vec<Vec<Outside>> {
    let mut all = vec![Vec::new()];
    for many in 0..3 {
        let more = |order: &Vec<Outside>| DEEDS.map(|deed| [order.as_slice(), &[deed]].concat());
        let longer = all.iter().filter(|order| order.len() == many);
        let longer: Vec<_> = longer.flat_map(more).collect();
        all.extend(longer);
    }
    all
}

#[test]
fn every_order_at_every_step_keeps_what_must_hold() {
    let story = story();
    for at in 0..story.len() {
        for order in orders() {
            for late in [false, true] {
                let mut moves = story.clone();
                moves[at].meanwhile.clone_from(&order);
                moves[at].late = late;
                let limits = Limits {
                    turn_seconds: Some(30),
                    auto_continue: Some(2),
                    ..Limits::default()
                };
                let first = vec![Outside::Send];
                let plan = Plan {
                    limits,
                    first,
                    moves,
                };
                eprintln!("step {at}, {order:?}, late: {late}");
                always::check_log(&driver::play(&plan));
            }
        }
    }
}
