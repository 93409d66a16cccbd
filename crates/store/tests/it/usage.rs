//! Usage: every turn and every second of a sandbox counted once.

use session::{Millis, Tokens, Usd};
use store::{Append, Store, Tally, UsageBy, UsageRow};

use crate::bed::{Bed, ORG, born, both, next};

both!(
    turns_are_summed_by_agent_session_and_day,
    a_turn_written_twice_is_counted_once,
    a_report_has_its_bounds_and_its_owner,
    a_sandbox_is_counted_by_its_span,
    a_span_over_midnight_is_two_days,
);

const DAY: i64 = 24 * 3600 * 1000;

fn tally(turn: u32, agent: &str, ended: i64, usd: Option<u64>) -> Tally {
    Tally {
        turn,
        agent: agent.to_owned(),
        started: Millis(ended - 100),
        ended: Millis(ended),
        active_ms: 100,
        tokens: Tokens {
            input: 1,
            output: 20,
            cache_write: 300,
            cache_read: 4000,
            ..Tokens::default()
        },
        reported: true,
        usd: usd.map(Usd),
    }
}

async fn ended(store: &Store, session: &str, head: u64, tally: Tally) {
    let mut append = next(session, head);
    append.project.tally = Some(tally);
    store.append(append).await.unwrap();
}

async fn report(store: &Store, by: UsageBy) -> Vec<UsageRow> {
    store
        .usage(ORG, Millis(0), Millis(9 * DAY), by)
        .await
        .unwrap()
}

async fn turns_are_summed_by_agent_session_and_day(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    born(&store, "ses_2").await;
    ended(&store, "ses_1", 1, tally(1, "agt_1", 500, Some(7))).await;
    ended(&store, "ses_1", 2, tally(2, "agt_1", DAY + 500, None)).await;
    ended(&store, "ses_2", 1, tally(1, "agt_2", DAY + 600, Some(0))).await;
    let short = |row: &UsageRow| {
        (
            row.group.clone(),
            row.turns,
            row.active_ms,
            row.tokens.total(),
            row.usd.0,
            row.unpriced_turns,
        )
    };
    let wants = [
        (UsageBy::Agent, ["agt_1", "agt_2"], [(2, 7, 1), (1, 0, 0)]),
        (UsageBy::Session, ["ses_1", "ses_2"], [(2, 7, 1), (1, 0, 0)]),
        (UsageBy::Day, ["0", "1"], [(1, 7, 0), (2, 0, 1)]),
    ];
    for (by, groups, sums) in wants {
        let rows: Vec<_> = report(&store, by).await.iter().map(short).collect();
        let want: Vec<_> = groups
            .iter()
            .zip(sums)
            .map(|(group, (n, usd, unpriced))| {
                ((*group).to_owned(), n, 100 * n, 4321 * n, usd, unpriced)
            })
            .collect();
        assert_eq!(rows, want, "{by:?}");
    }
}

async fn a_turn_written_twice_is_counted_once(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    ended(&store, "ses_1", 1, tally(1, "agt_1", 500, Some(7))).await;
    ended(&store, "ses_1", 2, tally(1, "agt_1", 900, Some(9))).await;
    let stale = Append { ..next("ses_1", 1) };
    assert!(store.append(stale).await.is_err());
    let rows = report(&store, UsageBy::Agent).await;
    assert_eq!((rows.len(), rows[0].turns, rows[0].usd), (1, 1, Usd(7)));
}

async fn a_report_has_its_bounds_and_its_owner(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    for (turn, at) in [(1, 999), (2, 1000), (3, 1999), (4, 2000)] {
        let tally = tally(turn, "agt_1", at, None);
        ended(&store, "ses_1", u64::from(turn), tally).await;
    }
    let (from, to) = (Millis(1000), Millis(2000));
    let rows = store.usage(ORG, from, to, UsageBy::Agent).await.unwrap();
    assert_eq!(rows[0].turns, 2);
    let other = store.usage("org_2", from, to, UsageBy::Agent).await;
    assert_eq!(other.unwrap(), []);
}

async fn ran(store: &Store, sandbox: &str, from: i64, to: i64) {
    store
        .sandbox_ran(
            ORG,
            "agt_1",
            "ses_1",
            sandbox,
            Millis(from),
            Millis(to),
            512,
        )
        .await
        .unwrap();
}

async fn a_sandbox_is_counted_by_its_span(bed: Bed) {
    let store = bed.open().await;
    // Told in pieces, twice, and out of order.
    for (from, to) in [
        (10_000, 20_000),
        (10_000, 40_000),
        (20_000, 30_000),
        (40_000, 40_000),
    ] {
        ran(&store, "sbx_1", from, to).await;
    }
    ran(&store, "sbx_2", 10_000, 14_000).await;
    let rows = report(&store, UsageBy::Session).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (
            rows[0].turns,
            rows[0].sandbox_seconds,
            rows[0].sandbox_gib_seconds
        ),
        (0, 34, 17)
    );
    let part = store.usage(ORG, Millis(12_000), Millis(32_000), UsageBy::Session);
    assert_eq!(part.await.unwrap()[0].sandbox_seconds, 22);
}

async fn a_span_over_midnight_is_two_days(bed: Bed) {
    let store = bed.open().await;
    ran(&store, "sbx_1", DAY - 10_000, DAY + 20_000).await;
    let days = report(&store, UsageBy::Day).await;
    let days: Vec<_> = days
        .iter()
        .map(|row| (row.group.as_str(), row.sandbox_seconds))
        .collect();
    assert_eq!(days, [("0", 10), ("1", 20)]);
}
