//! The wall clock of a place. The rules are those this program was built with,
//! wherever it runs.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Unit};

use super::CronError;
use crate::Millis;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of that IANA name; UTC if none is named.
    ///
    /// # Errors
    /// If there is no such zone.
    pub fn named(name: Option<&str>) -> Result<Self, CronError> {
        let Some(name) = name else {
            return Ok(Self(TimeZone::UTC));
        };
        let zone = TimeZone::get(name)
            .ok()
            .filter(|zone| !zone.is_unknown() && zone.iana_name().is_some());
        zone.map(Self).ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            CronError(format!(
                "there is no time zone `{shown}`; one has a name such as Europe/Berlin"
            ))
        })
    }

    /// Its name, spelled as usual.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What the clocks there show at a moment, to the minute.
    pub(super) fn wall(&self, at: Millis) -> Option<DateTime> {
        let at = Timestamp::from_millisecond(at.0).ok()?;
        let wall = self.0.to_datetime(at);
        let minute = jiff::civil::DateTimeRound::new()
            .smallest(Unit::Minute)
            .mode(jiff::RoundMode::Trunc);
        wall.round(minute).ok()
    }

    /// When the clocks there show that for the first time; `None` if they skip it.
    pub(super) fn first(&self, wall: DateTime) -> Option<Millis> {
        let moments = self.0.to_ambiguous_timestamp(wall);
        if let AmbiguousOffset::Gap { .. } = moments.offset() {
            return None;
        }
        let at = moments.earlier().ok()?;
        Some(Millis(at.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_by_its_name_however_it_is_spelled() {
        assert_eq!(Zone::named(None).unwrap().name(), "UTC");
        let berlin = Zone::named(Some("europe/berlin")).unwrap();
        assert_eq!(berlin.name(), "Europe/Berlin");
        for unknown in ["", "Europe/Atlantis", "Etc/Unknown", "+02:00", "CET-1CEST"] {
            assert!(Zone::named(Some(unknown)).is_err(), "{unknown}");
        }
        let long = Zone::named(Some(&"x".repeat(9000))).unwrap_err();
        assert!(long.to_string().len() < 200);
    }
}
