//! Folds: a shorter way to the same state.

use session::{Fold, Millis, State};
use store::{Append, Error, NewSession, Origin, Store};

use crate::bed::{Bed, both, draft, new, next, project};
use crate::checkpoints::{of, org};

both!(
    a_fold_is_kept_exactly_and_sealed,
    the_state_at_a_number_is_that_of_the_facts,
    a_fork_has_the_folds_of_its_ancestors,
    a_damaged_fold_is_passed_over,
);

/// A session of that many messages.
async fn long(store: &Store, org: &str, id: &str, length: u64) {
    of(store, org, id).await;
    let append = Append {
        drafts: vec![draft("user.message"); usize::try_from(length).unwrap() - 1],
        project: project(length, true),
        ..next(id, 1)
    };
    store.append(append).await.unwrap();
}

/// Everything up to a number, folded from the facts alone.
async fn folded(store: &Store, session: &str, seq: u64) -> Fold {
    let mut fold = Fold::default();
    while fold.state.head < seq {
        let facts = store.fold_source(session, fold.state.head).await.unwrap();
        for fact in facts.iter().filter(|fact| fact.event.seq <= seq) {
            fold.apply(&fact.event).unwrap();
        }
    }
    fold
}

async fn keep(store: &Store, session: &str, seq: u64) {
    let fold = folded(store, session, seq).await.freeze();
    store.keep_fold(session, seq, fold).await.unwrap();
}

async fn a_fold_is_kept_exactly_and_sealed(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    of(&store, &org, "ses_1").await;
    assert_eq!(store.nearest_fold("ses_1", 9).await.unwrap(), None);
    let canary = b"a canary in a fold".to_vec();
    for (seq, fold) in [(3, canary.clone()), (5, vec![]), (7, vec![7; 300_000])] {
        store.keep_fold("ses_1", seq, fold.clone()).await.unwrap();
        let nearest = store.nearest_fold("ses_1", 100).await.unwrap();
        assert!(nearest == Some((seq, fold)));
    }
    let (seq, fold) = store.nearest_fold("ses_1", 4).await.unwrap().unwrap();
    assert_eq!((seq, fold), (3, canary.clone()));
    assert_eq!(store.nearest_fold("ses_1", 2).await.unwrap(), None);
    for file in std::fs::read_dir(bed.folder.path().join("blobs/ses_1")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(canary.len()).any(|part| part == canary));
        assert!(bytes.len() < 10_000, "compressed");
    }
    let gone = store.keep_fold("ses_0", 1, vec![]).await;
    assert!(matches!(gone, Err(Error::NotFound)));
}

async fn the_state_at_a_number_is_that_of_the_facts(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    long(&store, &org, "ses_1", 600).await;
    for seq in [100, 400] {
        keep(&store, "ses_1", seq).await;
    }
    for seq in [0, 1, 99, 100, 101, 399, 400, 401, 600] {
        let state = store.state_at(&org, "ses_1", seq).await.unwrap();
        assert_eq!(state, folded(&store, "ses_1", seq).await.state, "{seq}");
    }
    let far = store.state_at(&org, "ses_1", 601).await;
    assert!(matches!(far, Err(Error::Stale { head: 600 })));
    let foreign = store.state_at("org_2", "ses_1", 1).await;
    assert!(matches!(foreign, Err(Error::NotFound)));
}

async fn a_fork_has_the_folds_of_its_ancestors(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    long(&store, &org, "ses_1", 60).await;
    for seq in [20, 50] {
        keep(&store, "ses_1", seq).await;
    }
    let fork = NewSession {
        org: org.clone(),
        project: project(41, true),
        origin: Some(Origin {
            session: "ses_1".to_owned(),
            seq: 40,
            files: None,
        }),
        at: Millis(1000),
        ..new("ses_2")
    };
    store.create_session(fork).await.unwrap();
    let number = async |at_most| {
        let nearest = store.nearest_fold("ses_2", at_most).await.unwrap();
        nearest.map(|(seq, _)| seq)
    };
    assert_eq!(number(100).await, Some(20), "not the one beyond the seam");
    keep(&store, "ses_2", 41).await;
    assert_eq!(number(100).await, Some(41));
    assert_eq!(number(40).await, Some(20));
    let state = store.state_at(&org, "ses_2", 41).await.unwrap();
    assert_eq!(state, folded(&store, "ses_2", 41).await.state);
}

async fn a_damaged_fold_is_passed_over(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    long(&store, &org, "ses_1", 60).await;
    keep(&store, "ses_1", 20).await;
    let folder = bed.folder.path().join("blobs/ses_1");
    let older: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    keep(&store, "ses_1", 50).await;
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if !older.contains(&path) {
            std::fs::write(path, b"not what was put").unwrap();
        }
    }
    let nearest = store.nearest_fold("ses_1", 60).await.unwrap();
    assert_eq!(nearest.map(|(seq, _)| seq), Some(20));
    let state = store.state_at(&org, "ses_1", 60).await.unwrap();
    assert_ne!(state, State::default());
    assert_eq!(state, folded(&store, "ses_1", 60).await.state);
}
