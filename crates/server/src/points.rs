//! Named moments at which a crash hurts most, for `oc drill`.
//!
//! The code passes them all the time; nothing happens unless the process was
//! started with `OC_DRILL_POINT=name:n`, and then the n-th passing of that name
//! ends this process with SIGKILL, as a crash would: no destructor runs,
//! nothing is flushed. `name:n:stop` stops it with SIGSTOP instead,
//! `name:n:wait=ms` holds up the thread that passes, and `name:n:panic` breaks
//! the task that passes. Several are parted by commas. It knows nothing of what happens at a point.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable that arms points.
pub const VARIABLE: &str = "OC_DRILL_POINT";

/// Every point there is, in the order in which a turn passes them.
pub const ALL: [&str; 12] = [
    "append.begun",
    "append.durable",
    "turn.begun",
    "model.streaming",
    "intent.written",
    "exec.started",
    "exec.finished",
    "checkpoint.half",
    "checkpoint.made",
    "hibernate.half",
    "lease.late",
    "delivery.sent",
];

/// Points that no turn passes: a drill does not choose them.
const BESIDE: [&str; 7] = [
    "turn.ending",
    "vault.made",
    "vault.wrapped",
    "vault.swapped",
    "erase.events",
    "schedule.due",
    "schedule.fired",
];

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Kill,
    Stop,
    Wait(Duration),
    Panic,
}

/// A point that is armed.
#[derive(Debug)]
struct Armed {
    name: String,
    /// Passings until it happens; it happens once.
    left: AtomicU64,
    deed: Deed,
}

static ARMED: LazyLock<Vec<Armed>> = LazyLock::new(|| {
    // What cannot be read was refused at the start of `serve`.
    given().map_or_else(Vec::new, |text| read(&text).unwrap_or_default())
});

/// Called by the code at the point of that name.
pub fn passed(name: &'static str) {
    for armed in ARMED.iter() {
        if armed.name == name && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            armed.deed.carry_out(name);
        }
    }
}

/// Whether the point of that name is armed here, for code that reaches it only
/// on a longer way.
#[must_use]
pub fn armed(name: &'static str) -> bool {
    ARMED.iter().any(|armed| armed.name == name)
}

/// What is armed in this process, for a word in its log; empty in every process
/// that is not drilled.
///
/// # Errors
/// If the variable is set to what names no point.
pub fn check() -> Result<Option<String>, String> {
    let Some(text) = given() else {
        return Ok(None);
    };
    read(&text)?;
    Ok(Some(text))
}

#[expect(
    clippy::disallowed_methods,
    reason = "no option of the server: it is set by a drill for its own children"
)]
fn given() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|text| !text.is_empty())
}

fn read(text: &str) -> Result<Vec<Armed>, String> {
    text.split(',').map(read_one).collect()
}

fn read_one(text: &str) -> Result<Armed, String> {
    let wrong = || {
        format!("{VARIABLE}: `{text}` is not name:n, name:n:stop, name:n:wait=ms or name:n:panic")
    };
    let mut parts = text.trim().split(':');
    let name = parts.next().unwrap_or_default();
    if !ALL.iter().chain(&BESIDE).any(|known| *known == name) {
        return Err(format!("{VARIABLE}: there is no point `{name}`"));
    }
    let left: u64 = parts
        .next()
        .and_then(|n| n.parse().ok())
        .filter(|n| *n > 0)
        .ok_or_else(wrong)?;
    let deed = match parts.next() {
        None | Some("kill") => Deed::Kill,
        Some("stop") => Deed::Stop,
        Some("panic") => Deed::Panic,
        Some(other) => {
            let ms = other.strip_prefix("wait=").and_then(|ms| ms.parse().ok());
            Deed::Wait(Duration::from_millis(ms.ok_or_else(wrong)?))
        }
    };
    if parts.next().is_some() {
        return Err(wrong());
    }
    Ok(Armed {
        name: name.to_owned(),
        left: AtomicU64::new(left),
        deed,
    })
}

impl Deed {
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread that is held up is the fault itself"
    )]
    fn carry_out(self, name: &str) {
        let signal = match self {
            Self::Kill => Signal::SIGKILL,
            Self::Stop => Signal::SIGSTOP,
            Self::Wait(time) => {
                tracing::warn!(point = name, ?time, "held up by a drill");
                return std::thread::sleep(time);
            }
            Self::Panic => panic!("broken by a drill at {name}"),
        };
        // To itself a process may send anything.
        let _ = kill(Pid::this(), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_armed_is_read() {
        let armed =
            read("append.begun:3,turn.begun:1:stop, lease.late:2:wait=50,exec.started:1:kill,intent.written:4:panic")
                .unwrap();
        let seen: Vec<_> = armed
            .iter()
            .map(|a| (a.name.as_str(), a.left.load(Ordering::Relaxed), a.deed))
            .collect();
        let wait = Deed::Wait(Duration::from_millis(50));
        assert_eq!(
            seen,
            [
                ("append.begun", 3, Deed::Kill),
                ("turn.begun", 1, Deed::Stop),
                ("lease.late", 2, wait),
                ("exec.started", 1, Deed::Kill),
                ("intent.written", 4, Deed::Panic),
            ]
        );
    }

    #[test]
    fn what_names_no_point_is_refused() {
        for bad in [
            "append",
            "append.begun",
            "append.begun:0",
            "append.begun:x",
            "append.begun:1:explode",
            "append.begun:1:wait=",
            "append.begun:1:kill:2",
            "append.begun:1:panic=2",
            "append.begun:1,",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_happens_where_nothing_is_armed() {
        for _ in 0..3 {
            ALL.iter().for_each(|name| passed(name));
        }
        assert_eq!(check(), Ok(None));
    }
}
