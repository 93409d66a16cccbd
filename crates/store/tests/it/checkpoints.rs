//! Checkpoints: rows beside their fact, and pieces that only their org can read.

use std::path::PathBuf;

use bytes::Bytes;
use session::Millis;
use store::{Append, Checkpoint, Error, NewSession, Store};

use crate::bed::{Bed, born, both, new, next};

both!(
    a_checkpoint_comes_with_its_fact,
    a_checkpoint_that_is_refused_with_its_fact_is_not_there,
    a_piece_is_kept_exactly_and_sealed,
    a_piece_is_its_orgs_alone,
    a_changed_piece_is_damaged,
);

pub fn checkpoint(session: &str, seq: u64, packs: &[String]) -> Checkpoint {
    Checkpoint {
        id: format!("ckp_{session}_{seq}"),
        session: session.to_owned(),
        seq,
        at: Millis(1000),
        manifest: packs.first().cloned().unwrap_or_default(),
        packs: packs.to_vec(),
        files: 3,
        bytes: 4096,
        added: 17,
        damaged: None,
    }
}

/// An org with a data key.
pub async fn org(store: &Store) -> String {
    store.bootstrap("osb_1", false, Millis(1)).await.unwrap();
    store.orgs().await.unwrap().remove(0).id
}

/// A session of that org.
pub async fn of(store: &Store, org: &str, id: &str) {
    let wish = NewSession {
        org: org.to_owned(),
        ..new(id)
    };
    store.create_session(wish).await.unwrap();
}

async fn a_checkpoint_comes_with_its_fact(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    born(&store, "ses_2").await;
    let wanted: Vec<_> = (2..5)
        .map(|seq| checkpoint("ses_1", seq, &[format!("a{seq}"), "b".to_owned()]))
        .collect();
    for one in &wanted {
        let append = Append {
            checkpoint: Some(one.clone()),
            ..next("ses_1", one.seq - 1)
        };
        store.append(append).await.unwrap();
    }
    let newest_first: Vec<_> = wanted.into_iter().rev().collect();
    assert_eq!(store.checkpoints("ses_1").await.unwrap(), newest_first);
    assert_eq!(store.checkpoints("ses_2").await.unwrap(), []);
}

async fn a_checkpoint_that_is_refused_with_its_fact_is_not_there(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let stale = Append {
        checkpoint: Some(checkpoint("ses_1", 9, &[])),
        ..next("ses_1", 8)
    };
    assert!(store.append(stale).await.is_err());
    assert_eq!(store.checkpoints("ses_1").await.unwrap(), []);
}

fn file(bed: &Bed, key: &str) -> PathBuf {
    bed.folder.path().join("blobs").join(key)
}

async fn a_piece_is_kept_exactly_and_sealed(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    of(&store, &org, "ses_1").await;
    let canary = b"a canary that must not lie in the clear".repeat(100);
    for piece in [&b""[..], b"x", &canary, &[7; 1 << 20]] {
        let piece = Bytes::copy_from_slice(piece);
        let key = store.piece_put(&org, "ses_1", piece.clone()).await.unwrap();
        assert!(store.piece_get(&org, &key).await.unwrap() == piece);
        let lies = std::fs::read(file(&bed, &key)).unwrap();
        assert!(!lies.windows(38).any(|part| part == &canary[..38]));
    }
}

async fn a_piece_is_its_orgs_alone(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    of(&store, &org, "ses_1").await;
    let piece = Bytes::from_static(b"x");
    assert!(matches!(
        store.piece_put("org_2", "ses_1", piece.clone()).await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        store.piece_put(&org, "ses_0", piece.clone()).await,
        Err(Error::NotFound)
    ));
    let key = store.piece_put(&org, "ses_1", piece).await.unwrap();
    assert!(store.piece_get("org_2", &key).await.is_err());
}

async fn a_changed_piece_is_damaged(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    of(&store, &org, "ses_1").await;
    let mut keys = Vec::new();
    for n in 0..3u8 {
        let piece = Bytes::from(vec![n; 100]);
        keys.push(store.piece_put(&org, "ses_1", piece).await.unwrap());
    }
    // One bit, another piece in its place, and nothing at all.
    let mut bytes = std::fs::read(file(&bed, &keys[0])).unwrap();
    bytes[50] ^= 1;
    std::fs::write(file(&bed, &keys[0]), bytes).unwrap();
    std::fs::rename(file(&bed, &keys[2]), file(&bed, &keys[1])).unwrap();
    for key in keys {
        let got = store.piece_get(&org, &key).await;
        assert!(matches!(got, Err(Error::Damaged(which)) if which == key));
    }
    let foreign = store.piece_get(&org, "ses_1/deadbeef").await;
    assert!(
        matches!(foreign, Err(Error::Damaged(_))),
        "no key of a piece"
    );
}
