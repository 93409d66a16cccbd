//! The sweep: what nobody needs goes, and nothing else.

use bytes::Bytes;
use session::Millis;
use store::{Append, Error, NewSession, Origin, Store};

use crate::bed::{Bed, both, new, next, project};
use crate::checkpoints::{checkpoint, of, org};

both!(
    old_checkpoints_go_and_those_of_forks_stay,
    a_fork_has_the_files_it_was_made_with_or_is_not_made,
    what_nobody_names_goes_when_it_is_old,
);

const HOUR: i64 = 3600 * 1000;

/// Now, as the files' times tell it.
fn now() -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A session with that many checkpoints, each with a piece of its own beside
/// one that all share; their own pieces.
async fn kept(store: &Store, org: &str, id: &str, count: u64) -> Vec<String> {
    of(store, org, id).await;
    let put = async |text: String| store.piece_put(org, id, Bytes::from(text)).await.unwrap();
    let shared = put("shared".to_owned()).await;
    let mut own = Vec::new();
    for seq in 2..2 + count {
        own.push(put(seq.to_string()).await);
        let packs = [own[own.len() - 1].clone(), shared.clone()];
        let append = Append {
            checkpoint: Some(checkpoint(id, seq, &packs)),
            ..next(id, seq - 1)
        };
        store.append(append).await.unwrap();
    }
    own
}

async fn seqs(store: &Store, session: &str) -> Vec<u64> {
    let kept = store.checkpoints(session).await.unwrap();
    kept.iter().map(|checkpoint| checkpoint.seq).collect()
}

async fn old_checkpoints_go_and_those_of_forks_stay(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    // Numbers 2 to 7.
    let own = kept(&store, &org, "ses_1", 6).await;
    let fork = NewSession {
        org: org.clone(),
        project: project(5, true),
        origin: Some(Origin {
            session: "ses_1".to_owned(),
            seq: 4,
            files: None,
        }),
        ..new("ses_2")
    };
    store.create_session(fork).await.unwrap();
    let swept = store.sweep(Millis(now()), 2).await.unwrap();
    assert_eq!((swept.checkpoints, swept.blobs), (3, 3));
    assert_eq!(seqs(&store, "ses_1").await, [7, 6, 4]);
    assert_eq!(
        seqs(&store, "ses_2").await,
        [4],
        "what it may be restored from"
    );
    for (seq, piece) in (2u64..).zip(&own) {
        let there = store.piece_get(&org, piece).await.is_ok();
        assert_eq!(there, [4, 6, 7].contains(&seq), "{seq}");
    }
    let shared = &store.checkpoints("ses_1").await.unwrap()[0].packs[1];
    assert!(store.piece_get(&org, shared).await.is_ok());
    let again = store.sweep(Millis(now()), 2).await.unwrap();
    assert_eq!(again.checkpoints, 0);
}

async fn a_fork_has_the_files_it_was_made_with_or_is_not_made(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let fork = |id: &str, from: &str| NewSession {
        org: org.clone(),
        project: project(4, true),
        origin: Some(Origin {
            session: from.to_owned(),
            seq: 3,
            files: Some(format!("ckp_{from}_3")),
        }),
        ..new(id)
    };
    kept(&store, &org, "ses_1", 4).await;
    store.create_session(fork("ses_2", "ses_1")).await.unwrap();
    store.sweep(Millis(now()), 1).await.unwrap();
    assert_eq!(seqs(&store, "ses_2").await, [3], "it holds its files");
    kept(&store, &org, "ses_3", 4).await;
    store.sweep(Millis(now()), 1).await.unwrap();
    let late = store.create_session(fork("ses_4", "ses_3")).await;
    assert!(matches!(late, Err(Error::Stale { head: 5 })));
    let gone = store.session(&org, "ses_4").await;
    assert!(matches!(gone, Err(Error::NotFound)), "nothing is half made");
    // And both at once.
    for round in 0..16 {
        let (from, id) = (format!("ses_a{round}"), format!("ses_b{round}"));
        kept(&store, &org, &from, 3).await;
        let (made, swept) = tokio::join!(
            store.create_session(fork(&id, &from)),
            store.sweep(Millis(now()), 1)
        );
        swept.unwrap();
        match made {
            Ok(_) => assert_eq!(seqs(&store, &id).await, [3], "{round}"),
            Err(error) => assert!(matches!(error, Error::Stale { .. }), "{error}"),
        }
    }
}

async fn what_nobody_names_goes_when_it_is_old(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let named = kept(&store, &org, "ses_1", 1).await.remove(0);
    let orphan = store.piece_put(&org, "ses_1", Bytes::from_static(b"x"));
    let orphan = orphan.await.unwrap();
    let at = now();
    for (hours, there) in [(0, true), (2, false), (4, false)] {
        store.sweep(Millis(at + hours * HOUR), 9).await.unwrap();
        let found = store.piece_get(&org, &orphan).await.is_ok();
        assert_eq!(found, there, "after {hours} hours");
        assert!(store.piece_get(&org, &named).await.is_ok());
    }
}
