//! Files of a sandbox: what may be asked and what is answered.
//!
//! The guest acts in its own root, so no path and no symlink leads out. Relative
//! paths start at the sandbox's workspace.

use serde::{Deserialize, Serialize};

/// Bytes a read returns at most.
pub const READ_CAP: u64 = 16 * 1024 * 1024;

/// Which part of a file to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// `limit` bytes from byte `offset`.
    Bytes {
        /// First byte, from 0.
        offset: u64,
        /// Bytes at most.
        limit: u64,
    },
    /// `count` lines from line `first`.
    Lines {
        /// First line, from 1.
        first: u64,
        /// Lines at most.
        count: u64,
        /// Bytes at most, whatever the lines are.
        limit: u64,
    },
}

/// One file operation. Paths are the sandbox's; `~` is not expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOp {
    /// Part of a regular file.
    Read {
        /// Which file.
        path: String,
        /// Which part.
        span: Span,
    },
    /// The whole content of a file, made with its folders if absent, replaced at once.
    Write {
        /// Which file.
        path: String,
        /// Its new content.
        #[serde(skip)]
        bytes: Vec<u8>,
    },
    /// Exact replacement in a UTF-8 file.
    Edit {
        /// Which file.
        path: String,
        /// Text that must be there.
        old: String,
        /// What takes its place.
        new: String,
        /// Every occurrence; otherwise `old` must occur exactly once.
        replace_all: bool,
    },
    /// The entries of a folder, sorted by name.
    List {
        /// Which folder.
        path: String,
        /// Entries at most.
        limit: u32,
    },
    /// Lines that match a regular expression, in files that `.gitignore` does not exclude.
    Grep {
        /// A file or a folder.
        path: String,
        /// The expression, in the syntax of the `regex` crate.
        pattern: String,
        /// Only files whose path from `path` matches this glob.
        glob: Option<String>,
        /// Whether case does not matter.
        ignore_case: bool,
        /// Matches at most.
        limit: u32,
    },
    /// Files whose path from `path` matches a glob, newest first.
    Glob {
        /// Which folder.
        path: String,
        /// The glob, `**` for any depth.
        pattern: String,
        /// Paths at most.
        limit: u32,
    },
    /// What is at a path; a symlink is not followed.
    Stat {
        /// Which path.
        path: String,
    },
}

impl FileOp {
    /// Whether running it twice could differ from running it once.
    #[must_use]
    pub fn effectful(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Edit { .. })
    }
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A socket, a pipe or a device.
    Other,
}

/// One entry of a folder, or the answer to a stat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the folder, or the path asked for.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file, else 0.
    pub size: u64,
    /// When it was last written, milliseconds since the Unix epoch.
    pub modified_ms: i64,
    /// Permission bits.
    pub mode: u32,
    /// Where a link points.
    #[serde(default)]
    pub target: Option<String>,
}

/// One line found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Path of the file, as a path below the one asked for was given.
    pub path: String,
    /// Line number, from 1.
    pub line: u64,
    /// The line, shortened if it is very long; invalid UTF-8 replaced.
    pub text: String,
}

/// The answer to a file operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOut {
    /// To a read.
    Read {
        /// The part read, as bytes.
        #[serde(skip)]
        bytes: Vec<u8>,
        /// Bytes of the whole file.
        size: u64,
        /// Whether the file goes on after this part.
        more: bool,
    },
    /// To a write.
    Written {
        /// Bytes of the file now.
        size: u64,
        /// Whether the file is new.
        created: bool,
    },
    /// To an edit.
    Edited {
        /// Places changed.
        replaced: u64,
    },
    /// To a list.
    Listed {
        /// Sorted by name.
        entries: Vec<Entry>,
        /// Whether there are more than the limit.
        more: bool,
    },
    /// To a grep.
    Found {
        /// In order of path and line.
        matches: Vec<Match>,
        /// Whether there are more than the limit.
        more: bool,
    },
    /// To a glob.
    Paths {
        /// Newest first.
        paths: Vec<String>,
        /// Whether there are more than the limit.
        more: bool,
    },
    /// To a stat.
    Stat(Entry),
}

/// What kept a file operation from being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFault {
    /// Nothing is there.
    NotFound,
    /// The sandbox's own permissions forbid it.
    Denied,
    /// It is a folder where a file is needed, the reverse, or neither.
    WrongKind,
    /// The text to replace is not there.
    NoMatch,
    /// The text to replace is there more than once.
    NotUnique,
    /// The content is not text, or the pattern is none.
    Invalid,
    /// More bytes than an operation may carry.
    TooLarge,
    /// The disk is full.
    NoSpace,
    /// Anything else; the text says what.
    Other,
}

/// A file operation that was not done, with words for its reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    /// What kind of obstacle.
    pub fault: FileFault,
    /// One sentence that names the path.
    pub message: String,
}
