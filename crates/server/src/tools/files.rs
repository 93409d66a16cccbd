//! The file tools: `read`, `write`, `edit`, `ls`, `grep` and `glob`.

use hands::{Entry, Error, FileOp, FileOut, Kind, Sandbox, Span};
use serde::Deserialize;
use serde_json::Value;
use session::state::OpenCall;

use super::{Done, args, exec_id, text};

/// Lines a read shows unless the call says otherwise.
const LINES: u64 = 2000;
/// Bytes of a file that one read looks at.
const READ: u64 = 256 * 1024;
/// Entries, matches or paths that one call shows.
const ENTRIES: u32 = 1000;

pub(super) async fn run(sandbox: &dyn Sandbox, open: &OpenCall) -> Result<Done, Error> {
    let (op, first) = match operation(&open.call.tool, &open.call.input) {
        Ok(op) => op,
        Err(why) => return Ok(Done::refused(why)),
    };
    let wrote = match &op {
        FileOp::Write { path, .. } | FileOp::Edit { path, .. } => path.clone(),
        _ => String::new(),
    };
    match sandbox.file(&exec_id(open), op).await {
        Ok(out) => Ok(Done::plain(told(out, &wrote, first), false)),
        Err(Error::File(error)) => Ok(Done::plain(error.to_string(), true)),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct Read {
    path: String,
    #[serde(default)]
    offset: Option<u64>,
    #[serde(default)]
    limit: Option<u64>,
}

#[derive(Deserialize)]
struct Write {
    path: String,
    content: String,
}

#[derive(Deserialize)]
struct Edit {
    path: String,
    old: String,
    new: String,
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct Find {
    #[serde(default)]
    pattern: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    glob: Option<String>,
    #[serde(default)]
    ignore_case: bool,
}

impl From<Read> for FileOp {
    fn from(read: Read) -> Self {
        let span = Span::Lines {
            first: read.first(),
            count: read.limit.unwrap_or(LINES),
            limit: READ,
        };
        Self::Read {
            path: read.path,
            span,
        }
    }
}

impl Read {
    fn first(&self) -> u64 {
        self.offset.unwrap_or(1).max(1)
    }
}

impl From<Write> for FileOp {
    fn from(write: Write) -> Self {
        Self::Write {
            path: write.path,
            bytes: write.content.into_bytes(),
        }
    }
}

impl From<Edit> for FileOp {
    fn from(edit: Edit) -> Self {
        Self::Edit {
            path: edit.path,
            old: edit.old,
            new: edit.new,
            replace_all: edit.all,
        }
    }
}

impl Find {
    fn path(&mut self) -> String {
        self.path.take().unwrap_or_else(|| ".".to_owned())
    }

    fn list(mut self) -> FileOp {
        FileOp::List {
            path: self.path(),
            limit: ENTRIES,
        }
    }

    fn grep(mut self) -> FileOp {
        FileOp::Grep {
            path: self.path(),
            pattern: self.pattern,
            glob: self.glob,
            ignore_case: self.ignore_case,
            limit: ENTRIES,
        }
    }

    fn glob(mut self) -> FileOp {
        FileOp::Glob {
            path: self.path(),
            pattern: self.pattern,
            limit: ENTRIES,
        }
    }
}

/// The operation a call asks for, and the first line of a read.
fn operation(tool: &str, input: &Value) -> Result<(FileOp, u64), String> {
    let op = match tool {
        "read" => {
            let read: Read = args::read(tool, input)?;
            let first = read.first();
            return Ok((read.into(), first));
        }
        "write" => args::read::<Write>(tool, input)?.into(),
        "edit" => args::read::<Edit>(tool, input)?.into(),
        "ls" => args::read::<Find>(tool, input)?.list(),
        "grep" => args::read::<Find>(tool, input)?.grep(),
        "glob" => args::read::<Find>(tool, input)?.glob(),
        _ => return Err(format!("There is no tool `{tool}`. Nothing was done.")),
    };
    Ok((op, 1))
}

fn told(out: FileOut, wrote: &str, first: u64) -> String {
    match out {
        FileOut::Read { bytes, more, .. } => {
            let whole = String::from_utf8_lossy(&bytes);
            let numbered = (first..)
                .zip(whole.lines())
                .map(|(n, line)| format!("{n:>6}\t{line}"));
            text::lines(numbered, more, "read on with offset")
        }
        FileOut::Written { size, created } => {
            let verb = if created { "Wrote" } else { "Replaced" };
            format!("{verb} {wrote} ({size} bytes).")
        }
        FileOut::Edited { replaced } => {
            let places = if replaced == 1 { "place" } else { "places" };
            format!("Edited {wrote} ({replaced} {places}).")
        }
        FileOut::Listed { entries, more } => {
            text::lines(entries.iter().map(entry), more, "list a folder below")
        }
        FileOut::Found { matches, more } => {
            let lines = matches
                .iter()
                .map(|m| format!("{}:{}: {}", m.path, m.line, m.text));
            text::lines(lines, more, "narrow the pattern or the path")
        }
        FileOut::Paths { paths, more } => {
            text::lines(paths.into_iter(), more, "narrow the pattern")
        }
        FileOut::Stat(found) => entry(&found),
    }
}

fn entry(entry: &Entry) -> String {
    match (entry.kind, &entry.target) {
        (Kind::Folder, _) => format!("{}/", entry.name),
        (Kind::Link, Some(target)) => format!("{} -> {target}", entry.name),
        (Kind::File, _) => format!("{} ({} bytes)", entry.name, entry.size),
        _ => entry.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_become_one_operation() {
        let read = operation("read", &json!({ "path": "a", "offset": 0 }));
        let span = Span::Lines {
            first: 1,
            count: LINES,
            limit: READ,
        };
        assert_eq!(
            read,
            Ok((
                FileOp::Read {
                    path: "a".into(),
                    span
                },
                1
            ))
        );
        let list = operation("ls", &json!({})).map(|(op, _)| op);
        assert_eq!(
            list,
            Ok(FileOp::List {
                path: ".".into(),
                limit: ENTRIES
            })
        );
        assert!(
            operation("edit", &json!({ "path": "a", "old": "x" }))
                .is_err_and(|why| why.contains("`new`"))
        );
    }

    #[test]
    fn a_read_is_numbered_from_where_it_began() {
        let out = FileOut::Read {
            bytes: b"x\ny\n".to_vec(),
            size: 99,
            more: true,
        };
        assert_eq!(
            told(out, "", 41),
            "    41\tx\n    42\ty\n[… more; read on with offset …]"
        );
    }

    #[test]
    fn what_was_written_is_told_with_its_path() {
        let written = FileOut::Written {
            size: 3,
            created: true,
        };
        assert_eq!(told(written, "a.txt", 1), "Wrote a.txt (3 bytes).");
        assert_eq!(
            told(FileOut::Edited { replaced: 2 }, "a.txt", 1),
            "Edited a.txt (2 places)."
        );
    }
}
