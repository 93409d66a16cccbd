//! Finding: grep and glob. Both leave out what `.gitignore` excludes and `.git`
//! itself, follow no links, and stop at their limit.

use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use globset::{GlobBuilder, GlobMatcher};
use ignore::{DirEntry, WalkBuilder};
use regex::bytes::{Regex, RegexBuilder};

use super::{at, fault, open};
use crate::file::{FileError, FileFault, FileOut, Match, READ_CAP};

/// Bytes of a matching line that are shown.
const LINE_CAP: usize = 1000;
/// Bytes of all matches together: an answer must fit a message.
const ANSWER_CAP: usize = 4 * 1024 * 1024;

fn matcher(path: &Path, pattern: &str) -> Result<GlobMatcher, FileError> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| fault(path, FileFault::Invalid, &error.to_string()))
}

/// Regular files below `path`, or the file itself, in order of path.
fn files(path: &Path) -> Result<impl Iterator<Item = DirEntry>, FileError> {
    path.symlink_metadata().map_err(at(path))?;
    let walk = WalkBuilder::new(path)
        .hidden(false)
        .require_git(false)
        .git_global(false)
        .parents(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    Ok(walk
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file())))
}

/// A path below `root` as it is matched: `b/c` for `a/b/c` in `a`; a lone file by its name.
fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    match path.strip_prefix(root) {
        Ok(rest) if !rest.as_os_str().is_empty() => rest,
        _ => path.file_name().map_or(path, Path::new),
    }
}

pub(super) fn glob(path: &Path, pattern: &str, limit: u32) -> Result<FileOut, FileError> {
    let matcher = matcher(path, pattern)?;
    let mut found: Vec<(SystemTime, String)> = files(path)?
        .filter(|entry| matcher.is_match(below(path, entry.path())))
        .map(|entry| {
            let modified = entry.metadata().ok().and_then(|meta| meta.modified().ok());
            (
                modified.unwrap_or(SystemTime::UNIX_EPOCH),
                entry.path().display().to_string(),
            )
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let more = found.len() > limit as usize;
    let paths = found
        .into_iter()
        .take(limit as usize)
        .map(|(_, path)| path)
        .collect();
    Ok(FileOut::Paths { paths, more })
}

pub(super) fn grep(
    path: &Path,
    pattern: &str,
    glob: Option<&str>,
    ignore_case: bool,
    limit: u32,
) -> Result<FileOut, FileError> {
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .multi_line(true)
        .crlf(true)
        .size_limit(4 << 20)
        .build()
        .map_err(|error| fault(path, FileFault::Invalid, &error.to_string()))?;
    let glob = glob.map(|glob| matcher(path, glob)).transpose()?;
    let mut found = Found {
        matches: Vec::new(),
        bytes: 0,
        limit: limit as usize,
    };
    for entry in files(path)? {
        if glob
            .as_ref()
            .is_some_and(|glob| !glob.is_match(below(path, entry.path())))
        {
            continue;
        }
        if !found.search(&regex, entry.path()) {
            return Ok(FileOut::Found {
                matches: found.matches,
                more: true,
            });
        }
    }
    Ok(FileOut::Found {
        matches: found.matches,
        more: false,
    })
}

struct Found {
    matches: Vec<Match>,
    bytes: usize,
    limit: usize,
}

impl Found {
    /// Searches one file; false once there is no room for a match.
    fn search(&mut self, regex: &Regex, path: &Path) -> bool {
        // What cannot be read, or is not text, has no lines to show.
        let mut bytes = Vec::new();
        let read = open(path).map(|(file, _)| file.take(READ_CAP).read_to_end(&mut bytes));
        let start = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
        if !matches!(read, Ok(Ok(_))) || start.contains(&0) {
            return true;
        }
        let name = path.display().to_string();
        for (number, line) in bytes.split(|&b| b == b'\n').enumerate() {
            if !regex.is_match(line) {
                continue;
            }
            if self.matches.len() >= self.limit || self.bytes > ANSWER_CAP {
                return false;
            }
            let shown = line.get(..line.len().min(LINE_CAP)).unwrap_or_default();
            let text = String::from_utf8_lossy(shown)
                .trim_end_matches('\r')
                .to_owned();
            self.bytes += text.len() + name.len();
            self.matches.push(Match {
                path: name.clone(),
                line: number as u64 + 1,
                text,
            });
        }
        true
    }
}
