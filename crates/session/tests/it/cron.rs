//! Schedules against a search that cannot be wrong: minute by minute through real
//! time, looking at what the clocks there show.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use session::Millis;
use session::cron::{Cron, Zone};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Zones with odd rules, and a moment of each around which they are odd.
const ODD: [(&str, &str); 12] = [
    // Half an hour of summer time.
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    // Fifteen minutes beside everybody.
    ("Asia/Kathmandu", "2026-06-01T00:00:00Z"),
    // A day that was not.
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    // Summer time pauses for a month.
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("Africa/Casablanca", "2026-03-22T02:00:00Z"),
    ("America/New_York", "2027-03-14T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Europe/Dublin", "2026-10-25T01:00:00Z"),
    // Midnight itself is skipped.
    ("America/Santiago", "2026-09-06T04:00:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    ("UTC", "2026-12-31T23:00:00Z"),
];

/// All slots in the `hours` after that moment, found the slow way.
fn slowly(cron: &Cron, zone: &TimeZone, after: i64, hours: i64) -> Vec<i64> {
    // What was shown shortly before is not shown for the first time.
    let begin = (after - 30 * HOUR).div_euclid(MINUTE) * MINUTE;
    let mut seen = HashSet::new();
    let mut slots = Vec::new();
    for at in (begin..=after + hours * HOUR).step_by(MINUTE as usize) {
        let wall = zone.to_datetime(Timestamp::from_millisecond(at).unwrap());
        let first = seen.insert(wall);
        if first && at > after && cron.matches(wall) {
            slots.push(at);
        }
    }
    slots
}

fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    let value = least..=most;
    prop_oneof![
        3 => Just("*".to_owned()),
        2 => value.clone().prop_map(|v| v.to_string()),
        2 => (1..=most.min(30)).prop_map(|step| format!("*/{step}")),
        1 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => proptest::collection::vec(value, 1..4)
            .prop_map(|list| list.iter().map(u8::to_string).collect::<Vec<_>>().join(",")),
    ]
}

prop_compose! {
    fn expression()(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31),
        month in field(1, 12), weekday in field(0, 7),
    ) -> String {
        format!("{minute} {hour} {day} {month} {weekday}")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn every_slot_around_an_odd_hour_is_found_and_no_other(
        text in expression(), odd in 0..ODD.len(), off in -30 * 60i64..6 * 60, ms in 0..MINUTE,
    ) {
        let (name, moment) = ODD[odd];
        let (cron, zone) = (Cron::parse(&text).unwrap(), Zone::named(Some(name)).unwrap());
        let moment: Timestamp = moment.parse().unwrap();
        let mut after = moment.as_millisecond() + off * MINUTE + ms;
        let hours = 50;
        let want = slowly(&cron, &TimeZone::get(name).unwrap(), after, hours);
        let end = after + hours * HOUR;
        for slot in want {
            prop_assert_eq!(cron.next(Millis(after), &zone), Some(Millis(slot)), "{} {}", text, name);
            after = slot;
        }
        let beyond = cron.next(Millis(after), &zone);
        prop_assert!(beyond.is_none_or(|at| at.0 > end), "{} {} {:?}", text, name, beyond);
    }

    #[test]
    fn the_next_slot_depends_on_no_detour(text in expression(), at in 0i64..4_000_000_000, skip in 0i64..400_000) {
        // Looking from anywhere before a slot finds that slot, or one before it.
        let (cron, zone) = (Cron::parse(&text).unwrap(), Zone::named(Some("Europe/Berlin")).unwrap());
        let at = at * 1000;
        if let Some(far) = cron.next(Millis(at + skip * 1000), &zone) {
            let near = cron.next(Millis(at), &zone).unwrap();
            prop_assert!(near <= far && near.0 > at && far.0 > at + skip * 1000);
        }
    }

    #[test]
    fn nothing_that_is_sent_breaks_the_reader(text in "[ -~]{0,40}") {
        let _ = Cron::parse(&text);
        let _ = Zone::named(Some(&text));
    }
}
