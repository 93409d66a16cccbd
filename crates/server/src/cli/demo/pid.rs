//! Which process is the demo's server: its number and when it began, so that a
//! number that was given to another process is not taken for it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    number: i32,
    /// Clock ticks from the start of the machine to its own.
    began: u64,
}

impl Process {
    /// The living process of that number.
    pub(super) fn of(number: u32) -> Option<Self> {
        let number = i32::try_from(number).ok()?;
        Some(Self {
            number,
            began: began(&stat(number)?)?,
        })
    }

    /// Whether it still runs.
    pub(super) fn alive(&self) -> bool {
        stat(self.number).and_then(|stat| began(&stat)) == Some(self.began)
    }

    /// Sends a signal; a process that is gone needs none.
    pub(super) fn signal(&self, signal: Signal) {
        if self.alive() {
            let _ = kill(Pid::from_raw(self.number), signal);
        }
    }

    /// The one a data folder's file names, if it still runs.
    pub(super) fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(path(data)).ok()?;
        let (number, began) = text.trim().split_once(' ')?;
        let process = Self {
            number: number.parse().ok()?,
            began: began.parse().ok()?,
        };
        process.alive().then_some(process)
    }

    /// Writes it down.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn write(&self, data: &Path) -> std::io::Result<()> {
        fs::write(path(data), format!("{} {}\n", self.number, self.began))
    }
}

/// Forgets the process of a data folder.
pub(super) fn forget(data: &Path) {
    let _ = fs::remove_file(path(data));
}

fn path(data: &Path) -> PathBuf {
    data.join("server.pid")
}

fn stat(number: i32) -> Option<String> {
    fs::read_to_string(format!("/proc/{number}/stat")).ok()
}

/// Field 22 of `/proc/<pid>/stat`; `None` for one that is dead and only not
/// buried yet. The name in field 2 may hold anything, so we count from its end.
fn began(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        None
    } else {
        fields.nth(18)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_known_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        process.write(folder.path()).unwrap();
        assert_eq!(Process::read(folder.path()), Some(process.clone()));
        process.signal(Signal::SIGKILL);
        child.wait().unwrap();
        assert!(!process.alive());
        assert_eq!(Process::read(folder.path()), None);
    }

    #[test]
    fn a_number_given_to_another_process_is_not_taken_for_it() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.alive());
        assert!(
            !Process {
                began: own.began + 1,
                ..own
            }
            .alive()
        );
    }

    #[test]
    fn a_name_with_blanks_and_braces_does_no_harm() {
        let fields = (3..=22)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(began(&format!("7 (a) b) S {}", &fields[2..])), Some(22));
        assert_eq!(began(&format!("7 (a) Z {}", &fields[2..])), None);
        assert_eq!(began(""), None);
    }
}
