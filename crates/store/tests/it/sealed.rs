//! What lies on disk: no secret in the clear, and none that works elsewhere.

use secrecy::SecretString;
use session::Millis;
use store::{Database, Error, NewCredential, NewSecret, Store};

use crate::bed::{Bed, both, new};

both!(
    no_secret_lies_in_the_clear,
    a_moved_value_does_not_open,
    another_master_key_opens_nothing
);

const KEY: &str = "osb_5ecre7000000000000000000000000000000000000000000000000000000key1";
const VALUE: &str = "sk-5ecre7-value";
const SANDBOX: &str = "5ecre7-for-5andboxes-z9y8";
const INSTALL: &str = "5ecre7-of-the-whole-installation";

async fn filled(store: &Store) -> String {
    store.bootstrap(KEY, false, Millis(1)).await.unwrap();
    let org = store.orgs().await.unwrap().remove(0).id;
    for id in ["cred_1", "cred_2"] {
        let credential = NewCredential {
            id: id.to_owned(),
            provider: "openai".to_owned(),
            name: None,
            secret: SecretString::from(format!("{VALUE}-{id}")),
            default: false,
            at: Millis(1),
        };
        store.create_credential(&org, credential).await.unwrap();
    }
    let shared = crate::secret_stores::named(&org, "shared");
    let secret = crate::secret_stores::secret("KEY", SANDBOX);
    let secret = NewSecret {
        id: "sec_1".to_owned(),
        ..secret
    };
    store.put_secret_in(shared, secret).await.unwrap();
    store
        .install_secret("tokens", || INSTALL.into())
        .await
        .unwrap();
    store.create_session(new("ses_1")).await.unwrap();
    org
}

/// All bytes the database keeps.
fn everything(bed: &Bed) -> Vec<u8> {
    match &bed.database {
        Database::Postgres(url) => crate::testing::dump(url).into_bytes(),
        Database::Sqlite(_) => {
            let files = std::fs::read_dir(bed.folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().path());
            files
                .filter(|path| path.is_file())
                .flat_map(|path| std::fs::read(path).unwrap())
                .collect()
        }
    }
}

async fn no_secret_lies_in_the_clear(bed: Bed) {
    let store = bed.open().await;
    let org = filled(&store).await;
    let bytes = everything(&bed);
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds(&org), "this is where things are kept");
    for secret in [KEY, VALUE, SANDBOX, &SANDBOX[21..], INSTALL] {
        assert!(!holds(secret), "{secret}");
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!holds(&hex), "{secret} as hex");
    }
}

const MOVE: &str = "UPDATE credentials SET sealed = (SELECT o.sealed FROM credentials o WHERE o.id = 'cred_1') \
    WHERE id = 'cred_2'";

/// What somebody with access to the database may do to it.
pub async fn meddle(bed: &Bed, sql: &str) {
    match &bed.database {
        Database::Sqlite(path) => {
            rusqlite::Connection::open(path)
                .unwrap()
                .execute(sql, [])
                .unwrap();
        }
        Database::Postgres(url) => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
                .await
                .unwrap();
            let line = tokio::spawn(connection);
            client.execute(sql, &[]).await.unwrap();
            drop(client);
            line.await.unwrap().unwrap();
        }
    }
}

async fn a_moved_value_does_not_open(bed: Bed) {
    let store = bed.open().await;
    let org = filled(&store).await;
    meddle(&bed, MOVE).await;
    assert!(matches!(
        store.credential_secret(&org, "cred_2").await,
        Err(Error::Sealed)
    ));
    assert!(
        store
            .credential_secret(&org, "cred_1")
            .await
            .unwrap()
            .is_some()
    );
}

async fn another_master_key_opens_nothing(bed: Bed) {
    let store = bed.open().await;
    filled(&store).await;
    store.close().await;
    assert!(
        matches!(bed.try_open(8).await, Err(Error::Sealed)),
        "told at the start"
    );
    bed.open().await;
}
