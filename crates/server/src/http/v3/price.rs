//! What models cost: looked up when a session is born, and asked for wherever
//! money is to be limited.

use session::{Caps, Limits, ModelRef, Prices, Provider};

use crate::app::App;
use crate::http::problem::Problem;

/// What that model costs, if anybody said.
pub fn of(app: &App, model: &ModelRef) -> Option<Prices> {
    app.models.prices(model)
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

/// Refuses a cap on money where nobody knows what is spent.
///
/// # Errors
/// 422 naming the cap.
pub fn capped(prices: Option<Prices>, model: &ModelRef, caps: &Caps) -> Result<(), Problem> {
    let named = match caps {
        _ if prices.is_some() => return Ok(()),
        caps if caps.usd_per_day.is_some() => "caps.usd_per_day",
        caps if caps.usd_per_month.is_some() => "caps.usd_per_month",
        _ => return Ok(()),
    };
    Err(unknown(named, model))
}

/// Refuses a model without a price where the operator caps the money of each org.
/// Rehearsals cost nothing.
///
/// # Errors
/// 422 naming the model.
pub fn allowed(app: &App, prices: Option<Prices>, model: &ModelRef) -> Result<(), Problem> {
    let budgets = &app.config.budgets;
    let capped = budgets.org_usd_per_day.is_some() || budgets.org_usd_per_month.is_some();
    if capped && prices.is_none() && model.provider != Provider::Test {
        let message = format!(
            "the operator caps what an org may spend, and nobody told the price of {model}: {HOW}"
        );
        return Err(Problem::invalid("model", message));
    }
    Ok(())
}

/// How a model gets a price.
const HOW: &str = "the operator can, with a table [prices.\"provider/name\"] in oc.toml";

fn unknown(param: &str, model: &ModelRef) -> Problem {
    let message = format!(
        "`{param}` takes a model whose price is known, and nobody told the price of {model}: {HOW}"
    );
    Problem::invalid(param, message)
}

#[cfg(test)]
mod tests {
    use session::Usd;

    use super::*;

    #[test]
    fn money_is_limited_only_where_a_price_is_known() {
        let model = ModelRef::parse("test/script", "native").unwrap();
        let limits = Limits {
            usd: Some(Usd(1)),
            ..Limits::default()
        };
        let caps = Caps {
            usd_per_month: Some(Usd(1)),
            ..Caps::default()
        };
        let known = Some(Prices::default());
        assert!(needed(known, &model, &limits).is_ok() && capped(known, &model, &caps).is_ok());
        let limit = needed(None, &model, &limits).unwrap_err();
        assert_eq!(limit.param.as_deref(), Some("limits.usd"));
        let cap = capped(None, &model, &caps).unwrap_err();
        assert_eq!(cap.param.as_deref(), Some("caps.usd_per_month"));
        assert!(needed(None, &model, &Limits::default()).is_ok());
        assert!(capped(None, &model, &Caps::default()).is_ok());
    }
}
