//! What goes into a statement and what comes out of it, the same on both
//! databases: whole numbers, text, bytes, or nothing.

use std::vec::IntoIter;

use session::Millis;

use crate::Error;

/// One value of a statement or of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<u64> for Value {
    /// Numbers beyond what a database holds become its largest: no log is
    /// that long, and no query needs to go further.
    fn from(n: u64) -> Self {
        Self::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Int(n.into())
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Int(yes.into())
    }
}

impl From<Millis> for Value {
    fn from(at: Millis) -> Self {
        Self::Int(at.0)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of a statement, in the order of its placeholders.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::db::Value::from($value)),*] };
}
pub(crate) use values;

/// A row, taken apart column by column in the order of the statement.
#[derive(Debug)]
pub(crate) struct Row(IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    fn wrong(wants: &str, got: Option<&Value>) -> Error {
        let got = match got {
            None => "no column",
            Some(Value::Null) => "nothing",
            Some(Value::Int(_)) => "a number",
            Some(Value::Text(_)) => "text",
            Some(Value::Bytes(_)) => "bytes",
        };
        Error::Corrupt {
            what: "column",
            why: format!("{got} where {wants} should be"),
        }
    }

    pub(crate) fn opt_int(&mut self) -> Result<Option<i64>, Error> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Int(n)) => Ok(Some(n)),
            other => Err(Self::wrong("a number", other.as_ref())),
        }
    }

    pub(crate) fn int(&mut self) -> Result<i64, Error> {
        self.opt_int()?
            .ok_or_else(|| Self::wrong("a number", Some(&Value::Null)))
    }

    /// A number that is never below zero.
    pub(crate) fn count(&mut self) -> Result<u64, Error> {
        let n = self.int()?;
        u64::try_from(n).map_err(|_| Self::wrong("a count", Some(&Value::Int(n))))
    }

    pub(crate) fn yes(&mut self) -> Result<bool, Error> {
        Ok(self.int()? != 0)
    }

    pub(crate) fn millis(&mut self) -> Result<Millis, Error> {
        self.int().map(Millis)
    }

    pub(crate) fn opt_millis(&mut self) -> Result<Option<Millis>, Error> {
        Ok(self.opt_int()?.map(Millis))
    }

    pub(crate) fn opt_text(&mut self) -> Result<Option<String>, Error> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            other => Err(Self::wrong("text", other.as_ref())),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        self.opt_text()?
            .ok_or_else(|| Self::wrong("text", Some(&Value::Null)))
    }

    pub(crate) fn opt_bytes(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            other => Err(Self::wrong("bytes", other.as_ref())),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        self.opt_bytes()?
            .ok_or_else(|| Self::wrong("bytes", Some(&Value::Null)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn columns_come_in_order_and_of_their_kind() {
        let mut row = Row::new(values![7u64, "a", None::<i64>, vec![1u8], true].into());
        assert_eq!(row.count().unwrap(), 7);
        assert_eq!(row.text().unwrap(), "a");
        assert_eq!(row.opt_millis().unwrap(), None);
        assert_eq!(row.bytes().unwrap(), [1]);
        assert!(row.yes().unwrap());
        assert!(row.int().is_err(), "there is no sixth column");
    }

    #[test]
    fn a_column_of_another_kind_is_an_error_and_not_a_guess() {
        let wrong: [fn(&mut Row) -> bool; 5] = [
            |row| row.int().is_err(),
            |row| row.opt_text().is_err(),
            |row| row.bytes().is_err(),
            |row| row.int().is_err(),
            |row| row.count().is_err(),
        ];
        let given = values!["7", 7i64, "x", None::<i64>, -1i64];
        for (value, fails) in given.into_iter().zip(wrong) {
            assert!(fails(&mut Row::new(vec![value.clone()])), "{value:?}");
        }
    }

    #[test]
    fn a_number_beyond_the_database_is_its_largest() {
        assert_eq!(Value::from(u64::MAX), Value::Int(i64::MAX));
    }
}
