//! The schema's steps, each taken once, in order, on both databases.

use futures::FutureExt;

use super::{Db, Tx, values};
use crate::Error;

/// All steps. A step that was released is never edited.
pub(super) const STEPS: [(&str, &str); 13] = [
    ("first", include_str!("../../migrations/0001_first.sql")),
    ("durable", include_str!("../../migrations/0002_durable.sql")),
    ("policy", include_str!("../../migrations/0003_policy.sql")),
    ("vault", include_str!("../../migrations/0004_vault.sql")),
    ("skills", include_str!("../../migrations/0005_skills.sql")),
    (
        "deliveries",
        include_str!("../../migrations/0006_deliveries.sql"),
    ),
    (
        "schedules",
        include_str!("../../migrations/0007_schedules.sql"),
    ),
    ("hooks", include_str!("../../migrations/0008_hooks.sql")),
    (
        "unused_prompts",
        include_str!("../../migrations/0009_unused_prompts.sql"),
    ),
    ("homes", include_str!("../../migrations/0010_homes.sql")),
    (
        "signed_tokens",
        include_str!("../../migrations/0011_signed_tokens.sql"),
    ),
    (
        "reserved_calls",
        include_str!("../../migrations/0012_reserved_calls.sql"),
    ),
    ("damaged", include_str!("../../migrations/0013_damaged.sql")),
];

const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL)";
const TAKEN: &str = "SELECT number, name FROM migrations ORDER BY number";
const TAKE: &str = "INSERT INTO migrations (number, name) VALUES ($1, $2)";

/// Takes the steps that were not taken yet, all in one transaction.
pub(super) async fn migrate(db: &Db) -> Result<(), Error> {
    db.change(|tx| steps(tx).boxed()).await
}

async fn steps(tx: &mut Tx<'_>) -> Result<(), Error> {
    tx.one_at_a_time().await?;
    tx.script(TABLE).await?;
    let rows = tx.rows(TAKEN, &[]).await?;
    let taken = rows.len();
    for (at, mut row) in rows.into_iter().enumerate() {
        known(at, row.count()?, &row.text()?)?;
    }
    for (at, (name, sql)) in STEPS.iter().enumerate().skip(taken) {
        tx.script(sql).await?;
        tx.exec(TAKE, &values![at as u64 + 1, *name]).await?;
    }
    Ok(())
}

fn known(at: usize, number: u64, name: &str) -> Result<(), Error> {
    let step = STEPS.get(at);
    if step.is_some_and(|(known, _)| *known == name) && number == at as u64 + 1 {
        return Ok(());
    }
    Err(Error::Corrupt {
        what: "schema",
        why: format!("step {number} ({name}) is not known to this version; use a newer one"),
    })
}
