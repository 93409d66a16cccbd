//! Destinations: whose they are, what their secret is bound to, what a change means
//! for what is queued.

use secrecy::{ExposeSecret, SecretString};
use session::{Level, Millis};
use store::{DestinationChange, Error, NewDestination, Shares, Store, Taken};

use crate::bed::{Bed, both, next};
use crate::checkpoints::org;
use crate::outbox::{self, NODE, born_of, destination, take};

both!(
    a_destination_is_its_session_s,
    a_secret_signs_on_for_a_day_after_it_was_replaced,
    a_disabled_one_is_told_nothing_new_and_keeps_what_is_queued,
    there_are_only_so_many,
    a_deleted_one_takes_its_deliveries_along,
);

async fn a_destination_is_its_session_s(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    for id in ["ses_1", "ses_2"] {
        born_of(&store, &org, id, Vec::new()).await;
    }
    let new = NewDestination {
        level: Level::Progress,
        types: Some(vec!["turn.*".to_owned()]),
        secret: Some(SecretString::from("whsec_1")),
        ..destination("dst_1")
    };
    let made = store
        .create_destination(&org, "ses_1", new, Millis(1000))
        .await
        .unwrap();
    assert_eq!((made.after_seq, made.has_secret), (1, true));
    let got = store.destination(&org, "ses_1", "dst_1").await.unwrap();
    assert_eq!(got, made);
    assert_eq!(store.destinations(&org, "ses_1").await.unwrap(), [made]);
    assert_eq!(store.destinations(&org, "ses_2").await.unwrap(), []);
    for (who, session) in [("org_2", "ses_1"), (org.as_str(), "ses_2")] {
        let change = DestinationChange::default();
        let changed = store.change_destination(who, session, "dst_1", change, Millis(2));
        assert!(matches!(changed.await, Err(Error::NotFound)));
        let deleted = store.delete_destination(who, session, "dst_1").await;
        assert!(matches!(deleted, Err(Error::NotFound)));
        let got = store.destination(who, session, "dst_1").await;
        assert!(matches!(got, Err(Error::NotFound)));
    }
    let foreign = store
        .create_destination("org_2", "ses_1", destination("dst_2"), Millis(1))
        .await;
    assert!(matches!(foreign, Err(Error::NotFound)));
}

/// Its secrets as they are when a delivery is due.
async fn secrets(store: &Store, seq: u64, now: i64) -> Vec<String> {
    let taken: Taken = take(store, now).await.remove(0);
    let due: Vec<_> = taken.due.iter().map(|pending| pending.seq).collect();
    assert_eq!(due, [seq]);
    outbox::delivered(store, &taken, now).await;
    let secrets = taken.secrets.unwrap();
    secrets
        .iter()
        .map(|s| s.expose_secret().to_owned())
        .collect()
}

async fn a_secret_signs_on_for_a_day_after_it_was_replaced(bed: Bed) {
    const DAY: i64 = 24 * 3600 * 1000;
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", vec![destination("dst_1")]).await;
    assert_eq!(secrets(&store, 1, 2000).await, [""; 0]);
    let set = async |secret: Option<&str>, at| {
        let change = DestinationChange {
            secret: Some(secret.map(SecretString::from)),
            ..DestinationChange::default()
        };
        let changed = store.change_destination(&org, "ses_1", "dst_1", change, Millis(at));
        assert_eq!(changed.await.unwrap().has_secret, secret.is_some());
    };
    let mut head = 1;
    let mut at = async |now| {
        let mut append = next("ses_1", head);
        append.at = Millis(now);
        store.append(append).await.unwrap();
        head += 1;
        secrets(&store, head, now).await
    };
    set(Some("first"), 3000).await;
    assert_eq!(at(3001).await, ["first"]);
    set(Some("second"), 4000).await;
    assert_eq!(at(4000 + DAY - 1).await, ["second", "first"]);
    assert_eq!(at(4000 + DAY).await, ["second"]);
    set(None, 5000 + DAY).await;
    assert_eq!(at(5001 + DAY).await, ["second"], "as the former one");
}

async fn a_disabled_one_is_told_nothing_new_and_keeps_what_is_queued(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", vec![destination("dst_1")]).await;
    let enable = async |enabled| {
        let change = DestinationChange {
            enabled: Some(enabled),
            ..DestinationChange::default()
        };
        let changed = store.change_destination(&org, "ses_1", "dst_1", change, Millis(9));
        assert_eq!(changed.await.unwrap().enabled, enabled);
    };
    enable(false).await;
    store.append(next("ses_1", 1)).await.unwrap();
    assert!(take(&store, 9000).await.is_empty(), "it is told nothing");
    enable(true).await;
    store.append(next("ses_1", 2)).await.unwrap();
    let taken = take(&store, 9000).await.remove(0);
    let seqs: Vec<_> = taken.due.iter().map(|pending| pending.seq).collect();
    assert_eq!(seqs, [1, 3], "what came meanwhile is dropped");
    // In hand while it is disabled: then the node lets go, and what is left waits.
    enable(false).await;
    let left = store
        .settle_deliveries(NODE, "dst_1", Vec::new(), Millis(9001), true)
        .await;
    assert!(left.unwrap().is_none());
    assert!(take(&store, 9999).await.is_empty());
    enable(true).await;
    assert_eq!(take(&store, 9999).await.remove(0).due.len(), 2);
}

async fn there_are_only_so_many(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    born_of(&store, &org, "ses_1", Vec::new()).await;
    for n in 0..20 {
        let new = destination(&format!("dst_{n}"));
        let made = store.create_destination(&org, "ses_1", new, Millis(n));
        made.await.unwrap();
    }
    let more = store.create_destination(&org, "ses_1", destination("dst_x"), Millis(1));
    assert!(matches!(more.await, Err(Error::TooMany { most: 20 })));
    let first = store.destinations(&org, "ses_1").await.unwrap().remove(0);
    assert_eq!(first.id, "dst_19", "the newest first");
    store.append(next("ses_1", 1)).await.unwrap();
    let looked = store
        .owed(
            NODE,
            Millis(9000),
            Millis(99_000),
            Shares {
                room: 50,
                each: 8,
                ..Shares::default()
            },
        )
        .await;
    assert_eq!(looked.unwrap().taken.len(), 8, "an org has its share");
}

async fn a_deleted_one_takes_its_deliveries_along(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let two = vec![destination("dst_1"), destination("dst_2")];
    born_of(&store, &org, "ses_1", two).await;
    let listed = async || {
        let filter = store::DeliveryFilter {
            limit: 9,
            ..store::DeliveryFilter::default()
        };
        let rows = store.deliveries(&org, "ses_1", filter).await.unwrap();
        rows.into_iter()
            .map(|row| row.destination)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed().await, ["dst_2", "dst_1"]);
    let taken = take(&store, 9000).await;
    assert_eq!(taken.len(), 2);
    store
        .delete_destination(&org, "ses_1", "dst_1")
        .await
        .unwrap();
    assert_eq!(listed().await, ["dst_2"]);
    // What was in hand then leaves no trace.
    for taken in &taken {
        outbox::delivered(&store, taken, 9001).await;
    }
    assert_eq!(listed().await, ["dst_2"]);
    assert_eq!(store.waiting_deliveries().await.unwrap().pending, 0);
    let again = store
        .redeliver(&org, "ses_1", "dst_1", 1, Millis(9002))
        .await;
    assert!(matches!(again, Err(Error::NotFound)));
}
