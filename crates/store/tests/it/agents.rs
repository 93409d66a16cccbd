//! Agents: made once by name, changed by revisions, deleted without a trace in
//! the way of others.

use secrecy::{ExposeSecret, SecretString};
use session::{Caps, Egress, Limits, Millis, OnInterrupt};
use store::{
    AgentChange, AgentCreated, AgentRow, Error, NewAgent, NewCredential, Page, Policy, Store,
};

use crate::bed::{Bed, both};

both!(
    the_same_agent_twice_is_one,
    what_differs_is_named,
    one_of_many_equal_requests_makes_it,
    a_change_makes_a_revision_only_if_it_must,
    a_key_brought_along_becomes_a_credential,
    a_new_key_rotates_the_attached_one,
    a_deleted_agent_frees_its_name,
    agents_are_listed_newest_first,
);

pub async fn org(store: &Store) -> String {
    store.bootstrap("osb_1", false, Millis(1)).await.unwrap();
    store.orgs().await.unwrap().remove(0).id
}

pub fn agent(org: &str, id: &str) -> NewAgent {
    NewAgent {
        id: id.to_owned(),
        revision: format!("rev_{id}"),
        org: org.to_owned(),
        name: "coder".to_owned(),
        runtime: "native".to_owned(),
        prompt: "Be\0brief. é".to_owned(),
        prompt_hash: "sha256:1".to_owned(),
        model: "test/demo".to_owned(),
        limits: Limits {
            turns: Some(3),
            ..Limits::default()
        },
        policy: Policy::default(),
        credential: None,
        key: None,
        at: Millis(1000),
    }
}

/// A policy with something in every part.
fn retrying() -> Policy {
    Policy {
        on_interrupt: [("bash".to_owned(), OnInterrupt::Retry)].into(),
        caps: Caps {
            tokens_per_day: Some(7),
            ..Caps::default()
        },
        egress: Egress::Allowlist(vec!["*.github.com".to_owned()]),
        secret_store: Some("shared".to_owned()),
    }
}

fn credential(id: &str, secret: &str) -> NewCredential {
    NewCredential {
        id: id.to_owned(),
        provider: "anthropic".to_owned(),
        name: None,
        secret: SecretString::from(secret),
        default: false,
        at: Millis(1000),
    }
}

fn row(created: AgentCreated) -> AgentRow {
    match created {
        AgentCreated::New(row) => row,
        other => panic!("{other:?}"),
    }
}

async fn the_same_agent_twice_is_one(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let made = row(store.create_agent(agent(&org, "agt_1")).await.unwrap());
    assert_eq!(made.active.prompt, "Be\0brief. é");
    assert_eq!(
        (made.active.number, made.active.id.as_str()),
        (1, "rev_agt_1")
    );
    let again = store
        .create_agent(NewAgent {
            at: Millis(2000),
            ..agent(&org, "agt_2")
        })
        .await
        .unwrap();
    assert_eq!(again, AgentCreated::Same(made.clone()));
    assert_eq!(store.agent(&org, "agt_1").await.unwrap(), made);
    assert_eq!(store.agent_by_name(&org, "coder").await.unwrap(), made);
    for (org, id) in [("org_2", "agt_1"), (org.as_str(), "agt_2")] {
        assert!(matches!(store.agent(org, id).await, Err(Error::NotFound)));
    }
}

async fn what_differs_is_named(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    row(store.create_agent(agent(&org, "agt_1")).await.unwrap());
    let like = || agent(&org, "agt_2");
    let table = [
        (
            NewAgent {
                prompt: "x".to_owned(),
                ..like()
            },
            vec!["prompt"],
        ),
        (
            NewAgent {
                model: "test/x".to_owned(),
                ..like()
            },
            vec!["model"],
        ),
        (
            NewAgent {
                runtime: "codex".to_owned(),
                ..like()
            },
            vec!["runtime"],
        ),
        (
            NewAgent {
                limits: Limits::default(),
                ..like()
            },
            vec!["limits"],
        ),
        (
            NewAgent {
                policy: retrying(),
                ..like()
            },
            vec!["on_interrupt", "caps", "egress", "secret_store"],
        ),
        (
            NewAgent {
                credential: Some("managed".to_owned()),
                ..like()
            },
            vec!["credential"],
        ),
        (
            NewAgent {
                prompt: "x".to_owned(),
                model: "test/x".to_owned(),
                ..like()
            },
            vec!["prompt", "model"],
        ),
    ];
    for (asked, want) in table {
        match store.create_agent(asked).await.unwrap() {
            AgentCreated::Differs(_, fields) => assert_eq!(fields, want),
            other => panic!("{want:?}: {other:?}"),
        }
    }
    // A key is not compared, and none is kept for an agent that was not made.
    let keyed = NewAgent {
        key: Some(credential("cred_9", "sk-1")),
        ..like()
    };
    assert!(matches!(
        store.create_agent(keyed).await.unwrap(),
        AgentCreated::Same(_)
    ));
    assert!(store.credentials(&org).await.unwrap().is_empty());
}

async fn one_of_many_equal_requests_makes_it(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let asked = (0..12).map(|n| store.create_agent(agent(&org, &format!("agt_{n}"))));
    let answers = futures::future::try_join_all(asked).await.unwrap();
    let news = answers
        .iter()
        .filter(|answer| matches!(answer, AgentCreated::New(_)))
        .count();
    assert_eq!(news, 1);
    assert_eq!(
        answers
            .iter()
            .filter(|answer| matches!(answer, AgentCreated::Same(_)))
            .count(),
        11
    );
}

async fn a_change_makes_a_revision_only_if_it_must(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    row(store.create_agent(agent(&org, "agt_1")).await.unwrap());
    let change = |revision: &str| AgentChange {
        revision: revision.to_owned(),
        at: Millis(2000),
        ..AgentChange::default()
    };
    let same = store
        .change_agent(&org, "agt_1", change("rev_2"))
        .await
        .unwrap();
    assert_eq!((same.active.number, same.updated), (1, Millis(2000)));

    let limits = AgentChange {
        limits: Some(Limits::default()),
        credential: Some(Some("managed".to_owned())),
        policy: Some(retrying()),
        ..change("rev_2")
    };
    let after = store.change_agent(&org, "agt_1", limits).await.unwrap();
    assert_eq!(
        (
            after.active.number,
            after.limits,
            after.credential.as_deref()
        ),
        (1, Limits::default(), Some("managed"))
    );

    let prompt = AgentChange {
        prompt: Some(("new".to_owned(), "sha256:2".to_owned())),
        ..change("rev_2")
    };
    assert_eq!(after.policy, retrying());
    let after = store.change_agent(&org, "agt_1", prompt).await.unwrap();
    assert_eq!(after.policy, retrying(), "what is not named stays");
    assert_eq!(
        (
            after.active.number,
            after.active.prompt.as_str(),
            after.active.model.as_str()
        ),
        (2, "new", "test/demo")
    );

    let model = AgentChange {
        model: Some("test/x".to_owned()),
        credential: Some(None),
        ..change("rev_3")
    };
    let after = store.change_agent(&org, "agt_1", model).await.unwrap();
    assert_eq!(
        (after.active.number, after.active.prompt_hash.as_str()),
        (3, "sha256:2")
    );
    assert_eq!(
        (after.active.id.as_str(), after.credential),
        ("rev_3", None)
    );
    for (org, id) in [("org_2", "agt_1"), (org.as_str(), "agt_2")] {
        assert!(matches!(
            store.change_agent(org, id, change("rev_4")).await,
            Err(Error::NotFound)
        ));
    }
}

async fn secret(store: &Store, org: &str, id: &str) -> String {
    store
        .credential_secret(org, id)
        .await
        .unwrap()
        .unwrap()
        .expose_secret()
        .to_owned()
}

async fn a_key_brought_along_becomes_a_credential(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let asked = NewAgent {
        key: Some(credential("cred_1", "sk-ant-0001")),
        ..agent(&org, "agt_1")
    };
    let made = row(store.create_agent(asked).await.unwrap());
    assert_eq!(made.credential.as_deref(), Some("cred_1"));
    assert_eq!(secret(&store, &org, "cred_1").await, "sk-ant-0001");
}

async fn a_new_key_rotates_the_attached_one(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    row(store.create_agent(agent(&org, "agt_1")).await.unwrap());
    let keyed = |id: &str, key: &str| AgentChange {
        key: Some(credential(id, key)),
        at: Millis(2000),
        ..AgentChange::default()
    };
    // None is attached: it becomes one of its own.
    let after = store
        .change_agent(&org, "agt_1", keyed("cred_1", "sk-1"))
        .await
        .unwrap();
    assert_eq!(after.credential.as_deref(), Some("cred_1"));
    // One is attached: it gets the value.
    let after = store
        .change_agent(&org, "agt_1", keyed("cred_2", "sk-2"))
        .await
        .unwrap();
    assert_eq!(after.credential.as_deref(), Some("cred_1"));
    assert_eq!(secret(&store, &org, "cred_1").await, "sk-2");
    assert!(
        store
            .credential_secret(&org, "cred_2")
            .await
            .unwrap()
            .is_none()
    );
    // The attached one is gone: one of its own again.
    store.delete_credential(&org, "cred_1").await.unwrap();
    let after = store
        .change_agent(&org, "agt_1", keyed("cred_3", "sk-3"))
        .await
        .unwrap();
    assert_eq!(after.credential.as_deref(), Some("cred_3"));
    assert_eq!(secret(&store, &org, "cred_3").await, "sk-3");
}

async fn a_deleted_agent_frees_its_name(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    row(store.create_agent(agent(&org, "agt_1")).await.unwrap());
    assert!(matches!(
        store.delete_agent("org_2", "agt_1", Millis(2)).await,
        Err(Error::NotFound)
    ));
    store.delete_agent(&org, "agt_1", Millis(2)).await.unwrap();
    assert!(matches!(
        store.delete_agent(&org, "agt_1", Millis(3)).await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        store.agent(&org, "agt_1").await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        store.agent_by_name(&org, "coder").await,
        Err(Error::NotFound)
    ));
    let again = row(store.create_agent(agent(&org, "agt_2")).await.unwrap());
    assert_eq!(again.id, "agt_2");
}

async fn agents_are_listed_newest_first(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    for n in 0..5 {
        let asked = NewAgent {
            name: format!("a{n}"),
            at: Millis(1000 + n / 2),
            ..agent(&org, &format!("agt_{n}"))
        };
        row(store.create_agent(asked).await.unwrap());
    }
    store.delete_agent(&org, "agt_2", Millis(9)).await.unwrap();
    let first = store
        .agents(
            &org,
            Page {
                after: None,
                limit: 3,
            },
        )
        .await
        .unwrap();
    let second = store
        .agents(
            &org,
            Page {
                after: first.next,
                limit: 3,
            },
        )
        .await
        .unwrap();
    let ids: Vec<_> = first
        .rows
        .iter()
        .chain(&second.rows)
        .map(|row| row.id.as_str())
        .collect();
    assert_eq!(ids, ["agt_4", "agt_3", "agt_1", "agt_0"]);
    assert_eq!(second.next, None);
}
