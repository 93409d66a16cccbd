//! Large bodies: the whole is never lost, and the log stays small.

use std::sync::Arc;

use serde_json::json;
use session::Draft;
use store::{Append, Created, NewSession};

use crate::bed::{Bed, ORG, born, both, draft, new, next, object};

both!(
    a_large_attachment_is_kept_whole,
    a_small_attachment_is_not_kept,
    a_large_body_is_shortened_and_folded_whole,
    a_birth_may_bring_a_large_body,
);

async fn a_large_attachment_is_kept_whole(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let whole: Arc<[u8]> = (0..200_000u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    let drafts = vec![Draft {
        attached: Some(whole.clone()),
        ..draft("exec.completed")
    }];
    let told = store
        .append(Append {
            drafts,
            ..next("ses_1", 1)
        })
        .await
        .unwrap()
        .remove(0);
    let content = told.event.content.clone().unwrap();
    assert_eq!(content.bytes, 200_000);
    assert_eq!(
        store.event(ORG, "ses_1", 2).await.unwrap().event.content,
        Some(content)
    );
    let read = store.content(ORG, "ses_1", 2).await.unwrap().unwrap();
    assert!(*read == *whole);
    assert_eq!(
        told.event.draft.body,
        draft("x").body,
        "the body stands as drafted"
    );
}

async fn a_small_attachment_is_not_kept(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let small: Arc<[u8]> = vec![7; 32 * 1024].into();
    let drafts = vec![Draft {
        attached: Some(small),
        ..draft("exec.completed")
    }];
    let told = store
        .append(Append {
            drafts,
            ..next("ses_1", 1)
        })
        .await
        .unwrap()
        .remove(0);
    assert_eq!(told.event.content, None);
    assert_eq!(store.content(ORG, "ses_1", 2).await.unwrap(), None);
    assert!(store.content(ORG, "ses_1", 3).await.is_err());
}

async fn a_large_body_is_shortened_and_folded_whole(bed: Bed) {
    let store = bed.open().await;
    born(&store, "ses_1").await;
    let body =
        object(json!({ "text": "é".repeat(20_000), "raw": { "deep": vec!["x"; 20_000] }, "n": 7 }));
    let drafts = vec![Draft {
        body: body.clone(),
        ..draft("user.message")
    }];
    let told = store
        .append(Append {
            drafts,
            ..next("ses_1", 1)
        })
        .await
        .unwrap()
        .remove(0);
    assert!(serde_json::to_vec(&told.event.draft.body).unwrap().len() < 32 * 1024);
    assert_eq!(told.event.draft.body["n"], 7);
    let read = store.content(ORG, "ses_1", 2).await.unwrap().unwrap();
    let read: serde_json::Value = serde_json::from_slice(&read).unwrap();
    assert_eq!(read.as_object(), Some(&body));
    assert_eq!(
        store.fold_source("ses_1", 1).await.unwrap()[0]
            .event
            .draft
            .body,
        body
    );
}

async fn a_birth_may_bring_a_large_body(bed: Bed) {
    let store = bed.open().await;
    let text = "long ".repeat(100_000);
    let first = Draft {
        attached: Some(text.as_bytes().into()),
        ..draft("user.message")
    };
    let asked = NewSession {
        drafts: vec![first],
        ..new("ses_1")
    };
    let Created::New { events, .. } = store.create_session(asked).await.unwrap() else {
        panic!("new")
    };
    assert_eq!(events[0].event.content.as_ref().unwrap().bytes, 500_000);
    assert!(store.content(ORG, "ses_1", 1).await.unwrap().unwrap() == text.as_bytes());
}
