//! What is searched for: the random part of each canary, as it stands and in the
//! spellings that programs give it.
//!
//! The random part is made of letters and digits that JSON, URLs, shells and
//! headers leave as they are, so each of those spellings is the plain one.

use std::fmt::Write;
use std::io;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::drill::DrillError;

/// Bytes looked at at once.
const CHUNK: usize = 1024 * 1024;
/// What every canary begins with.
const MARK: &str = "sk-canary-";

/// A value that must reach one place and no other.
#[derive(Clone)]
pub(super) struct Canary {
    /// What it is, for the report.
    pub(super) name: String,
    /// The value.
    pub(super) value: String,
}

impl Canary {
    /// A fresh one.
    pub(super) fn fresh(name: String) -> Self {
        let value = format!("{MARK}{:032x}", rand::random::<u128>());
        Self { name, value }
    }
}

/// All spellings of all canaries.
pub(super) struct Needles {
    all: AhoCorasick,
    longest: usize,
}

/// What was found in one thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    pub(super) hits: u64,
}

impl Needles {
    /// # Errors
    /// If there are more than can be looked for.
    pub(super) fn new(canaries: &[Canary]) -> Result<Self, DrillError> {
        let plain = |canary: &Canary| canary.value.trim_start_matches(MARK).to_owned();
        let patterns: Vec<Vec<u8>> = canaries
            .iter()
            .flat_map(|canary| spellings(&plain(canary)))
            .collect();
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(1);
        let all = AhoCorasick::new(&patterns)
            .map_err(|error| DrillError::Tool(format!("nothing can be searched for: {error}")))?;
        Ok(Self { all, longest })
    }

    /// Searches bytes that are there.
    pub(super) fn count(&self, bytes: &[u8]) -> Tally {
        Tally {
            bytes: bytes.len() as u64,
            hits: self.all.find_iter(bytes).count() as u64,
        }
    }

    /// Searches from one offset to another of what `read` reads; it ends early
    /// where nothing more can be read.
    pub(super) fn range(
        &self,
        from: u64,
        to: u64,
        read: impl Fn(&mut [u8], u64) -> io::Result<usize>,
    ) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let mut buffer = vec![0; CHUNK];
        // Bytes at the beginning of the buffer that were looked at before.
        let mut kept = 0;
        let mut at = from;
        while at < to {
            let room = CHUNK - kept;
            let wanted = usize::try_from(to - at).map_or(room, |left| left.min(room));
            let got = read(&mut buffer[kept..kept + wanted], at)?;
            if got == 0 {
                break;
            }
            let filled = kept + got;
            let fresh = |end: usize| end > kept;
            let found = self.all.find_iter(&buffer[..filled]);
            tally.hits += found.filter(|found| fresh(found.end())).count() as u64;
            tally.bytes += got as u64;
            at += got as u64;
            let tail = filled.min(self.longest - 1);
            buffer.copy_within(filled - tail..filled, 0);
            kept = tail;
        }
        Ok(tally)
    }
}

/// The spellings of one random part.
fn spellings(plain: &str) -> Vec<Vec<u8>> {
    let mut all = vec![
        plain.as_bytes().to_vec(),
        plain.to_uppercase().into_bytes(),
        plain.bytes().rev().collect(),
        plain.bytes().flat_map(|byte| [byte, 0]).collect(),
        hex(plain).into_bytes(),
    ];
    all.extend((0..3).map(|shift| encoded(plain, shift)));
    all
}

fn hex(plain: &str) -> String {
    plain.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// In base64, behind so many bytes of something else: the characters that are
/// the same whatever stands before and after. None of them is `+` or `/`, so the
/// alphabet of URLs spells it alike.
fn encoded(plain: &str, shift: usize) -> Vec<u8> {
    let text = STANDARD_NO_PAD.encode([&vec![0; shift], plain.as_bytes()].concat());
    let before = (shift * 4).div_ceil(3);
    let whole = (shift + plain.len()) / 3 * 4;
    text.as_bytes()[before..whole].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles() -> (Canary, Needles) {
        let canary = Canary::fresh("key".to_owned());
        let needles = Needles::new(std::slice::from_ref(&canary)).unwrap();
        (canary, needles)
    }

    #[test]
    fn every_spelling_is_found_wherever_it_stands() {
        let (canary, needles) = needles();
        let value = &canary.value;
        for shift in 0..4 {
            let before = &"abc"[..shift.min(3)];
            let credentials = format!("{before}user:{value}:more");
            let json = serde_json::to_string(&format!("\"{value}\"")).unwrap();
            for text in [
                STANDARD_NO_PAD.encode(&credentials),
                base64::engine::general_purpose::URL_SAFE.encode(&credentials),
                hex(&credentials),
                credentials.to_uppercase(),
                credentials.clone(),
                json,
            ] {
                assert_eq!(needles.count(text.as_bytes()).hits, 1, "{text}");
            }
        }
        let wide: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(needles.count(&wide).hits, 1);
        assert_eq!(needles.count(b"sk-canary-0123").hits, 0);
    }

    #[test]
    fn what_lies_across_two_reads_is_found_once() {
        let (canary, needles) = needles();
        for place in [0, CHUNK - 20, CHUNK - 1, CHUNK, 2 * CHUNK - 30] {
            let mut bytes = vec![b'.'; 3 * CHUNK];
            bytes[place..place + canary.value.len()].copy_from_slice(canary.value.as_bytes());
            let read = |into: &mut [u8], at: u64| {
                let rest = &bytes[usize::try_from(at).unwrap()..];
                // As short as reads may be.
                let count = into.len().min(rest.len()).min(700_001);
                into[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            };
            let found = needles.range(0, bytes.len() as u64, read).unwrap();
            let expected = Tally {
                bytes: bytes.len() as u64,
                hits: 1,
            };
            assert_eq!(found, expected, "at {place}");
        }
    }
}
