//! The truth: facts, leases, sealed secrets and blobs, on SQLite or PostgreSQL.
//!
//! Every operation is one transaction, acknowledged only when it is durable.
//! What this crate may not know: HTTP, brain, hands, and how anything is
//! decided. It is given facts and what follows from them, and keeps both.
//!
//! # Tables
//!
//! | table | a row is | key |
//! | --- | --- | --- |
//! | `orgs` | an owner, with its wrapped data key | id |
//! | `keys` | an API key: its SHA-256, never the key | id; hash |
//! | `agents` | an agent; a deleted one keeps its row and loses its name | id; (org, name) while it lives |
//! | `schedules` | what begins sessions of an agent at set times; a deleted one keeps its row and loses its name | id; (org, agent, name) while it lives |
//! | `schedule_runs` | what became of a slot of a schedule, or of a fire by hand | id; (schedule, slot) |
//! | `revisions` | a frozen prompt and model of an agent | (agent, number) |
//! | `credentials` | a sealed model key | id; one default per (org, provider) |
//! | `secret_stores` | a named store of secrets, and the hosts it lets sandboxes reach | id; (org, name) |
//! | `secrets` | a sealed value for sandboxes, and the hosts that may be given it | id; (store, name) |
//! | `install` | a sealed value of the whole installation | name |
//! | `nodes` | a node, and until when its leases last | id |
//! | `sessions` | what follows from a session's facts, its lease, and its place among the running ones of its org; small, rewritten by every append | id |
//! | `pinned` | what a session was born with, never changed | session |
//! | `prompts` | the text of a pinned prompt, once for all sessions that share it | its SHA-256 |
//! | `events` | a fact | (session, seq) |
//! | `onces` | a request that must not take effect twice, and the session it made | (org, scope, key) |
//! | `message_keys` | a message that must not be said twice, and the fact it became | (session, key) |
//! | `hooks` | an address that starts sessions of an agent: the SHA-256 of its token | id; hash; (agent, name) while not revoked |
//! | `destinations` | who is told of a session's facts, with a sealed secret, and who sends to it right now | id |
//! | `deliveries` | the outbox: a fact that a destination is told, and how far that came | (destination, seq) |
//! | `lineage` | a run of facts that a fork reads where they stand, at an ancestor | (session, first number) |
//! | `checkpoints` | files of a sandbox at a moment, and the pieces that hold them | id |
//! | `folds` | where what a session's facts came to is kept | (session, number) |
//! | `usage_turns` | what a turn used; stays when the session is erased | (session, turn) |
//! | `usage_sandboxes` | from when to when a sandbox ran on a day; stays, too | (sandbox, day) |
//! | `caps` | what is spent and what is reserved of a cap | (scope, period) |
//! | `reservations` | what a session may use for the model call it makes | session |
//! | `tombstones` | that a session was erased, and whether all of it is gone | session |
//! | `litter` | a folder of the blob store, or a session's checkpoints, that a sweep should look at | folder |
//! | `migrations` | a step of the schema that was taken | number |

mod agents;
mod alone;
mod append;
mod beside;
mod birth;
mod blobs;
mod budget;
mod causes;
mod checkpoints;
mod content;
mod credentials;
mod db;
mod deliveries;
mod destinations;
mod digest;
mod erase;
mod error;
mod events;
mod facts;
mod folds;
mod follow;
mod grants;
mod hearing;
mod homes;
mod hooks;
mod hub;
mod install;
mod keys;
mod leases;
mod lineage;
mod litter;
mod logged;
mod options;
mod orgs;
mod outbox;
mod page;
mod pieces;
mod projection;
mod reserve;
mod rotate;
mod sabotage;
mod schedules;
mod secret_stores;
mod secrets;
mod sessions;
mod skills;
mod stats;
mod store;
mod sweep;
mod tally;
#[cfg(feature = "testing")]
pub mod testing;
mod texts;
mod turns;
mod usage;
mod vault;
mod vault_status;
mod wake;

pub use agents::{AgentChange, AgentCreated, AgentRow, NewAgent, Policy, RevisionRow};
pub use append::{Append, Dedupe, LeaseChange};
pub use beside::{Beside, Place};
pub use budget::{Amount, Cap};
pub use checkpoints::Checkpoint;
pub use credentials::{CredentialRow, NewCredential};
pub use deliveries::{DeliveryFilter, DeliveryRow, STATES as DELIVERY_STATES, Waiting};
pub use destinations::{DestinationChange, DestinationRow, Failing, NewDestination};
pub use error::{Error, Reason};
pub use events::{EventQuery, KindFilter};
pub use follow::Follow;
pub use grants::{GrantRow, Grants};
pub use homes::HEAD_START;
pub use hooks::{HookRow, NewHook};
pub use keys::{KeyRow, NewKey, OrgRow};
pub use leases::{Claimed, InLine, Quota};
pub use lineage::Origin;
pub use logged::Logged;
pub use options::{Database, Options, Passed};
pub use outbox::{Looked, Outcome, Pending, Shares, Taken, Tried};
pub use page::{Cursor, Listed, Page};
pub use projection::Projection;
pub use reserve::{Reservation, Reserved, Wish};
pub use rotate::Rotated;
pub use sabotage::{Sabotage, leaked, sabotaged};
pub use schedules::{
    Fire, Fired, MOST as MOST_SCHEDULES, Missed, NewSchedule, Overlap, PATIENCE, RunRow,
    ScheduleChange, ScheduleRow, ScheduleState,
};
pub use secret_stores::{NewSecretStore, SecretStoreChange, SecretStoreRow};
pub use secrets::{NewSecret, SecretRow};
pub use sessions::{Begins, Birth, Created, NewSession, Once, SessionFilter, SessionRow};
pub use skills::{Bundle, SkillFile, SkillRow};
pub use stats::Stats;
pub use store::Store;
pub use sweep::Swept;
pub use tally::Tally;
pub use turns::Turn;
pub use usage::{UsageBy, UsageRow};
pub use vault::MasterKey;
pub use vault_status::VaultStatus;
pub use wake::Wake;
