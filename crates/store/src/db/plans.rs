//! Every statement that looks for rows finds them by an index.

#![allow(clippy::unwrap_used)]

use rusqlite::Connection;

use super::migrate::STEPS;
use super::sqlite;
use crate::{agents, birth, credentials, events, keys, leases, orgs, sessions, stats, turns};

/// Statements that may read a whole table or sort, and why.
const MAY: [(&str, &str); 11] = [
    (
        "(SELECT COUNT(*) FROM credentials)",
        "counts that an operator asks for by hand",
    ),
    (
        "FROM install ORDER",
        "a handful of rows, read when the master key is changed",
    ),
    ("FROM usage_", "a report sorts the groups it sums up"),
    (
        "FROM tombstones WHERE done IS NULL",
        "that index holds the open ones alone",
    ),
    (
        "FROM reservations r",
        "as many rows as model calls are being made",
    ),
    (
        "FROM nodes",
        "a handful of rows, one for each start of a server",
    ),
    (
        "FROM line l",
        "the line is as long as there are orgs that wait",
    ),
    ("FROM orgs", "a handful of rows, read at the start"),
    ("FROM keys LIMIT 1", "stops at the first row"),
    (
        "COUNT(*) FROM sessions GROUP BY status",
        "counts for metrics read one index, asked for every few seconds",
    ),
    (
        "COUNT(*), MIN(created) FROM deliveries",
        "counts for metrics read one index, which holds what waits alone",
    ),
];

fn connection() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("CREATE TABLE migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL)")
        .unwrap();
    STEPS
        .iter()
        .for_each(|(_, sql)| conn.execute_batch(sql).unwrap());
    conn
}

fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn
        .prepare(&format!("EXPLAIN QUERY PLAN {}", sqlite::text(sql)))
        .unwrap();
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get::<_, String>(3).unwrap());
    }
    plan
}

fn all() -> Vec<String> {
    let files = [
        agents::queries(),
        birth::queries(),
        crate::append::queries(),
        crate::checkpoints::queries(),
        crate::causes::queries(),
        credentials::queries(),
        crate::deliveries::queries(),
        crate::destinations::queries(),
        crate::erase::queries(),
        events::queries(),
        crate::folds::queries(),
        crate::grants::queries(),
        crate::homes::queries(),
        crate::hooks::queries(),
        crate::install::queries(),
        keys::queries(),
        leases::queries(),
        crate::lineage::queries(),
        orgs::queries(),
        crate::outbox::queries(),
        crate::pieces::queries(),
        crate::reserve::queries(),
        crate::rotate::queries(),
        crate::schedules::queries(),
        crate::secret_stores::queries(),
        crate::secrets::queries(),
        sessions::queries(),
        stats::queries(),
        crate::sweep::queries(),
        crate::tally::queries(),
        crate::texts::queries(),
        turns::queries(),
        crate::usage::queries(),
        crate::vault_status::queries(),
    ];
    files.concat()
}

#[test]
fn no_statement_reads_a_whole_table_or_sorts() {
    let conn = connection();
    let mut bad = Vec::new();
    for sql in all() {
        let allowed = MAY.iter().any(|(part, _)| sql.contains(part));
        let plan = plan(&conn, &sql);
        let slow = plan
            .iter()
            .any(|step| step.starts_with("SCAN") || step.contains("TEMP B-TREE"));
        if slow && !allowed {
            bad.push(format!("{sql}\n    {}", plan.join("\n    ")));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn the_check_sees_a_scan_and_a_sort() {
    let conn = connection();
    let scan = plan(&conn, "SELECT id FROM sessions WHERE state = $1");
    assert!(scan[0].starts_with("SCAN"), "{scan:?}");
    let sort = plan(
        &conn,
        "SELECT id FROM sessions WHERE org = $1 ORDER BY head",
    );
    assert!(
        sort.iter().any(|step| step.contains("TEMP B-TREE")),
        "{sort:?}"
    );
}

#[test]
fn every_exception_is_still_needed() {
    for (part, why) in MAY {
        assert!(all().iter().any(|sql| sql.contains(part)), "{why}");
    }
}
