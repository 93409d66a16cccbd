//! Server-sent events out of bytes, however the bytes are cut.

/// Longest event that is accepted, in bytes.
const LONGEST: usize = 32 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its lines of data, joined.
    pub data: String,
}

/// An event was longer than anything we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Reads events from a stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    /// A carriage return ended the last line: a newline right after it is part
    /// of the same line end.
    after_return: bool,
}

impl Reader {
    /// Takes in bytes and gives the events they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    events.extend(self.end_line());
                }
                _ => self.line.push(byte),
            }
        }
        match self.line.len() + self.data.len() > LONGEST {
            true => Err(TooLong),
            false => Ok(events),
        }
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then_some(Event { data });
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_start_matches('\u{feff}');
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        // The kind of an event also stands in its data; comments have no name.
        if field == "data" {
            if self.has_data {
                self.data.push('\n');
            }
            self.has_data = true;
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(parts: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::default();
        let events = parts.iter().flat_map(|part| reader.feed(part).unwrap());
        events.map(|event| event.data).collect()
    }

    #[test]
    fn events_are_what_the_standard_says() {
        for (bytes, want) in [
            ("", vec![]),
            ("data: a\n\n", vec!["a"]),
            ("event: x\ndata:a\n\n", vec!["a"]),
            ("data: a\r\ndata: b\r\n\r\n", vec!["a\nb"]),
            ("data: a\r\rdata: b\r\r", vec!["a", "b"]),
            (": comment\n\n\ndata:  a\n\n", vec![" a"]),
            ("data\n\n", vec![""]),
            ("data: unfinished\n", vec![]),
            ("id: 1\nretry: 5\n\n", vec![]),
            ("\u{feff}data: a\n\n", vec!["a"]),
        ] {
            assert_eq!(all(&[bytes.as_bytes()]), want, "{bytes:?}");
        }
    }

    #[test]
    fn an_event_without_end_is_given_up() {
        let mut reader = Reader::default();
        let mega = vec![b'x'; 1024 * 1024];
        let fed = (0..64).try_for_each(|_| reader.feed(&mega).map(|_| ()));
        assert_eq!(fed, Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            text in "(data: [a-zäß]{0,3}|event: e|:c|\r|\n|\r\n){0,20}",
            cuts in proptest::collection::vec(0usize..200, 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(all(&parts), all(&[bytes]));
        }
    }
}
