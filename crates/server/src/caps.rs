//! Caps as they hold at a moment: of which group, for which day or month (UTC).

use session::{Caps, Millis};
use store::Cap;

/// The caps of a group, by its id, at that moment.
#[must_use]
pub fn of(scope: &str, caps: &Caps, at: Millis) -> Vec<Cap> {
    let day = crate::clock::rfc3339(at);
    let periods = [
        (&day[..10], caps.tokens_per_day, caps.usd_per_day),
        (&day[..7], caps.tokens_per_month, caps.usd_per_month),
    ];
    let capped = periods
        .into_iter()
        .filter(|(_, tokens, usd)| tokens.is_some() || usd.is_some());
    capped
        .map(|(period, tokens, usd)| Cap {
            scope: scope.to_owned(),
            period: period.to_owned(),
            tokens,
            usd,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_holds_for_its_day_or_month_of_utc() {
        let caps = Caps {
            tokens_per_day: Some(7),
            usd_per_month: Some(session::Usd(9)),
            ..Caps::default()
        };
        let at = |millis| of("org_1", &caps, Millis(millis));
        let names = |caps: Vec<Cap>| caps.into_iter().map(|cap| cap.period).collect::<Vec<_>>();
        assert_eq!(names(at(0)), ["1970-01-01", "1970-01"]);
        assert_eq!(names(at(86_400_000 * 31)), ["1970-02-01", "1970-02"]);
        assert!(of("org_1", &Caps::default(), Millis(0)).is_empty());
        assert_eq!((at(0)[0].tokens, at(0)[0].usd), (Some(7), None));
        assert_eq!(
            (at(0)[1].tokens, at(0)[1].usd),
            (None, Some(session::Usd(9)))
        );
    }
}
