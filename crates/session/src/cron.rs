//! When a schedule is due: the five fields of cron, read as wall-clock time of a
//! time zone. Pure: the moment to look from is an argument, and the rules of the
//! time zones are part of the program, so that every node says the same.
//!
//! A slot is a minute of the wall clock that the expression matches. One that the
//! clocks skip (the hour before summer time) is no slot: the next real one is. One
//! that the clocks show twice (the hour after it) is one slot, the first time.

mod field;
mod zone;

use jiff::civil::{Date, DateTime, Time};

use crate::Millis;
use field::{DAY, HOUR, MINUTE, MONTH, Set, WEEKDAY};
pub use zone::Zone;

/// Most characters of an expression.
const LONGEST: usize = 256;
/// Days to look ahead at most. The rarest date there is, a 29th of February, comes
/// again after eight years at the latest; if its minute is skipped, after twelve.
const HORIZON: u32 = 366 * 21;

/// Why something is no schedule, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CronError(pub(crate) String);

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
    /// Whether a day must match both fields of days, because one of them begins
    /// with a star. Else either is enough, as cron has always had it.
    both: bool,
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// What in it is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        if text.len() > LONGEST {
            let why = format!("a cron expression has at most {LONGEST} characters");
            return Err(CronError(why));
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(CronError(count(&fields)));
        };
        Ok(Self {
            minutes: MINUTE.read(minute)?,
            hours: HOUR.read(hour)?,
            days: DAY.read(day)?,
            months: MONTH.read(month)?,
            weekdays: WEEKDAY.read(weekday)?,
            both: day.starts_with('*') || weekday.starts_with('*'),
        })
    }

    /// The first slot after that moment, if there is one in the next twenty years.
    #[must_use]
    pub fn next(&self, after: Millis, zone: &Zone) -> Option<Millis> {
        let from = zone.wall(after)?;
        let mut date = from.date();
        for _ in 0..HORIZON {
            if self.on(date) {
                let found = self.times(date).find_map(|time| {
                    let wall = DateTime::from_parts(date, time);
                    let slot = (wall >= from).then(|| zone.first(wall))??;
                    (slot > after).then_some(slot)
                });
                if found.is_some() {
                    return found;
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// Whether that wall-clock minute matches.
    #[must_use]
    pub fn matches(&self, wall: DateTime) -> bool {
        self.on(wall.date())
            && self.hours.has(wall.hour().unsigned_abs())
            && self.minutes.has(wall.minute().unsigned_abs())
    }

    fn on(&self, date: Date) -> bool {
        let day = self.days.has(date.day().unsigned_abs());
        let weekday = date.weekday().to_sunday_zero_offset();
        let weekday = self.weekdays.has(weekday.unsigned_abs());
        let either = match self.both {
            true => day && weekday,
            false => day || weekday,
        };
        either && self.months.has(date.month().unsigned_abs())
    }

    /// The minutes of a day that match, in order.
    fn times(&self, date: Date) -> impl Iterator<Item = Time> {
        let midnight = date.at(0, 0, 0, 0).time();
        let minutes = self.minutes;
        self.hours.all().flat_map(move |hour| {
            minutes
                .all()
                .filter_map(move |minute| midnight.with().hour(hour).minute(minute).build().ok())
        })
    }
}

/// What is wrong with so many fields.
fn count(fields: &[&str]) -> String {
    let is = "a cron expression has five fields: minute, hour, day of month, month, day of week";
    match fields {
        [macro_, ..] if macro_.starts_with('@') => format!("{is}; `{macro_}` is not known"),
        [_, _, _, _, _, _] => {
            format!("{is}; this has six, and seconds are not known: a minute is the shortest")
        }
        _ => format!("{is}; this has {}", fields.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Cron::parse(text).unwrap_err().to_string()
    }

    fn next(cron: &str, tz: &str, after: &str) -> String {
        let cron = Cron::parse(cron).unwrap();
        let zone = Zone::named(Some(tz)).unwrap();
        let after: jiff::Timestamp = after.parse().unwrap();
        let next = cron.next(Millis(after.as_millisecond()), &zone);
        next.map_or("never".to_owned(), |at| {
            let at = jiff::Timestamp::from_millisecond(at.0).unwrap();
            at.to_string()
        })
    }

    #[test]
    fn a_wrong_number_of_fields_is_told_apart() {
        assert!(wrong("").ends_with("this has 0"));
        assert!(wrong("* * * *").ends_with("this has 4"));
        assert!(wrong("0 * * * * *").contains("seconds are not known"));
        assert!(wrong("@daily").ends_with("`@daily` is not known"));
        assert!(wrong(&"*".repeat(257)).contains("at most 256"));
    }

    #[test]
    fn the_next_slot_is_after_the_moment_and_not_at_it() {
        for (cron, after, want) in [
            ("* * * * *", "2026-11-21T23:00:00Z", "2026-11-21T23:01:00Z"),
            (
                "* * * * *",
                "2026-11-21T23:00:59.999Z",
                "2026-11-21T23:01:00Z",
            ),
            (
                "0 9 * * MON-FRI",
                "2026-11-20T09:00:00Z",
                "2026-11-23T09:00:00Z",
            ),
            (
                "*/20 8-9 * * *",
                "2026-11-21T08:40:00Z",
                "2026-11-21T09:00:00Z",
            ),
            ("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
            ("0 0 31 2 *", "2026-11-21T00:00:00Z", "never"),
            ("0 0 1 1 *", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(next(cron, "UTC", after), want, "{cron} after {after}");
        }
    }

    #[test]
    fn two_restricted_fields_of_days_mean_either_and_a_star_means_both() {
        let after = "2026-11-21T00:00:00Z";
        // The 25th is a Wednesday; the next Monday is the 23rd.
        assert_eq!(next("0 0 25 * MON", "UTC", after), "2026-11-23T00:00:00Z");
        assert_eq!(next("0 0 25 * *", "UTC", after), "2026-11-25T00:00:00Z");
        // Odd days that are Mondays.
        assert_eq!(next("0 0 */2 * MON", "UTC", after), "2026-11-23T00:00:00Z");
        assert_eq!(
            next("0 0 */2 * MON", "UTC", "2026-11-23T00:00:00Z"),
            "2026-12-07T00:00:00Z"
        );
    }

    #[test]
    fn a_skipped_time_waits_for_a_real_one_and_a_repeated_one_is_once() {
        // New York skips from 2:00 to 3:00 on 2027-03-14.
        let skipped = next("30 2 * * *", "America/New_York", "2027-03-13T12:00:00Z");
        assert_eq!(skipped, "2027-03-15T06:30:00Z");
        // And shows 1:30 twice on 2026-11-01: at 5:30 and at 6:30 UTC.
        let once = |after| next("30 1 * * *", "America/New_York", after);
        assert_eq!(once("2026-11-01T00:00:00Z"), "2026-11-01T05:30:00Z");
        assert_eq!(once("2026-11-01T05:30:00Z"), "2026-11-02T06:30:00Z");
        assert_eq!(once("2026-11-01T06:10:00Z"), "2026-11-02T06:30:00Z");
        // Apia had no 30th of December in 2011.
        let apia = next("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z");
        assert_eq!(apia, "2012-12-29T22:00:00Z");
    }
}
