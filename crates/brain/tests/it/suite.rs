//! How every runtime behaves: the same plays, by the same rules, whoever thinks.
//! A play tells what is said and done and what has to come of it; a table seats
//! a player, keeps the transcript and carries out the calls.

mod edges;
mod faults;
pub mod table;
mod turns;

/// Each play, with each player.
macro_rules! played {
    ($player:ident by $sit:expr; $($room:ident: $($play:ident)*;)*) => {
        mod $player {
            use super::table::Table;

            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $play() {
                    super::$room::$play(&mut $sit.await).await;
                }
            )*)*
        }
    };
}

/// All plays, with that player.
macro_rules! suite {
    ($($player:ident by $sit:expr;)*) => {
        $(played! { $player by $sit;
            turns: words a_call several_calls steer question notes long_result parallel_sessions thinking_goes_back;
            edges: commands_of_an_engine unknown_tools empty_answer max_tokens max_tokens_in_a_call refusal
                fork compaction a_window_that_is_full usage deltas large_message counts;
            faults: retried given_up cut_before_the_answer cut_in_the_answer cut_between_results limited_calls;
        })*
    };
}

suite! {
    rehearsal by Table::rehearsal();
    anthropic by Table::remote("anthropic/claude-opus-5-5");
    openai by Table::remote("openai/gpt-5.5");
    claude by Table::engine("claude", "anthropic/claude-opus-5-5");
    codex by Table::engine("codex", "openai/gpt-5.5");
}

// An engine before the rehearsals in this process: the way is the same but for
// its last step.
played! { claude_rehearsal by Table::engine("claude", "test/script");
    turns: a_call steer;
    edges: compaction usage max_tokens;
    faults: retried cut_in_the_answer;
}
