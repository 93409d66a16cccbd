//! Secret stores and what is in them: owners apart, values that come out where
//! they are used and nowhere else.

use secrecy::{ExposeSecret, SecretString};
use session::Millis;
use store::{Error, NewSecret, NewSecretStore, SecretStoreChange, Store};

use crate::bed::{Bed, both};
use crate::sealed::meddle;

both!(
    a_store_is_its_owner_s,
    a_name_is_given_once,
    a_secret_is_set_again_and_comes_back,
    hosts_stay_unless_others_are_given,
    a_deleted_store_takes_its_secrets_along,
    a_full_store_takes_no_new_name,
    a_store_is_made_by_its_first_secret,
    many_at_once_make_one_secret,
    what_was_tampered_with_does_not_open,
    an_install_secret_is_the_same_for_all_nodes,
);

/// A store with the default org made.
pub async fn opened(bed: &Bed) -> (Store, String) {
    let store = bed.open().await;
    store.bootstrap("osb_1", false, Millis(1)).await.unwrap();
    let org = store.orgs().await.unwrap().remove(0).id;
    (store, org)
}

pub fn named(org: &str, name: &str) -> NewSecretStore {
    NewSecretStore {
        id: format!("sst_{name}"),
        org: org.to_owned(),
        name: name.to_owned(),
        allowlist: vec!["*.github.com".to_owned()],
        at: Millis(1000),
    }
}

pub fn secret(name: &str, value: &str) -> NewSecret {
    NewSecret {
        id: format!("sec_{name}_{value}"),
        name: name.to_owned(),
        value: SecretString::from(value),
        hosts: None,
        at: Millis(2000),
    }
}

async fn value(store: &Store, org: &str, of: &str, name: &str) -> Option<String> {
    let value = store.secret_value(org, of, name).await.unwrap();
    value.map(|value| value.expose_secret().to_owned())
}

async fn a_store_is_its_owner_s(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let made = store.create_secret_store(named(&org, "a")).await.unwrap();
    assert_eq!(
        (made.name.as_str(), made.allowlist.as_slice()),
        ("a", ["*.github.com".to_owned()].as_slice())
    );
    store
        .put_secret(&org, "sst_a", secret("KEY", "value"))
        .await
        .unwrap();
    let touched = store.secret_store(&org, "sst_a").await.unwrap();
    assert_eq!(
        (touched.created, touched.updated),
        (Millis(1000), Millis(2000))
    );
    assert_eq!(store.secret_stores(&org).await.unwrap(), [touched]);

    let other = "org_2";
    assert!(store.secret_stores(other).await.unwrap().is_empty());
    assert!(
        store
            .secret_value(other, "sst_a", "KEY")
            .await
            .unwrap()
            .is_none()
    );
    for refused in [
        store.secret_store(other, "sst_a").await.map(drop),
        store.secret_store_by_name(other, "a").await.map(drop),
        store.secrets(other, "sst_a").await.map(drop),
        store.delete_secret(other, "sst_a", "KEY", Millis(3)).await,
        store.delete_secret_store(other, "sst_a").await,
        store
            .update_secret_store(other, "sst_a", SecretStoreChange::default())
            .await
            .map(drop),
        store
            .put_secret(other, "sst_a", secret("KEY", "x"))
            .await
            .map(drop),
    ] {
        assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    }
    assert_eq!(value(&store, &org, "sst_a", "KEY").await.unwrap(), "value");
}

async fn a_name_is_given_once(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_secret_store(named(&org, "a")).await.unwrap();
    store.create_secret_store(named(&org, "b")).await.unwrap();
    let again = NewSecretStore {
        id: "sst_other".to_owned(),
        ..named(&org, "a")
    };
    assert!(matches!(
        store.create_secret_store(again).await,
        Err(Error::Taken)
    ));
    let rename = |name: &str| SecretStoreChange {
        name: Some(name.to_owned()),
        ..SecretStoreChange::default()
    };
    let taken = store.update_secret_store(&org, "sst_b", rename("a")).await;
    assert!(matches!(taken, Err(Error::Taken)));
    let same = store.update_secret_store(&org, "sst_b", rename("b")).await;
    assert_eq!(same.unwrap().allowlist, ["*.github.com"]);
    let open = SecretStoreChange {
        name: Some("c".to_owned()),
        allowlist: Some(Vec::new()),
        at: Millis(5000),
    };
    let changed = store
        .update_secret_store(&org, "sst_b", open)
        .await
        .unwrap();
    assert_eq!(
        (
            changed.name.as_str(),
            changed.allowlist.len(),
            changed.updated
        ),
        ("c", 0, Millis(5000))
    );
}

async fn a_secret_is_set_again_and_comes_back(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_secret_store(named(&org, "a")).await.unwrap();
    let first = store
        .put_secret(
            &org,
            "sst_a",
            secret("KEY", "a value of some length: é1234"),
        )
        .await
        .unwrap();
    assert_eq!((first.last4.as_str(), first.hosts.len()), ("1234", 0));
    let again = NewSecret {
        at: Millis(3000),
        ..secret("KEY", "short")
    };
    let second = store.put_secret(&org, "sst_a", again).await.unwrap();
    assert_eq!((&second.id, second.last4.as_str()), (&first.id, ""));
    assert_eq!(
        (second.created, second.updated),
        (Millis(2000), Millis(3000))
    );
    store
        .put_secret(&org, "sst_a", secret("ANOTHER", "x"))
        .await
        .unwrap();
    let listed = store.secrets(&org, "sst_a").await.unwrap();
    let names: Vec<_> = listed.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["ANOTHER", "KEY"]);
    assert_eq!(listed[1], second);
    assert_eq!(value(&store, &org, "sst_a", "KEY").await.unwrap(), "short");
    store
        .delete_secret(&org, "sst_a", "KEY", Millis(4000))
        .await
        .unwrap();
    assert_eq!(value(&store, &org, "sst_a", "KEY").await, None);
    let gone = store
        .delete_secret(&org, "sst_a", "KEY", Millis(4000))
        .await;
    assert!(matches!(gone, Err(Error::NotFound)));
}

async fn hosts_stay_unless_others_are_given(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_secret_store(named(&org, "a")).await.unwrap();
    for (given, want) in [
        (Some(vec!["api.test"]), vec!["api.test"]),
        (None, vec!["api.test"]),
        (Some(vec![]), vec![]),
    ] {
        let new = NewSecret {
            hosts: given.map(|hosts| hosts.into_iter().map(str::to_owned).collect()),
            ..secret("KEY", "v")
        };
        let row = store.put_secret(&org, "sst_a", new).await.unwrap();
        assert_eq!(row.hosts, want);
        assert_eq!(value(&store, &org, "sst_a", "KEY").await.unwrap(), "v");
    }
}

async fn a_deleted_store_takes_its_secrets_along(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_secret_store(named(&org, "a")).await.unwrap();
    store
        .put_secret(&org, "sst_a", secret("KEY", "v"))
        .await
        .unwrap();
    store.delete_secret_store(&org, "sst_a").await.unwrap();
    assert!(matches!(
        store.delete_secret_store(&org, "sst_a").await,
        Err(Error::NotFound)
    ));
    store.create_secret_store(named(&org, "a")).await.unwrap();
    assert!(store.secrets(&org, "sst_a").await.unwrap().is_empty());
}

async fn a_full_store_takes_no_new_name(bed: Bed) {
    let (store, org) = opened(&bed).await;
    store.create_secret_store(named(&org, "a")).await.unwrap();
    let put = async |n: u32| {
        let new = secret(&format!("KEY_{n}"), "v");
        store.put_secret(&org, "sst_a", new).await
    };
    for n in 0..256 {
        put(n).await.unwrap();
    }
    let full = put(256).await;
    assert!(
        matches!(full, Err(Error::TooMany { most: 256 })),
        "{full:?}"
    );
    put(7).await.unwrap();
    let gone = store.delete_secret(&org, "sst_a", "KEY_8", Millis(9));
    gone.await.unwrap();
    put(256).await.unwrap();
}

async fn a_store_is_made_by_its_first_secret(bed: Bed) {
    let (store, org) = opened(&bed).await;
    for (name, id) in [("ONE", "sst_first"), ("TWO", "sst_second")] {
        let wanted = NewSecretStore {
            id: id.to_owned(),
            ..named(&org, "agent:agt_1")
        };
        let row = store
            .put_secret_in(wanted, secret(name, "v"))
            .await
            .unwrap();
        assert_eq!(row.store, "sst_first");
    }
    let made = store
        .secret_store_by_name(&org, "agent:agt_1")
        .await
        .unwrap();
    assert_eq!(store.secrets(&org, &made.id).await.unwrap().len(), 2);
}

async fn many_at_once_make_one_secret(bed: Bed) {
    let (store, org) = opened(&bed).await;
    let puts = (0..8).map(|n| {
        let wanted = NewSecretStore {
            id: format!("sst_{n}"),
            ..named(&org, "a")
        };
        store.put_secret_in(wanted, secret("KEY", &format!("value{n}")))
    });
    let rows = futures::future::try_join_all(puts).await.unwrap();
    assert!(
        rows.iter()
            .all(|row| row.id == rows[0].id && row.store == rows[0].store)
    );
    let kept = value(&store, &org, &rows[0].store, "KEY").await.unwrap();
    assert!(kept.starts_with("value"), "{kept}");
}

async fn what_was_tampered_with_does_not_open(bed: Bed) {
    for (what, sql) in [
        (
            "other hosts",
            "UPDATE secrets SET allowed_hosts = '[\"evil.test\"]'",
        ),
        ("another name", "UPDATE secrets SET name = 'OTHER'"),
        ("another store", "UPDATE secrets SET store = 'sst_b'"),
        ("another id", "UPDATE secrets SET id = 'sec_other'"),
    ] {
        let (store, org) = opened(&bed).await;
        for name in ["a", "b"] {
            // The stores of the table's row before may be there.
            let _ = store
                .delete_secret_store(&org, &format!("sst_{name}"))
                .await;
            store.create_secret_store(named(&org, name)).await.unwrap();
        }
        let narrow = NewSecret {
            hosts: Some(vec!["api.test".to_owned()]),
            ..secret("KEY", "v")
        };
        store.put_secret(&org, "sst_a", narrow).await.unwrap();
        meddle(&bed, sql).await;
        let mut opened = 0;
        for (of, name) in [("sst_a", "KEY"), ("sst_a", "OTHER"), ("sst_b", "KEY")] {
            match store.secret_value(&org, of, name).await {
                Ok(Some(_)) => opened += 1,
                Ok(None) | Err(Error::Sealed) => {}
                Err(error) => panic!("{what}: {error}"),
            }
        }
        assert_eq!(opened, 0, "{what}");
        store.close().await;
    }
}

async fn an_install_secret_is_the_same_for_all_nodes(bed: Bed) {
    let (one, two) = (bed.open().await, bed.open().await);
    let asked = |store: Store, byte: u8| async move {
        let secret = store.install_secret("tokens", || vec![byte; 32]).await;
        secret.unwrap().expose_secret().clone()
    };
    let (a, b) = tokio::join!(asked(one.clone(), 1), asked(two, 2));
    assert_eq!(a, b);
    assert!(a == [1; 32] || a == [2; 32]);
    assert_eq!(asked(one.clone(), 3).await, a);
    let other = one.install_secret("authority", || vec![9]).await.unwrap();
    assert_eq!(other.expose_secret(), &[9]);
    meddle(
        &bed,
        "UPDATE install SET sealed = (SELECT o.sealed FROM install o WHERE o.name = 'tokens') \
        WHERE name = 'authority'",
    )
    .await;
    let moved = one.install_secret("authority", || vec![9]).await;
    assert!(matches!(moved, Err(Error::Sealed)));
}
