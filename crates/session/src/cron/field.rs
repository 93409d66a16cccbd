//! One field of a cron expression: lists of values, ranges and steps.

use super::CronError;

/// The kinds of fields: a name for people, what is allowed, and names of values.
pub(super) struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    /// Names of values, from `least` on.
    names: &'static [&'static str],
}

pub(super) const MINUTE: Field = Field::plain("minute", 0, 59);
pub(super) const HOUR: Field = Field::plain("hour", 0, 23);
pub(super) const DAY: Field = Field::plain("day of month", 1, 31);
pub(super) const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &[
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
};
/// Sunday is 0 and 7.
pub(super) const WEEKDAY: Field = Field {
    name: "day of week",
    least: 0,
    most: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

/// Values from 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set(u64);

impl Set {
    pub(super) fn has(self, value: u8) -> bool {
        value < 64 && self.0 >> value & 1 == 1
    }

    /// The values, in order; all fit a small signed number.
    pub(super) fn all(self) -> impl Iterator<Item = i8> {
        (0..64i8).filter(move |value| self.has(value.unsigned_abs()))
    }

    fn put(&mut self, value: u8) {
        self.0 |= 1 << value;
    }
}

impl Field {
    const fn plain(name: &'static str, least: u8, most: u8) -> Self {
        Self {
            name,
            least,
            most,
            names: &[],
        }
    }

    /// The values that a field names.
    pub(super) fn read(&self, text: &str) -> Result<Set, CronError> {
        let mut set = Set::default();
        for part in text.split(',') {
            self.part(part, &mut set)?;
        }
        if self.most == 7 && set.has(7) {
            set.0 &= !(1 << 7);
            set.put(0);
        }
        Ok(set)
    }

    /// One part of the list: a value, a range or a star, perhaps with a step.
    fn part(&self, part: &str, set: &mut Set) -> Result<(), CronError> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(part, step)?)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.every_last()),
            Some((first, last)) => (self.value(part, first)?, self.end(part, last)?),
            None => {
                let value = self.value(part, range)?;
                // From there on, if it has a step.
                (
                    value,
                    if step.is_some() {
                        self.every_last().max(value)
                    } else {
                        value
                    },
                )
            }
        };
        if first > last {
            return Err(self.wrong(part, "ends before it begins"));
        }
        for value in (first..=last).step_by(step.unwrap_or(1).into()) {
            set.put(value);
        }
        Ok(())
    }

    /// The last value of all of them: Sunday is not meant twice.
    fn every_last(&self) -> u8 {
        if self.most == 7 { 6 } else { self.most }
    }

    fn step(&self, part: &str, step: &str) -> Result<u8, CronError> {
        let step = number(step).filter(|step| (1..=self.most).contains(step));
        let wants = format!("has a step that is not a number from 1 to {}", self.most);
        step.ok_or_else(|| self.wrong(part, &wants))
    }

    /// The end of a range: a week may end with Sunday by its name.
    fn end(&self, part: &str, text: &str) -> Result<u8, CronError> {
        let value = self.value(part, text)?;
        let named = self.most == 7 && value == 0 && number(text).is_none();
        Ok(if named { 7 } else { value })
    }

    fn value(&self, part: &str, text: &str) -> Result<u8, CronError> {
        let at = self.names.iter().position(|n| n.eq_ignore_ascii_case(text));
        let named = at
            .and_then(|at| u8::try_from(at).ok())
            .map(|at| at + self.least);
        let value = named.or_else(|| number(text).filter(|n| (self.least..=self.most).contains(n)));
        value.ok_or_else(|| {
            let names = match self.names {
                [first, .., last] => format!(" or a name from {first} to {last}"),
                _ => String::new(),
            };
            let wants = format!(
                "is not a number from {} to {}{names}",
                self.least, self.most
            );
            self.wrong(part, &wants)
        })
    }

    fn wrong(&self, part: &str, why: &str) -> CronError {
        let name = self.name;
        CronError(match part {
            "" => format!("the {name} of the cron expression has an empty part"),
            _ => format!("the {name} of the cron expression: `{part}` {why}"),
        })
    }
}

/// A number without a sign, short enough to be one of ours.
fn number(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(field: &Field, text: &str) -> Vec<i8> {
        field.read(text).unwrap().all().collect()
    }

    #[test]
    fn lists_ranges_steps_and_names() {
        assert_eq!(values(&MINUTE, "5"), [5]);
        assert_eq!(values(&MINUTE, "*/20"), [0, 20, 40]);
        assert_eq!(values(&MINUTE, "50/4"), [50, 54, 58]);
        assert_eq!(values(&HOUR, "8-10,22,8-9"), [8, 9, 10, 22]);
        assert_eq!(values(&DAY, "1-10/3"), [1, 4, 7, 10]);
        assert_eq!(values(&MONTH, "jan,Mar-May"), [1, 3, 4, 5]);
        assert_eq!(values(&WEEKDAY, "*"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(values(&WEEKDAY, "7"), [0]);
        assert_eq!(values(&WEEKDAY, "5-7"), [0, 5, 6]);
        assert_eq!(values(&WEEKDAY, "FRI-SUN"), [0, 5, 6]);
        assert_eq!(values(&WEEKDAY, "SUN-TUE"), [0, 1, 2]);
        assert_eq!(values(&WEEKDAY, "*/7"), [0]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        for (field, text, word) in [
            (&MINUTE, "60", "0 to 59"),
            (&MINUTE, "", "empty"),
            (&MINUTE, "1,,2", "empty"),
            (&MINUTE, "-1", "0 to 59"),
            (&MINUTE, "+1", "0 to 59"),
            (&MINUTE, "*/0", "step"),
            (&MINUTE, "*/60", "step"),
            (&MINUTE, "1/2/3", "step"),
            (&MINUTE, "9-5", "before it begins"),
            (&HOUR, "24", "hour"),
            (&DAY, "0", "1 to 31"),
            (&DAY, "L", "1 to 31"),
            (&DAY, "15W", "1 to 31"),
            (&DAY, "?", "1 to 31"),
            (&MONTH, "JANUARY", "JAN to DEC"),
            (&WEEKDAY, "8", "0 to 7"),
            (&WEEKDAY, "5L", "SUN to SAT"),
            (&WEEKDAY, "MON#2", "SUN to SAT"),
            (&WEEKDAY, "MON-SUN-TUE", "SUN to SAT"),
            (&WEEKDAY, "256", "0 to 7"),
        ] {
            let why = field.read(text).unwrap_err().to_string();
            assert!(
                why.contains(word) && why.contains(field.name),
                "{text}: {why}"
            );
        }
    }
}
