//! Schedules: a slot happens once, whoever looks at it and however often; what
//! goes wrong is counted, and what is deleted leaves its runs.

use session::{Caps, Cause, CauseKind, Millis};
use store::{
    Created, Error, Fire, Fired, MOST_SCHEDULES, Missed, NewSchedule, NewSession, Overlap, Page,
    RunRow, ScheduleChange, ScheduleRow, ScheduleState, Store,
};
use tokio::task::JoinSet;

use crate::agents::{agent, org};
use crate::bed::{Bed, both, new};

both!(
    a_schedule_is_its_agent_s,
    a_name_is_given_once_and_free_again,
    an_agent_has_so_many_and_no_more,
    a_change_moves_the_slot_only_if_it_must,
    a_slot_is_a_session_a_run_and_a_step_together,
    many_at_once_begin_one_session,
    a_slot_that_was_taken_makes_no_session_ever,
    too_many_failures_in_a_row_pause_it,
    a_fire_by_hand_moves_nothing,
    what_was_begun_before_is_known,
    due_are_those_whose_slot_is_over,
    runs_stay_when_their_schedule_goes,
    caps_are_those_of_now_and_stay_when_the_schedule_goes,
);

/// A store with an agent `agt_1`, and its org.
async fn opened(bed: &Bed) -> (Store, String) {
    let store = bed.open().await;
    let org = org(&store).await;
    store.create_agent(agent(&org, "agt_1")).await.unwrap();
    (store, org)
}

fn nightly(org: &str, name: &str) -> NewSchedule {
    NewSchedule {
        id: format!("sch_{name}"),
        org: org.to_owned(),
        agent: "agt_1".to_owned(),
        name: name.to_owned(),
        cron: "0 3 * * *".to_owned(),
        tz: Some("Europe/Berlin".to_owned()),
        input: "Look\0at it. é".to_owned(),
        overlap: Overlap::Skip,
        caps: Caps {
            tokens_per_day: Some(7),
            ..Caps::default()
        },
        next: Some(Millis(5000)),
        at: Millis(1000),
    }
}

/// The firing of a slot, after which the next one is a thousand later.
fn fire(row: &ScheduleRow, run: &str, slot: Option<i64>) -> Fire {
    Fire {
        run: run.to_owned(),
        org: row.org.clone(),
        schedule: row.id.clone(),
        slot: slot.map(Millis),
        next: slot.map(|slot| Millis(slot + 1000)),
        at: Millis(slot.unwrap_or(9000) + 7),
    }
}

async fn begin(store: &Store, id: &str, fire: Fire) -> Result<(), Error> {
    let new = NewSession {
        org: fire.org.clone(),
        fire: Some(fire),
        ..new(id)
    };
    store
        .create_session(new)
        .await
        .map(|created| match created {
            Created::New { .. } => (),
            other => panic!("{other:?}"),
        })
}

async fn row(store: &Store, org: &str, name: &str) -> ScheduleRow {
    let id = format!("sch_{name}");
    store.schedule(org, "agt_1", &id).await.unwrap()
}

async fn runs(store: &Store, of: &ScheduleRow) -> Vec<RunRow> {
    let page = Page {
        after: None,
        limit: 50,
    };
    let listed = store.runs(&of.org, "agt_1", &of.id, page).await;
    listed.unwrap().rows
}

async fn a_schedule_is_its_agent_s(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_schedule(nightly(&org, "a")).await.unwrap();
    assert_eq!(made.input, "Look\0at it. é");
    assert_eq!(
        (made.state, made.next),
        (ScheduleState::Active, Some(Millis(5000)))
    );
    assert_eq!(
        (made.fired, made.failures, made.error.clone()),
        (None, 0, None)
    );
    assert_eq!(row(&store, &org, "a").await, made);
    assert_eq!(store.schedules(&org, "agt_1").await.unwrap(), [made]);
    for (org, agent) in [("org_2", "agt_1"), (org.as_str(), "agt_2")] {
        let found = store.schedule(org, agent, "sch_a").await;
        assert!(matches!(found, Err(Error::NotFound)));
        assert!(store.schedules(org, agent).await.unwrap().is_empty());
        let gone = store
            .delete_schedule(org, agent, "sch_a", Millis(2000))
            .await;
        assert!(matches!(gone, Err(Error::NotFound)));
        let runs = store.runs(org, agent, "sch_a", Page::default()).await;
        assert!(matches!(runs, Err(Error::NotFound)));
        let change =
            store.change_schedule(org, agent, "sch_a", ScheduleChange::default(), |_| None);
        assert!(matches!(change.await, Err(Error::NotFound)));
        let new = NewSchedule {
            org: org.to_owned(),
            agent: agent.to_owned(),
            ..nightly(org, "b")
        };
        assert!(matches!(
            store.create_schedule(new).await,
            Err(Error::NotFound)
        ));
    }
}

async fn a_name_is_given_once_and_free_again(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_schedule(nightly(&org, "a")).await.unwrap();
    let again = NewSchedule {
        id: "sch_other".to_owned(),
        ..nightly(&org, "a")
    };
    let taken = store.create_schedule(again.clone()).await;
    assert!(matches!(taken, Err(Error::Taken)));
    store
        .delete_schedule(&org, "agt_1", "sch_a", Millis(2000))
        .await
        .unwrap();
    store.create_schedule(again).await.unwrap();
}

async fn an_agent_has_so_many_and_no_more(bed: Bed) {
    let (store, org) = opened(&bed).await;
    for n in 1..MOST_SCHEDULES {
        store
            .create_schedule(nightly(&org, &n.to_string()))
            .await
            .unwrap();
    }
    let mut tasks = JoinSet::new();
    for n in 0..4 {
        let (store, new) = (store.clone(), nightly(&org, &format!("last{n}")));
        tasks.spawn(async move { store.create_schedule(new).await });
    }
    let all = tasks.join_all().await;
    let made = all.iter().filter(|made| made.is_ok()).count();
    assert_eq!(made, 1, "{all:?}");
    let full = |made: &Result<_, Error>| matches!(made, Ok(_) | Err(Error::TooMany { most: 20 }));
    assert!(all.iter().all(full), "{all:?}");
    store
        .delete_schedule(&org, "agt_1", "sch_1", Millis(2000))
        .await
        .unwrap();
    store.create_schedule(nightly(&org, "again")).await.unwrap();
}

async fn a_change_moves_the_slot_only_if_it_must(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_schedule(nightly(&org, "a")).await.unwrap();
    let change = async |change: ScheduleChange| {
        let next = |row: &ScheduleRow| Some(Millis(row.cron.len() as i64));
        let changed = store.change_schedule(&org, "agt_1", "sch_a", change, next);
        let changed = changed.await.unwrap();
        let read = row(&store, &org, "a").await;
        assert_eq!(changed.updated, read.updated);
        assert_eq!(changed, read);
        changed
    };
    let quiet = ScheduleChange {
        input: Some("other".to_owned()),
        overlap: Some(Overlap::Allow),
        caps: Some(Caps::default()),
        paused: Some(true),
        at: Millis(2000),
        ..ScheduleChange::default()
    };
    let changed = change(quiet).await;
    assert_eq!(changed.next, Some(Millis(5000)));
    assert_eq!(
        (changed.state, changed.updated),
        (ScheduleState::Paused, Millis(2000))
    );
    assert!(changed.caps.is_none() && changed.input == "other");
    let cron = ScheduleChange {
        cron: Some("* * * * *".to_owned()),
        ..ScheduleChange::default()
    };
    let changed = change(cron).await;
    assert_eq!(
        (changed.next, changed.state),
        (Some(Millis(9)), ScheduleState::Paused)
    );
    let tz = ScheduleChange {
        tz: Some(None),
        paused: Some(false),
        ..ScheduleChange::default()
    };
    let changed = change(tz).await;
    assert_eq!((changed.tz, changed.state), (None, ScheduleState::Active));
}

async fn a_slot_is_a_session_a_run_and_a_step_together(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_schedule(nightly(&org, "a")).await.unwrap();
    begin(&store, "ses_1", fire(&made, "srn_1", Some(5000)))
        .await
        .unwrap();
    let after = row(&store, &org, "a").await;
    assert_eq!(
        (after.next, after.fired),
        (Some(Millis(6000)), Some(Millis(5007)))
    );
    let all = runs(&store, &made).await;
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].outcome, all[0].session.as_deref()),
        (Fired::Enacted, Some("ses_1"))
    );
    assert_eq!(
        (all[0].slot, all[0].fired),
        (Some(Millis(5000)), Millis(5007))
    );
    // The same slot again: no session, no run, no step.
    let again = begin(&store, "ses_2", fire(&made, "srn_2", Some(5000))).await;
    assert!(matches!(again, Err(Error::Taken)), "{again:?}");
    let late = store
        .missed(fire(&made, "srn_3", Some(5000)), Missed::Skipped)
        .await;
    assert_eq!(late.unwrap(), None);
    assert!(matches!(
        store.session(&org, "ses_2").await,
        Err(Error::NotFound)
    ));
    assert_eq!(runs(&store, &made).await, all);
    assert_eq!(row(&store, &org, "a").await, after);
}

async fn many_at_once_begin_one_session(bed: Bed) {
    let (one, org) = opened(&bed).await;
    let made = one.create_schedule(nightly(&org, "a")).await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let (store, fire) = (one.clone(), fire(&made, &format!("srn_{n}"), Some(5000)));
        tasks.spawn(async move { begin(&store, &format!("ses_{n}"), fire).await });
    }
    let all = tasks.join_all().await;
    assert_eq!(
        all.iter().filter(|begun| begun.is_ok()).count(),
        1,
        "{all:?}"
    );
    assert_eq!(runs(&one, &made).await.len(), 1);
}

async fn a_slot_that_was_taken_makes_no_session_ever(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_schedule(nightly(&org, "a")).await.unwrap();
    begin(&store, "ses_1", fire(&made, "srn_1", Some(5000)))
        .await
        .unwrap();
    // A clock that was set back brings the same slot again.
    let back = ScheduleChange {
        paused: Some(false),
        ..ScheduleChange::default()
    };
    let back = store.change_schedule(&org, "agt_1", "sch_a", back, |_| Some(Millis(5000)));
    let back = back.await.unwrap();
    let again = begin(&store, "ses_2", fire(&back, "srn_2", Some(5000))).await;
    assert!(matches!(again, Err(Error::Taken)), "{again:?}");
    assert_eq!(
        row(&store, &org, "a").await.next,
        Some(Millis(5000)),
        "as if nothing was"
    );
    // But it can be passed.
    let passed = store
        .missed(fire(&back, "srn_3", Some(5000)), Missed::Skipped)
        .await;
    assert!(passed.unwrap().is_some());
    assert_eq!(row(&store, &org, "a").await.next, Some(Millis(6000)));
    assert_eq!(runs(&store, &made).await.len(), 1);
}

async fn too_many_failures_in_a_row_pause_it(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_schedule(nightly(&org, "a")).await.unwrap();
    let count = std::cell::Cell::new(0);
    let fail = async |slot: Option<i64>| {
        count.set(count.get() + 1);
        let run = format!("srn_{}", count.get());
        let failed = Missed::Failed("no key".to_owned());
        store.missed(fire(&made, &run, slot), failed).await.unwrap()
    };
    for slot in [5000, 6000] {
        assert_eq!(fail(Some(slot)).await.unwrap().outcome, Fired::Failed);
    }
    begin(&store, "ses_1", fire(&made, "srn_ok", Some(7000)))
        .await
        .unwrap();
    let well = row(&store, &org, "a").await;
    assert_eq!(
        (well.failures, well.error),
        (0, None),
        "one that works begins anew"
    );
    for n in 0..5 {
        assert!(fail(None).await.is_some(), "those by hand do not count");
        let now = row(&store, &org, "a").await;
        assert_eq!((now.state, now.failures), (ScheduleState::Active, n));
        assert!(fail(Some(8000 + n as i64 * 1000)).await.is_some());
    }
    let paused = row(&store, &org, "a").await;
    assert_eq!(
        (paused.state, paused.failures),
        (ScheduleState::AutoPaused, 5)
    );
    assert_eq!(paused.error.as_deref(), Some("no key"));
    assert_eq!(paused.next, Some(Millis(13_000)));
    assert!(
        store
            .due_schedules(Millis(i64::MAX), 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.next_due().await.unwrap(), None);
    assert!(fail(Some(13_000)).await.is_none(), "it rests");
}

async fn a_fire_by_hand_moves_nothing(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_schedule(nightly(&org, "a")).await.unwrap();
    let pause = ScheduleChange {
        paused: Some(true),
        ..ScheduleChange::default()
    };
    store
        .change_schedule(&org, "agt_1", "sch_a", pause, |_| None)
        .await
        .unwrap();
    for n in 0..2 {
        let by_hand = fire(&made, &format!("srn_{n}"), None);
        begin(&store, &format!("ses_{n}"), by_hand).await.unwrap();
    }
    let after = row(&store, &org, "a").await;
    assert_eq!(
        (after.next, after.state),
        (Some(Millis(5000)), ScheduleState::Paused)
    );
    assert_eq!(after.fired, Some(Millis(9007)));
    assert_eq!(runs(&store, &made).await.len(), 2);
    store
        .delete_schedule(&org, "agt_1", "sch_a", Millis(9))
        .await
        .unwrap();
    let gone = begin(&store, "ses_9", fire(&made, "srn_9", None)).await;
    assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
}

async fn what_was_begun_before_is_known(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_schedule(nightly(&org, "a")).await.unwrap();
    assert_eq!(store.begun_before("sch_a").await.unwrap(), None);
    begin(&store, "ses_1", fire(&made, "srn_1", Some(5000)))
        .await
        .unwrap();
    let skipped = store.missed(fire(&made, "srn_2", Some(6000)), Missed::Skipped);
    assert_eq!(skipped.await.unwrap().unwrap().outcome, Fired::Skipped);
    let queued = store.begun_before("sch_a").await.unwrap();
    assert_eq!(
        queued.as_deref(),
        Some("queued"),
        "one that was skipped is no session"
    );
    store.erase(&org, "ses_1", Millis(9000)).await.unwrap();
    assert_eq!(store.begun_before("sch_a").await.unwrap(), None);
    assert_eq!(runs(&store, &made).await.len(), 2);
}

async fn due_are_those_whose_slot_is_over(bed: Bed) {
    let (store, org) = opened(&bed).await;
    for (name, next) in [
        ("a", Some(5000)),
        ("b", Some(4000)),
        ("c", None),
        ("d", Some(6000)),
    ] {
        let new = NewSchedule {
            next: next.map(Millis),
            ..nightly(&org, name)
        };
        store.create_schedule(new).await.unwrap();
    }
    let due = async |at, most| {
        let due = store.due_schedules(Millis(at), most).await.unwrap();
        due.into_iter().map(|row| row.name).collect::<Vec<_>>()
    };
    assert_eq!(due(3999, 9).await, [""; 0]);
    assert_eq!(due(5000, 9).await, ["b", "a"]);
    assert_eq!(due(9000, 2).await, ["b", "a"]);
    assert_eq!(store.next_due().await.unwrap(), Some(Millis(4000)));
    store
        .delete_schedule(&org, "agt_1", "sch_b", Millis(1))
        .await
        .unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(Millis(5000)));
    store.delete_agent(&org, "agt_1", Millis(1)).await.unwrap();
    assert_eq!(
        due(9000, 9).await,
        [""; 0],
        "an agent's schedules end with it"
    );
    assert_eq!(store.next_due().await.unwrap(), None);
}

async fn runs_stay_when_their_schedule_goes(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_schedule(nightly(&org, "a")).await.unwrap();
    for n in 0..5 {
        let skip = fire(&made, &format!("srn_{n}"), Some(5000 + n * 1000));
        store.missed(skip, Missed::Skipped).await.unwrap();
    }
    store
        .delete_schedule(&org, "agt_1", "sch_a", Millis(9))
        .await
        .unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: 2 };
        let listed = store.runs(&org, "agt_1", "sch_a", page).await.unwrap();
        seen.extend(listed.rows.into_iter().map(|run| run.id));
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["srn_4", "srn_3", "srn_2", "srn_1", "srn_0"]);
}

async fn caps_are_those_of_now_and_stay_when_the_schedule_goes(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_schedule(nightly(&org, "a")).await.unwrap();
    let daily = |tokens| Caps {
        tokens_per_day: Some(tokens),
        ..Caps::default()
    };
    let cause = Cause {
        kind: CauseKind::Schedule,
        id: "sch_a".to_owned(),
        caps: daily(3),
    };
    let caps = async |org: &str| store.caps_of(org, &cause).await.unwrap();
    assert_eq!(caps(&org).await, daily(7));
    assert_eq!(
        caps("org_2").await,
        daily(3),
        "somebody else's is not looked at"
    );
    let raise = ScheduleChange {
        caps: Some(daily(9)),
        ..ScheduleChange::default()
    };
    store
        .change_schedule(&org, "agt_1", "sch_a", raise, |_| None)
        .await
        .unwrap();
    assert_eq!(caps(&org).await, daily(9));
    store
        .delete_schedule(&org, "agt_1", "sch_a", Millis(9))
        .await
        .unwrap();
    assert_eq!(caps(&org).await, daily(9), "its last ones hold on");
}
