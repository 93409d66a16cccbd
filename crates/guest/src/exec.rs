//! A command to run and what came of it.
//!
//! An exec is named by its caller. The name is the promise: however often it is
//! asked for, and whoever restarts in between, the command runs at most once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes of output a receipt shows unless the exec says otherwise.
pub const OUTPUT_CAP: u32 = 32 * 1024;
/// Bytes of output kept for later unless the exec says otherwise.
pub const SPOOL_CAP: u64 = 8 * 1024 * 1024;

/// A command to run once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The caller's name for it; the same name is the same run.
    pub id: String,
    /// Program and arguments. The program is looked up in `PATH`.
    pub argv: Vec<String>,
    /// Where it starts; `/workspace` when absent.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Variables added to the sandbox's own small set.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Milliseconds until everything it started is terminated, then killed.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// What it reads; nothing (`/dev/null`) when empty.
    #[serde(skip)]
    pub stdin: Vec<u8>,
    /// Bytes of head and tail together that the receipt carries.
    pub output_cap: u32,
    /// Bytes of output kept until acknowledged; the rest is counted and dropped.
    pub spool_cap: u64,
}

impl Exec {
    /// A command with the usual limits and no timeout.
    #[must_use]
    pub fn new(id: impl Into<String>, argv: &[&str]) -> Self {
        Self {
            id: id.into(),
            argv: argv.iter().map(|&a| a.to_owned()).collect(),
            cwd: None,
            env: BTreeMap::new(),
            timeout_ms: None,
            stdin: Vec::new(),
            output_cap: OUTPUT_CAP,
            spool_cap: SPOOL_CAP,
        }
    }

    /// A line for `sh`, with bash where the sandbox has it.
    #[must_use]
    pub fn shell(id: impl Into<String>, line: &str) -> Self {
        Self::new(id, &[SHELL, line])
    }
}

/// As `argv[0]`, stands for the sandbox's shell and its `-c`.
pub const SHELL: &str = "@shell";

/// Why a command was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum KillReason {
    /// The kernel killed something of it: the sandbox's memory was used up.
    Oom {
        /// The sandbox's memory limit, in bytes.
        limit: u64,
    },
    /// Somebody asked for its end.
    Canceled,
    /// Its own timeout passed.
    TimedOut,
}

/// A limit the sandbox ran into while a command ran. The command may have gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Exhausted {
    /// A process was killed for want of memory.
    Memory {
        /// Bytes the sandbox may use.
        limit: u64,
    },
    /// A process could not be started.
    Pids {
        /// Processes and threads the sandbox may have.
        limit: u64,
    },
    /// The disk was full when the command ended.
    Disk {
        /// Bytes the sandbox may write.
        limit: u64,
    },
}

/// The beginning and the end of an output, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// The first bytes; the whole output if `omitted` is zero.
    pub head: Vec<u8>,
    /// The last bytes, empty if `omitted` is zero.
    pub tail: Vec<u8>,
    /// Bytes between the two.
    pub omitted: u64,
}

/// What came of an exec. Kept by the sandbox until acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The exit status, if it ended by itself. 127: no such program, 126: cannot be run.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its timeout passed.
    pub timed_out: bool,
    /// Why it was ended from outside, if it was.
    pub killed: Option<KillReason>,
    /// Limits met on the way.
    pub exhausted: Vec<Exhausted>,
    /// Standard output and error, as they arrived.
    #[serde(skip)]
    pub output: Captured,
    /// Bytes written in all.
    pub total_bytes: u64,
    /// Bytes of the output's beginning that can still be read.
    pub spooled_bytes: u64,
    /// Milliseconds it ran.
    pub duration_ms: u64,
    /// When it started, milliseconds since the Unix epoch.
    pub started_at_ms: i64,
}

impl Receipt {
    /// Whether the whole output can still be read with `output`.
    #[must_use]
    pub fn full_available(&self) -> bool {
        self.spooled_bytes == self.total_bytes
    }

    /// One line about limits and kills for whoever reads the output; `None` if
    /// nothing of the kind happened.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let mut parts = Vec::new();
        match self.killed {
            Some(KillReason::Oom { limit }) => {
                parts.push(format!("killed: out of memory, limit {}", size(limit)));
            }
            Some(KillReason::Canceled) => parts.push("killed: canceled".to_owned()),
            Some(KillReason::TimedOut) => {
                parts.push(format!("killed: timed out after {} ms", self.duration_ms));
            }
            None => {}
        }
        let oom = matches!(self.killed, Some(KillReason::Oom { .. }));
        for met in &self.exhausted {
            match met {
                Exhausted::Memory { .. } if oom => {}
                Exhausted::Memory { limit } => {
                    parts.push(format!(
                        "a process ran out of memory, limit {}",
                        size(*limit)
                    ));
                }
                Exhausted::Pids { limit } => {
                    parts.push(format!(
                        "too many processes, limit {limit}; what was left running has been ended"
                    ));
                }
                Exhausted::Disk { limit } => {
                    parts.push(format!("disk full, limit {}", size(*limit)));
                }
            }
        }
        if parts.is_empty() {
            None
        } else {
            Some(parts.join("; "))
        }
    }
}

/// What a sandbox knows of an exec or a file operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Never heard of: it did not start here.
    Unknown,
    /// It runs.
    Running {
        /// When it started, milliseconds since the Unix epoch.
        started_at_ms: i64,
        /// Bytes written until now.
        total_bytes: u64,
        /// What it has written, head and tail.
        output: Captured,
    },
    /// It ended, and nobody has acknowledged that yet.
    Done(Box<Receipt>),
    /// It ended and was acknowledged: only its name is left.
    Acked,
}

/// Bytes as people read them: the largest unit that divides them nicely.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, one) in UNITS {
        if bytes >= one {
            let (whole, tenths) = (bytes / one, bytes % one * 10 / one);
            return if tenths == 0 {
                format!("{whole} {unit}")
            } else {
                format!("{whole}.{tenths} {unit}")
            };
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            exit_code: Some(0),
            signal: None,
            timed_out: false,
            killed: None,
            exhausted: Vec::new(),
            output: Captured::default(),
            total_bytes: 0,
            spooled_bytes: 0,
            duration_ms: 40,
            started_at_ms: 0,
        }
    }

    #[test]
    fn a_size_is_told_in_its_largest_unit() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1 << 30, "1 GiB"),
            (5 << 29, "2.5 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_note_says_what_the_command_ran_into_and_nothing_else() {
        let oom = Some(KillReason::Oom { limit: 1 << 30 });
        let memory = Exhausted::Memory { limit: 1 << 30 };
        for (killed, exhausted, note) in [
            (None, vec![], None),
            (
                oom,
                vec![memory],
                Some("killed: out of memory, limit 1 GiB"),
            ),
            (
                None,
                vec![memory],
                Some("a process ran out of memory, limit 1 GiB"),
            ),
            (Some(KillReason::Canceled), vec![], Some("killed: canceled")),
            (
                Some(KillReason::TimedOut),
                vec![Exhausted::Pids { limit: 9 }],
                Some(
                    "killed: timed out after 40 ms; too many processes, limit 9; what was left running has been ended",
                ),
            ),
            (
                None,
                vec![Exhausted::Disk { limit: 1 << 20 }],
                Some("disk full, limit 1 MiB"),
            ),
        ] {
            let receipt = Receipt {
                killed,
                exhausted,
                ..receipt()
            };
            assert_eq!(receipt.note().as_deref(), note);
        }
    }
}
