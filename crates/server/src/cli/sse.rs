//! Reads a stream of server-sent events from bytes, however they are cut.

/// Bytes of one frame; more is not from a server of ours.
const FRAME: usize = 16 << 20;

/// One frame that carries data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Frame {
    /// Its number, if it has one.
    pub id: Option<String>,
    /// Its name, if it has one.
    pub event: Option<String>,
    /// Its data; several lines are joined by line ends.
    pub data: String,
}

/// What was said of the stream itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// A frame.
    Frame(Frame),
    /// Wait this many milliseconds before connecting again.
    Retry(u64),
}

/// A frame grew too large.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream sent a frame of more than {FRAME} bytes")]
pub(crate) struct TooLarge;

/// Reads frames; keeps what is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Bytes of the line that has no end yet.
    line: Vec<u8>,
    /// Whether the byte before was a carriage return.
    returned: bool,
    frame: Frame,
    /// Whether the frame has a data line, be it empty.
    filled: bool,
}

impl Reader {
    /// Takes the next bytes and gives what they complete.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Said>, TooLarge> {
        let mut said = Vec::new();
        for &byte in bytes {
            // A line ends with LF, CR or both.
            let second_half = byte == b'\n' && std::mem::take(&mut self.returned);
            if second_half {
                continue;
            }
            self.returned = byte == b'\r';
            if byte == b'\n' || byte == b'\r' {
                let line = std::mem::take(&mut self.line);
                said.extend(self.end_line(&String::from_utf8_lossy(&line)));
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.frame.data.len() > FRAME {
                return Err(TooLarge);
            }
        }
        Ok(said)
    }

    fn end_line(&mut self, line: &str) -> Option<Said> {
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            return std::mem::take(&mut self.filled).then_some(Said::Frame(frame));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.filled, true) {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
            }
            "id" => self.frame.id = Some(value.to_owned()),
            "event" => self.frame.event = Some(value.to_owned()),
            "retry" => return value.parse().ok().map(Said::Retry),
            // A comment (nothing before the colon) or a field of later days.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(id: &str, event: Option<&str>, data: &str) -> Said {
        Said::Frame(Frame {
            id: Some(id.to_owned()),
            event: event.map(str::to_owned),
            data: data.to_owned(),
        })
    }

    #[test]
    fn each_form_of_a_frame_is_read() {
        let table: [(&str, Vec<Said>); 8] = [
            ("id: 1\ndata: {}\n\n", vec![frame("1", None, "{}")]),
            ("id:1\r\ndata:{}\r\n\r\n", vec![frame("1", None, "{}")]),
            (
                "id: 1\rdata: a\rdata: b\r\r",
                vec![frame("1", None, "a\nb")],
            ),
            (": ping\n\n", vec![]),
            (
                "event: delta\nid: 2\ndata: x\n\n",
                vec![frame("2", Some("delta"), "x")],
            ),
            ("retry: 250\n\n", vec![Said::Retry(250)]),
            ("id: 3\n\n", vec![]),
            ("data: not finished", vec![]),
        ];
        for (text, want) in table {
            assert_eq!(
                Reader::default().take(text.as_bytes()).unwrap(),
                want,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_frame_without_end_is_refused() {
        let mut reader = Reader::default();
        let part = vec![b'x'; FRAME / 2 + 1];
        assert_eq!(reader.take(&part), Ok(vec![]));
        assert_eq!(reader.take(&part), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(cuts in proptest::collection::vec(1usize..9, 1..60)) {
            let text = "id: 1\ndata: {\"text\":\"größer ✓\"}\n\n: ping\n\nevent: delta\r\nid: 7\r\ndata: a\r\ndata: b\r\n\r\nretry: 5\n\n";
            let whole = Reader::default().take(text.as_bytes()).unwrap();
            let (mut rest, mut parts, mut reader) = (text.as_bytes(), Vec::new(), Reader::default());
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at(cut.min(rest.len()));
                parts.extend(reader.take(now).unwrap());
                rest = later;
            }
            prop_assert_eq!(parts, whole);
        }
    }
}
