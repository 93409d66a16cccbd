//! Hooks: made and revoked by their owner, opened by their token alone.

use secrecy::SecretString;
use session::{Caps, Cause, CauseKind, Millis};
use store::{Error, HookRow, NewHook, Once, Page, Store};

use crate::agents::{agent, org};
use crate::bed::{Bed, both};

both!(
    a_hook_is_opened_by_its_token_and_no_other,
    a_name_is_one_hook_s_at_a_time,
    an_agent_has_so_many_hooks_and_no_more,
    many_at_once_do_not_pass_the_limit,
    an_expired_hook_opens_nothing_and_counts,
    a_revoked_hook_opens_nothing_for_good,
    a_deleted_agent_ends_its_hooks,
    hooks_are_listed_newest_first_and_are_their_owner_s,
    caps_are_as_they_are_now,
    a_request_that_was_done_is_found,
);

const AGENT: &str = "agt_1";

/// A store with an agent in it, and its org.
async fn opened(bed: &Bed) -> (Store, String) {
    let store = bed.open().await;
    let org = org(&store).await;
    store.create_agent(agent(&org, AGENT)).await.unwrap();
    (store, org)
}

fn token(name: &str) -> SecretString {
    format!("ochk_v1_{name}_token").into()
}

fn hook(org: &str, name: &str) -> NewHook {
    NewHook {
        id: format!("hk_{name}"),
        org: org.to_owned(),
        agent: AGENT.to_owned(),
        name: name.to_owned(),
        token: token(name),
        caps: Caps::default(),
        expires: None,
        at: Millis(1000),
    }
}

async fn opens(store: &Store, agent: &str, name: &str, now: i64) -> Option<HookRow> {
    let opened = store.hook_opened(agent, &token(name), Millis(now)).await;
    opened.unwrap()
}

async fn a_hook_is_opened_by_its_token_and_no_other(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_hook(hook(&org, "a")).await.unwrap();
    assert_eq!((made.last4.as_str(), &made.revoked), ("oken", &None));
    assert_eq!(opens(&store, AGENT, "a", 1).await.as_ref(), Some(&made));
    assert_eq!(store.hook(&org, AGENT, "hk_a").await.unwrap(), made);
    assert_eq!(opens(&store, AGENT, "b", 1).await, None);
    assert_eq!(opens(&store, "agt_2", "a", 1).await, None, "another agent");
    for short in ["", "é", "aé"] {
        let new = NewHook {
            id: format!("hk_{short}"),
            token: short.to_owned().into(),
            ..hook(&org, &format!("short-{}", short.len()))
        };
        assert_eq!(store.create_hook(new).await.unwrap().last4, short);
    }
}

async fn a_name_is_one_hook_s_at_a_time(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_hook(hook(&org, "a")).await.unwrap();
    let second = || NewHook {
        id: "hk_2".to_owned(),
        token: token("second"),
        ..hook(&org, "a")
    };
    let taken = store.create_hook(second()).await;
    assert!(matches!(taken, Err(Error::Taken)));
    store
        .revoke_hook(&org, AGENT, "hk_a", Millis(2))
        .await
        .unwrap();
    store.create_hook(second()).await.unwrap();
    let foreign = NewHook {
        agent: "agt_2".to_owned(),
        ..second()
    };
    let foreign = store.create_hook(foreign).await;
    assert!(matches!(foreign, Err(Error::NotFound)));
}

async fn an_agent_has_so_many_hooks_and_no_more(bed: Bed) {
    let (store, org) = opened(&bed).await;
    for n in 0..20 {
        let new = hook(&org, &format!("h{n}"));
        store.create_hook(new).await.unwrap();
    }
    let over = store.create_hook(hook(&org, "over")).await;
    assert!(matches!(over, Err(Error::TooMany { most: 20 })));
    store
        .revoke_hook(&org, AGENT, "hk_h7", Millis(2))
        .await
        .unwrap();
    store.create_hook(hook(&org, "over")).await.unwrap();
}

async fn many_at_once_do_not_pass_the_limit(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let nodes = [store, bed.open().await];
    let new = |n: usize| nodes[n % 2].create_hook(hook(&org, &format!("h{n}")));
    let made = futures::future::join_all((0..30).map(new)).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 20);
}

async fn an_expired_hook_opens_nothing_and_counts(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let new = NewHook {
        expires: Some(Millis(2000)),
        ..hook(&org, "a")
    };
    store.create_hook(new).await.unwrap();
    assert!(opens(&store, AGENT, "a", 1999).await.is_some());
    assert_eq!(opens(&store, AGENT, "a", 2000).await, None);
    let taken = store.create_hook(hook(&org, "a")).await;
    assert!(matches!(taken, Err(Error::Taken)));
}

async fn a_revoked_hook_opens_nothing_for_good(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_hook(hook(&org, "a")).await.unwrap();
    for at in [5, 6] {
        store
            .revoke_hook(&org, AGENT, "hk_a", Millis(at))
            .await
            .unwrap();
    }
    let row = store.hook(&org, AGENT, "hk_a").await.unwrap();
    assert_eq!(row.revoked, Some((Millis(5), "manual".to_owned())));
    assert_eq!(opens(&store, AGENT, "a", 7).await, None);
    let changed = store.change_hook(&org, AGENT, "hk_a", Caps::default());
    assert!(matches!(changed.await, Err(Error::NotFound)));
    for (org, agent, id) in [
        ("org_2", AGENT, "hk_a"),
        (&org, "agt_2", "hk_a"),
        (&org, AGENT, "hk_b"),
    ] {
        let missing = store.revoke_hook(org, agent, id, Millis(9)).await;
        assert!(matches!(missing, Err(Error::NotFound)));
    }
}

async fn a_deleted_agent_ends_its_hooks(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_hook(hook(&org, "a")).await.unwrap();
    store.delete_agent(&org, AGENT, Millis(5)).await.unwrap();
    assert_eq!(opens(&store, AGENT, "a", 6).await, None);
    let row = store.hook(&org, AGENT, "hk_a").await.unwrap();
    assert_eq!(row.revoked, Some((Millis(5), "manual".to_owned())));
    let late = store.create_hook(hook(&org, "b")).await;
    assert!(matches!(late, Err(Error::NotFound)));
}

async fn hooks_are_listed_newest_first_and_are_their_owner_s(bed: Bed) {
    let (store, org) = opened(&bed).await;
    for (name, at) in [("a", 1), ("b", 2), ("c", 3)] {
        let new = NewHook {
            at: Millis(at),
            ..hook(&org, name)
        };
        store.create_hook(new).await.unwrap();
    }
    store
        .revoke_hook(&org, AGENT, "hk_b", Millis(9))
        .await
        .unwrap();
    let list = async |org: &str, revoked, after, limit| {
        let page = Page { after, limit };
        let listed = store.hooks(org, AGENT, revoked, page).await.unwrap();
        let names: Vec<_> = listed.rows.into_iter().map(|row| row.name).collect();
        (names.join(""), listed.next)
    };
    assert_eq!(list(&org, false, None, 9).await.0, "ca");
    let (first, next) = list(&org, true, None, 2).await;
    assert_eq!((first.as_str(), next.is_some()), ("cb", true));
    assert_eq!(list(&org, true, next, 2).await, ("a".to_owned(), None));
    assert_eq!(list("org_2", true, None, 9).await.0, "");
}

async fn caps_are_as_they_are_now(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let caps = |n| Caps {
        tokens_per_day: Some(n),
        ..Caps::default()
    };
    let new = NewHook {
        caps: caps(1),
        ..hook(&org, "a")
    };
    store.create_hook(new).await.unwrap();
    let cause = Cause {
        kind: CauseKind::Hook,
        id: "hk_a".to_owned(),
        caps: Caps::default(),
    };
    assert_eq!(store.caps_of(&org, &cause).await.unwrap(), caps(1));
    let changed = store.change_hook(&org, AGENT, "hk_a", caps(2)).await;
    assert_eq!(changed.unwrap().caps, caps(2));
    store
        .revoke_hook(&org, AGENT, "hk_a", Millis(2))
        .await
        .unwrap();
    let after = store.caps_of(&org, &cause).await.unwrap();
    assert_eq!(after, caps(2), "what it began goes on under them");
    let foreign = store.caps_of("org_2", &cause).await.unwrap();
    assert_eq!(foreign, cause.caps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_holds_a_token() {
    let bed = Bed::sqlite();
    let (store, org) = opened(&bed).await;
    store.create_hook(hook(&org, "needle")).await.unwrap();
    store.close().await;
    let bytes = std::fs::read(bed.folder.path().join("oc.db")).unwrap();
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds("hk_needle") && !holds("ochk_v1_needle"));
}

async fn a_request_that_was_done_is_found(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let once = |key: &str, request: &str| Once {
        scope: "hook",
        key: key.to_owned(),
        request: request.to_owned(),
    };
    assert!(
        store
            .made_before(&org, &once("k", "1"))
            .await
            .unwrap()
            .is_none()
    );
    let mut new = crate::bed::new("ses_1");
    new.org.clone_from(&org);
    new.once = Some(once("k", "1"));
    store.create_session(new).await.unwrap();
    let found = async |key, request| {
        let found = store.made_before(&org, &once(key, request)).await.unwrap();
        found.map(|found| match found {
            store::Created::Replay(row) => (true, row.id),
            store::Created::Conflict(row) => (false, row.id),
            store::Created::New { .. } => panic!("nothing is made"),
        })
    };
    assert_eq!(found("k", "1").await, Some((true, "ses_1".to_owned())));
    assert_eq!(found("k", "2").await, Some((false, "ses_1".to_owned())));
    assert_eq!(found("l", "1").await, None);
    store.erase(&org, "ses_1", Millis(9)).await.unwrap();
    assert_eq!(found("k", "1").await, None, "its session is gone");
}
