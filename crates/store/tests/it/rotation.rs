//! Changing the master key: nothing is lost, whoever runs goes on, and wherever it
//! is cut off the key that is left opens the database.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use secrecy::ExposeSecret;
use store::{Error, NewSecret, Rotated, Store, VaultStatus};

use crate::bed::{Bed, both};
use crate::secret_stores::{named, secret};

both!(
    everything_goes_over_and_who_runs_goes_on,
    wherever_it_is_cut_off_the_key_that_is_left_opens,
    a_store_that_missed_it_puts_nothing_under_the_old_key,
    a_node_that_was_given_the_next_key_goes_on,
    two_at_once_leave_one_key,
    nobody_notices_while_it_changes_again_and_again,
    nothing_goes_over_that_another_key_sealed,
    the_vault_tells_what_it_holds,
);

const STEPS: [&str; 3] = ["vault.made", "vault.wrapped", "vault.swapped"];

/// Puts a secret of an org and one of the installation there.
async fn fill(store: &Store) -> String {
    store
        .bootstrap("osb_1", false, session::Millis(1))
        .await
        .unwrap();
    let org = store.orgs().await.unwrap().remove(0).id;
    store
        .put_secret_in(named(&org, "ci"), secret("KEY", "the value"))
        .await
        .unwrap();
    store
        .install_secret("tokens", || b"of all".to_vec())
        .await
        .unwrap();
    org
}

/// Whether all that was put there opens.
async fn check(store: &Store, org: &str) {
    let value = store.secret_value(org, "sst_ci", "KEY").await.unwrap();
    assert_eq!(value.unwrap().expose_secret(), "the value");
    let install = store.install_secret("tokens", Vec::new).await.unwrap();
    assert_eq!(install.expose_secret(), b"of all");
}

fn key(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("master.key")).unwrap()
}

fn keep(from: &Path, to: &Path, name: &str) {
    std::fs::copy(from.join(name), to.join("master.key")).unwrap();
}

async fn everything_goes_over_and_who_runs_goes_on(bed: Bed) {
    let folder = bed.folder.path();
    let (store, other) = (
        bed.open_keyed(folder, None).await.unwrap(),
        bed.open_keyed(folder, None).await.unwrap(),
    );
    let org = fill(&store).await;
    let old = tempfile::tempdir().unwrap();
    keep(folder, old.path(), "master.key");
    let rotated = store.rotate_master().await.unwrap();
    assert_eq!(
        rotated,
        Rotated {
            orgs: 1,
            install: 1
        }
    );
    assert_ne!(key(folder), key(old.path()));
    check(&store, &org).await;
    check(&other, &org).await;
    other.rotate_master().await.unwrap();
    check(&store, &org).await;
    assert!(!folder.join("master.key.next").exists());
    check(&bed.open_keyed(folder, None).await.unwrap(), &org).await;
    let late = bed.open_keyed(old.path(), None).await;
    assert!(
        matches!(late, Err(Error::Sealed)),
        "the old key opens nothing"
    );
}

async fn wherever_it_is_cut_off_the_key_that_is_left_opens(bed: Bed) {
    let folder = bed.folder.path();
    let running = bed.open_keyed(folder, None).await.unwrap();
    let org = fill(&running).await;
    for step in STEPS {
        let before = key(folder);
        let cut = Arc::new(move |moment: &'static str| assert!(moment != step, "cut off"));
        let store = bed.open_keyed(folder, Some(cut)).await.unwrap();
        let rotating = tokio::spawn(async move { store.rotate_master().await });
        assert!(rotating.await.unwrap_err().is_panic(), "{step}");
        check(&running, &org).await;
        let again = bed.open_keyed(folder, None).await.unwrap();
        check(&again, &org).await;
        let went_over = key(folder) != before;
        assert_eq!(went_over, step != "vault.made", "{step}");
        again.rotate_master().await.unwrap();
        assert!(!folder.join("master.key.next").exists(), "{step}");
        check(&again, &org).await;
        check(&running, &org).await;
    }
}

async fn a_store_that_missed_it_puts_nothing_under_the_old_key(bed: Bed) {
    let folder = bed.folder.path();
    let missed = bed.open_keyed(folder, None).await.unwrap();
    fill(&missed).await;
    let store = bed.open_keyed(folder, None).await.unwrap();
    store.rotate_master().await.unwrap();
    missed
        .install_secret("late", || b"late".to_vec())
        .await
        .unwrap();
    let found = store.install_secret("late", Vec::new).await.unwrap();
    assert_eq!(found.expose_secret(), b"late");
}

async fn a_node_that_was_given_the_next_key_goes_on(bed: Bed) {
    let folder = bed.folder.path();
    let store = bed.open_keyed(folder, None).await.unwrap();
    let org = fill(&store).await;
    let far = tempfile::tempdir().unwrap();
    keep(folder, far.path(), "master.key");
    let node = bed.open_keyed(far.path(), None).await.unwrap();
    let next = store.prepare_master().unwrap();
    assert_eq!(store.prepare_master().unwrap(), next, "it waits");
    check(&store, &org).await;
    std::fs::copy(&next, far.path().join("master.key.next")).unwrap();
    let prepared = std::fs::read_to_string(&next).unwrap();
    store.rotate_master().await.unwrap();
    assert_eq!(key(folder), prepared, "the one that waited");
    check(&node, &org).await;
    check(&bed.open_keyed(far.path(), None).await.unwrap(), &org).await;
    assert_eq!(key(far.path()), prepared, "a start ends the change");
}

async fn two_at_once_leave_one_key(bed: Bed) {
    let folder = bed.folder.path();
    let store = bed.open_keyed(folder, None).await.unwrap();
    let org = fill(&store).await;
    let other = bed.open_keyed(folder, None).await.unwrap();
    let (one, two) = tokio::join!(store.rotate_master(), other.rotate_master());
    let went = [&one, &two].iter().filter(|done| done.is_ok()).count();
    assert!(went > 0, "{one:?} {two:?}");
    for done in [one, two] {
        assert!(matches!(done, Ok(_) | Err(Error::Taken)), "{done:?}");
    }
    for store in [&store, &other] {
        check(store, &org).await;
    }
    check(&bed.open_keyed(folder, None).await.unwrap(), &org).await;
}

async fn nobody_notices_while_it_changes_again_and_again(bed: Bed) {
    let folder = bed.folder.path();
    let store = bed.open_keyed(folder, None).await.unwrap();
    let org = fill(&store).await;
    let other = bed.open_keyed(folder, None).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let users = [store.clone(), other.clone(), store.clone(), other];
    let users = users.into_iter().enumerate().map(|(n, store)| {
        let (org, over) = (org.clone(), Arc::clone(&over));
        tokio::spawn(async move {
            let of = named(&org, &format!("user{n}"));
            let mut rounds = 0;
            while rounds < 20 || !over.load(Relaxed) {
                check(&store, &org).await;
                let put = NewSecret {
                    id: format!("sec_{n}"),
                    ..secret("KEY", &format!("value {rounds}"))
                };
                store.put_secret_in(of.clone(), put).await.unwrap();
                let value = store.secret_value(&org, &of.id, "KEY");
                let value = value.await.unwrap().unwrap();
                assert_eq!(value.expose_secret(), format!("value {rounds}"));
                rounds += 1;
            }
        })
    });
    let users: Vec<_> = users.collect();
    for _ in 0..30 {
        store.rotate_master().await.unwrap();
    }
    over.store(true, Relaxed);
    for user in users {
        user.await.unwrap();
    }
}

async fn nothing_goes_over_that_another_key_sealed(bed: Bed) {
    let folder = bed.folder.path();
    let store = bed.open_keyed(folder, None).await.unwrap();
    let empty = store.rotate_master().await;
    assert!(
        matches!(empty, Err(Error::NotFound)),
        "nothing is there yet"
    );
    let org = fill(&store).await;
    let before = key(folder);
    let spoil = "UPDATE install SET sealed = (SELECT s.sealed FROM secrets s)";
    crate::sealed::meddle(&bed, spoil).await;
    let rotated = store.rotate_master().await;
    assert!(matches!(rotated, Err(Error::Sealed)), "{rotated:?}");
    assert_eq!(key(folder), before);
    let value = store.secret_value(&org, "sst_ci", "KEY").await.unwrap();
    assert_eq!(value.unwrap().expose_secret(), "the value");
}

async fn the_vault_tells_what_it_holds(bed: Bed) {
    let folder = bed.folder.path();
    let store = bed.open_keyed(folder, None).await.unwrap();
    fill(&store).await;
    let want = VaultStatus {
        orgs: 1,
        credentials: 0,
        stores: 1,
        secrets: 1,
        install: 1,
        next: None,
    };
    assert_eq!(store.vault_status().await.unwrap(), want);
    let next = Some(store.prepare_master().unwrap());
    assert_eq!(
        store.vault_status().await.unwrap(),
        VaultStatus { next, ..want }
    );
    let spoil = "UPDATE orgs SET data_key = (SELECT s.sealed FROM secrets s)";
    crate::sealed::meddle(&bed, spoil).await;
    let found = store.vault_status().await;
    assert!(matches!(found, Err(Error::Sealed)), "{found:?}");
}
