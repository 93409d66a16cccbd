//! Orgs and API keys.

use session::Millis;
use store::{Error, NewKey, Store};

use crate::bed::{Bed, both};

both!(
    the_first_key_is_made_once,
    nodes_that_start_together_make_one_org,
    a_given_first_key_is_made_beside_others,
    a_key_opens_until_it_is_revoked,
    keys_are_their_orgs_own,
    a_use_is_noted_now_and_then,
);

async fn org(store: &Store) -> String {
    store.orgs().await.unwrap().remove(0).id
}

async fn the_first_key_is_made_once(bed: Bed) {
    let store = bed.open().await;
    assert!(
        store
            .bootstrap("osb_aaaa_1", false, Millis(1))
            .await
            .unwrap()
    );
    assert!(
        !store
            .bootstrap("osb_aaaa_2", false, Millis(2))
            .await
            .unwrap()
    );
    assert_eq!(store.orgs().await.unwrap().len(), 1);
    let found = store
        .authenticate("osb_aaaa_1", Millis(3))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.org, found.prefix.as_str()),
        (org(&store).await, "osb_aaaa")
    );
    assert_eq!(
        store.authenticate("osb_aaaa_2", Millis(3)).await.unwrap(),
        None
    );
    store.close().await;
    let again = bed.open().await;
    assert!(
        !again
            .bootstrap("osb_aaaa_3", false, Millis(4))
            .await
            .unwrap()
    );
}

async fn a_given_first_key_is_made_beside_others(bed: Bed) {
    let store = bed.open().await;
    assert!(store.bootstrap("osb_1", false, Millis(1)).await.unwrap());
    assert!(store.bootstrap("osb_2", true, Millis(2)).await.unwrap());
    assert!(!store.bootstrap("osb_2", true, Millis(3)).await.unwrap());
    let key = store
        .authenticate("osb_2", Millis(4))
        .await
        .unwrap()
        .unwrap();
    store
        .revoke_key(&key.org, &key.id, Millis(5))
        .await
        .unwrap();
    assert!(
        !store.bootstrap("osb_2", true, Millis(6)).await.unwrap(),
        "stays revoked"
    );
    assert_eq!(store.authenticate("osb_2", Millis(7)).await.unwrap(), None);
}

fn key<'a>(id: &str, org: &str, key: &'a str) -> NewKey<'a> {
    NewKey {
        id: id.to_owned(),
        org: org.to_owned(),
        name: format!("name of {id}"),
        key,
        at: Millis(1000),
    }
}

async fn a_key_opens_until_it_is_revoked(bed: Bed) {
    let store = bed.open().await;
    let made = store
        .create_key(key("key_1", "org_1", "osb_1"))
        .await
        .unwrap();
    let found = store
        .authenticate("osb_1", Millis(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found, made);
    for other in ["", "osb_", "osb_2", "OSB_1", "osb_1 "] {
        assert_eq!(
            store.authenticate(other, Millis(1)).await.unwrap(),
            None,
            "{other:?}"
        );
    }
    assert!(matches!(
        store.create_key(key("key_2", "org_2", "osb_1")).await,
        Err(Error::Taken)
    ));
    store.revoke_key("org_1", "key_1", Millis(2)).await.unwrap();
    assert_eq!(store.authenticate("osb_1", Millis(3)).await.unwrap(), None);
    store.revoke_key("org_1", "key_1", Millis(9)).await.unwrap();
    let listed = store.keys("org_1").await.unwrap();
    assert_eq!(listed[0].revoked, Some(Millis(2)), "the first time counts");
}

async fn keys_are_their_orgs_own(bed: Bed) {
    let store = bed.open().await;
    store
        .create_key(key("key_1", "org_1", "osb_1"))
        .await
        .unwrap();
    store
        .create_key(key("key_2", "org_1", "osb_2"))
        .await
        .unwrap();
    store
        .create_key(key("key_3", "org_2", "osb_3"))
        .await
        .unwrap();
    let ids: Vec<_> = store
        .keys("org_1")
        .await
        .unwrap()
        .into_iter()
        .map(|key| key.id)
        .collect();
    assert_eq!(ids, ["key_2", "key_1"]);
    assert!(matches!(
        store.revoke_key("org_1", "key_3", Millis(1)).await,
        Err(Error::NotFound)
    ));
    assert!(
        store
            .authenticate("osb_3", Millis(2))
            .await
            .unwrap()
            .is_some()
    );
}

async fn a_use_is_noted_now_and_then(bed: Bed) {
    let store = bed.open().await;
    store
        .create_key(key("key_1", "org_1", "osb_1"))
        .await
        .unwrap();
    for (now, noted) in [(1_000, 1_000), (60_999, 1_000), (61_000, 61_000)] {
        store.authenticate("osb_1", Millis(now)).await.unwrap();
        assert_eq!(
            store.keys("org_1").await.unwrap()[0].last_used,
            Some(Millis(noted)),
            "at {now}"
        );
    }
}

async fn nodes_that_start_together_make_one_org(bed: Bed) {
    let store = bed.open().await;
    let keys: Vec<_> = (0..6).map(|n| format!("osb_{n}")).collect();
    let made = keys
        .iter()
        .map(|key| store.bootstrap(key, false, Millis(1)));
    let made = futures::future::try_join_all(made).await.unwrap();
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    assert_eq!(store.orgs().await.unwrap().len(), 1);
}
