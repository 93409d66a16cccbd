//! The promises under load and under time: nothing hangs in silence, and a
//! budget is a budget.

mod budgets;
mod closed;
mod cut_calls;
mod erasures;
mod files;
mod full;
mod nodes;
mod time;
