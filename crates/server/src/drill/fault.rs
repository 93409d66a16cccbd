//! What a drill does to a server: every fault it knows, by name.

use super::stage::Disk;
use crate::points;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server kills itself with SIGKILL at a named point.
    Point(&'static str),
    /// The first processes of all sandboxes get SIGKILL.
    SandboxKilled,
    /// The same, and their folders are gone.
    SandboxLost,
    /// The server gets SIGSTOP for longer than its lease lasts.
    ServerStopped,
    /// The clock of the server jumps.
    ClockJumped,
    /// The disk of the server is full for a while.
    DiskFull,
    /// The database is out of reach for a while.
    DatabaseAway,
    /// The power is cut: what the disk was not told to keep is gone.
    PowerLost,
    /// The server gets SIGKILL, several times, while sessions spend what they share.
    BudgetShared,
    /// The server gets SIGKILL while it takes away what was erased of a session.
    FamilyBroken,
    /// The task that runs a session breaks.
    RunBroken,
}

/// The faults besides the points.
const OTHERS: [Fault; 10] = [
    Fault::SandboxKilled,
    Fault::SandboxLost,
    Fault::ServerStopped,
    Fault::ClockJumped,
    Fault::DiskFull,
    Fault::DatabaseAway,
    Fault::PowerLost,
    Fault::BudgetShared,
    Fault::FamilyBroken,
    Fault::RunBroken,
];

impl Fault {
    /// Every fault there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let points = points::ALL.into_iter().map(Self::Point);
        points.chain(OTHERS).collect()
    }

    /// Its name, as on the command line and in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Point(name) => name,
            Self::SandboxKilled => "sandbox.killed",
            Self::SandboxLost => "sandbox.lost",
            Self::ServerStopped => "server.stopped",
            Self::ClockJumped => "clock.jumped",
            Self::DiskFull => "disk.full",
            Self::DatabaseAway => "database.away",
            Self::PowerLost => "power.lost",
            Self::BudgetShared => "budget.shared",
            Self::FamilyBroken => "family.broken",
            Self::RunBroken => "run.broken",
        }
    }

    /// The fault of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|fault| fault.name() == name)
    }

    /// The disk it needs.
    pub(super) fn disk(self) -> Disk {
        match self {
            Self::PowerLost => Disk::Whole,
            Self::DiskFull => Disk::Database,
            _ => Disk::Users,
        }
    }

    /// Whether sandboxes live through it, with one node or with `two`. Then no
    /// call may end as unknown: its run is found again. Another node that takes
    /// over does not have them.
    #[must_use]
    pub fn spares_sandboxes(self, two: bool) -> bool {
        match self {
            Self::SandboxKilled | Self::SandboxLost | Self::PowerLost => false,
            Self::ServerStopped => !two,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name() {
        for fault in Fault::all() {
            assert_eq!(Fault::named(fault.name()), Some(fault));
        }
        assert_eq!(Fault::named("append"), None);
    }
}
