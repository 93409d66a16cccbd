//! What stores grant together: the first one wins, an empty one still says which
//! hosts may be reached.

use store::{GrantRow, Grants, NewSecret, NewSecretStore};

use crate::bed::{Bed, both};
use crate::secret_stores::{named, opened, secret};

both!(the_first_store_wins, no_store_grants_nothing);

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

async fn the_first_store_wins(bed: Bed) {
    let (store, org) = opened(&bed).await;
    for (name, allowlist, keys) in [
        ("own", texts(&["a.test"]), vec!["TOKEN"]),
        (
            "shared",
            texts(&["b.test", "a.test"]),
            vec!["OTHER", "TOKEN"],
        ),
        ("bare", texts(&["c.test"]), vec![]),
        ("unused", texts(&["d.test"]), vec!["UNUSED"]),
    ] {
        let new = NewSecretStore {
            allowlist,
            ..named(&org, name)
        };
        let made = store.create_secret_store(new).await.unwrap();
        for key in keys {
            let new = NewSecret {
                hosts: Some(texts(&[&format!("{name}.test")])),
                id: format!("sec_{name}_{key}"),
                ..secret(key, name)
            };
            store.put_secret(&org, &made.id, new).await.unwrap();
        }
    }
    let names = texts(&["own", "nobody's", "shared", "bare"]);
    let row = |of: &str, name: &str, allowlist: &[&str]| GrantRow {
        store: format!("sst_{of}"),
        name: name.to_owned(),
        hosts: texts(&[&format!("{of}.test")]),
        allowlist: texts(allowlist),
    };
    let want = Grants {
        rows: vec![
            row("own", "TOKEN", &["a.test"]),
            row("shared", "OTHER", &["b.test", "a.test"]),
        ],
        allowlist: texts(&["a.test", "b.test", "c.test"]),
        missing: texts(&["nobody's"]),
    };
    assert_eq!(store.grants(&org, &names).await.unwrap(), want);
    let turned = texts(&["shared", "own"]);
    let rows = store.grants(&org, &turned).await.unwrap().rows;
    assert!(rows.iter().all(|row| row.store == "sst_shared"), "{rows:?}");
    let nothing = Grants {
        missing: names.clone(),
        ..Grants::default()
    };
    assert_eq!(
        store.grants("org_2", &names).await.unwrap(),
        nothing,
        "another org's names are nobody's"
    );
}

async fn no_store_grants_nothing(bed: Bed) {
    let (store, org) = opened(&bed).await;
    assert_eq!(store.grants(&org, &[]).await.unwrap(), Grants::default());
}
