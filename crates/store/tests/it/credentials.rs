//! Credentials: one default for each provider, values that only come out where
//! they are used.

use secrecy::{ExposeSecret, SecretString};
use session::Millis;
use store::{Error, NewCredential, Store};

use crate::bed::{Bed, both};

both!(
    a_value_comes_back_for_its_owner,
    one_default_for_each_provider,
    a_rotated_value_replaces_the_old,
    many_at_once_leave_one_default,
);

async fn org(store: &Store) -> String {
    store.bootstrap("osb_1", false, Millis(1)).await.unwrap();
    store.orgs().await.unwrap().remove(0).id
}

fn credential(id: &str, provider: &str, default: bool) -> NewCredential {
    NewCredential {
        id: id.to_owned(),
        provider: provider.to_owned(),
        name: Some("mine".to_owned()),
        secret: SecretString::from(format!("sk-of-{id}-é")),
        default,
        at: Millis(1000),
    }
}

async fn a_value_comes_back_for_its_owner(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let made = store
        .create_credential(&org, credential("cred_0001", "openai", false))
        .await
        .unwrap();
    assert_eq!((made.last4.as_str(), made.is_default), ("01-é", false));
    assert_eq!(store.credential(&org, "cred_0001").await.unwrap(), made);
    assert_eq!(store.credentials(&org).await.unwrap(), [made]);
    let value = store
        .credential_secret(&org, "cred_0001")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(value.expose_secret(), "sk-of-cred_0001-é");
    assert!(
        store
            .credential_secret("org_2", "cred_0001")
            .await
            .unwrap()
            .is_none()
    );
    assert!(matches!(
        store.credential("org_2", "cred_0001").await,
        Err(Error::NotFound)
    ));
    assert!(matches!(
        store.delete_credential("org_2", "cred_0001").await,
        Err(Error::NotFound)
    ));
    assert!(
        store
            .create_credential("org_2", credential("cred_2", "openai", false))
            .await
            .is_err(),
        "an org there is not"
    );
    store.delete_credential(&org, "cred_0001").await.unwrap();
    assert!(
        store
            .credential_secret(&org, "cred_0001")
            .await
            .unwrap()
            .is_none()
    );
}

async fn one_default_for_each_provider(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let default = async |provider: &str| {
        store
            .default_credential(&org, provider)
            .await
            .unwrap()
            .map(|row| row.id)
    };
    for (id, provider, is_default) in [
        ("a1", "anthropic", false),
        ("a2", "anthropic", true),
        ("a3", "anthropic", true),
        ("o1", "openai", false),
    ] {
        store
            .create_credential(&org, credential(id, provider, is_default))
            .await
            .unwrap();
    }
    assert_eq!(default("anthropic").await.as_deref(), Some("a3"));
    assert_eq!(default("openai").await, None);
    let set = store.set_default_credential(&org, "a1").await.unwrap();
    assert!(set.is_default);
    assert_eq!(default("anthropic").await.as_deref(), Some("a1"));
    store.set_default_credential(&org, "a1").await.unwrap();
    assert!(matches!(
        store.set_default_credential(&org, "zz").await,
        Err(Error::NotFound)
    ));
    assert_eq!(
        default("anthropic").await.as_deref(),
        Some("a1"),
        "a failed change changes nothing"
    );
    store.delete_credential(&org, "a1").await.unwrap();
    assert_eq!(default("anthropic").await, None);
}

async fn a_rotated_value_replaces_the_old(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    store
        .create_credential(&org, credential("cred_0001", "openai", true))
        .await
        .unwrap();
    let rotated = store
        .rotate_credential(&org, "cred_0001", SecretString::from("sk-of-another-9"))
        .await
        .unwrap();
    assert_eq!((rotated.last4.as_str(), rotated.is_default), ("er-9", true));
    let value = store
        .credential_secret(&org, "cred_0001")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(value.expose_secret(), "sk-of-another-9");
    assert!(matches!(
        store
            .rotate_credential(&org, "zz", SecretString::from("x"))
            .await,
        Err(Error::NotFound)
    ));
}

async fn many_at_once_leave_one_default(bed: Bed) {
    let store = bed.open().await;
    let org = org(&store).await;
    let made =
        (0..8).map(|n| store.create_credential(&org, credential(&format!("a{n}"), "openai", true)));
    futures::future::try_join_all(made).await.unwrap();
    let ids: Vec<_> = (0..8).map(|n| format!("a{n}")).collect();
    futures::future::try_join_all(ids.iter().map(|id| store.set_default_credential(&org, id)))
        .await
        .unwrap();
    let defaults = store.credentials(&org).await.unwrap();
    assert_eq!(defaults.iter().filter(|row| row.is_default).count(), 1);
}
