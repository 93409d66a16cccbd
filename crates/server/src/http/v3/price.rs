//! What models cost: looked up when a session is born, and asked for wherever
//! money is to be limited.

use session::{Limits, ModelRef, Prices};

use crate::app::App;
use crate::http::problem::Problem;

/// What that model costs, if anybody said.
pub fn of(app: &App, model: &ModelRef) -> Option<Prices> {
    app.config.models.price(&model.to_string())
}

/// Refuses a limit on money where nobody knows what is spent.
///
/// # Errors
/// 422 naming the limit.
pub fn needed(prices: Option<Prices>, model: &ModelRef, limits: &Limits) -> Result<(), Problem> {
    if prices.is_none() && limits.usd.is_some() {
        return Err(unknown("limits.usd", model));
    }
    Ok(())
}

fn unknown(param: &str, model: &ModelRef) -> Problem {
    let message = format!(
        "`{param}` takes a model whose price is known, and nobody told the price of {model}: \
         the operator can, with [prices.\"{model}\"] in oc.toml"
    );
    Problem::invalid(param, message)
}
