//! Random histories of the vault: both databases answer as a model does that is
//! a few maps, the master key changed or not.

use std::collections::BTreeMap;

use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use session::Millis;
use store::{Error, NewSecret, NewSecretStore, SecretStoreChange, Store};

use crate::bed::Bed;

/// Something a caller does; stores, names and values are numbers.
#[derive(Debug, Clone)]
enum Step {
    Make(u8, u8, Vec<u8>),
    Change(u8, Option<u8>, Option<Vec<u8>>),
    Remove(u8),
    Put(u8, u8, u8, Option<Vec<u8>>),
    PutIn(u8, u8, u8, u8),
    Delete(u8, u8),
    Value(u8, u8),
    Grants(Vec<u8>),
    Rotate,
}

fn step() -> impl Strategy<Value = Step> {
    use proptest::option::of;
    let hosts = || proptest::collection::vec(0..4u8, 0..3);
    prop_oneof![
        4 => (0..5u8, 0..4u8, hosts()).prop_map(|(id, name, hosts)| Step::Make(id, name, hosts)),
        2 => (0..5u8, of(0..4u8), of(hosts())).prop_map(|(id, name, hosts)| Step::Change(id, name, hosts)),
        1 => (0..5u8).prop_map(Step::Remove),
        6 => (0..5u8, 0..4u8, 0..9u8, of(hosts())).prop_map(|(id, key, value, hosts)| Step::Put(id, key, value, hosts)),
        2 => (5..9u8, 0..4u8, 0..4u8, 0..9u8).prop_map(|(id, name, key, value)| Step::PutIn(id, name, key, value)),
        2 => (0..9u8, 0..4u8).prop_map(|(id, key)| Step::Delete(id, key)),
        3 => (0..9u8, 0..4u8).prop_map(|(id, key)| Step::Value(id, key)),
        3 => proptest::collection::vec(0..4u8, 0..4).prop_map(Step::Grants),
        1 => Just(Step::Rotate),
    ]
}

fn hosts(of: &[u8]) -> Vec<String> {
    of.iter().map(|n| format!("h{n}.test")).collect()
}

fn id(n: u8) -> String {
    format!("sst_{n}")
}

/// A store as the model has it: name, list, and values with their hosts.
#[derive(Debug, Default)]
struct Kept {
    name: u8,
    list: Vec<u8>,
    secrets: BTreeMap<u8, (u8, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Model(BTreeMap<u8, Kept>);

const NOT_FOUND: &str = "not found";
const TAKEN: &str = "there is one like it already";
const DONE: &str = "done";

impl Model {
    fn named(&self, name: u8) -> Option<u8> {
        let found = self.0.iter().find(|(_, kept)| kept.name == name);
        found.map(|(id, _)| *id)
    }

    fn take(&mut self, step: &Step) -> String {
        self.taken(step)
            .unwrap_or_else(|refused| refused.to_owned())
    }

    fn taken(&mut self, step: &Step) -> Result<String, &'static str> {
        let there = |model: &mut Self, id: &u8| model.0.contains_key(id);
        match step {
            Step::Make(id, name, list) => {
                if self.named(*name).is_some() {
                    return Err(TAKEN);
                }
                let (name, list) = (*name, list.clone());
                let secrets = BTreeMap::new();
                self.0.insert(
                    *id,
                    Kept {
                        name,
                        list,
                        secrets,
                    },
                );
            }
            Step::Change(id, name, list) => {
                let other = name.and_then(|name| self.named(name));
                let kept = self.0.get_mut(id).ok_or(NOT_FOUND)?;
                if other.is_some_and(|other| other != *id) {
                    return Err(TAKEN);
                }
                kept.name = name.unwrap_or(kept.name);
                kept.list = list.clone().unwrap_or(kept.list.clone());
            }
            Step::Remove(id) => drop(self.0.remove(id).ok_or(NOT_FOUND)?),
            Step::Put(id, key, value, hosts) => {
                let kept = self.0.get_mut(id).ok_or(NOT_FOUND)?;
                let old = kept.secrets.get(key).map(|(_, hosts)| hosts.clone());
                let hosts = hosts.clone().or(old).unwrap_or_default();
                kept.secrets.insert(*key, (*value, hosts));
            }
            Step::PutIn(fresh, name, key, value) => {
                let id = self.named(*name).unwrap_or(*fresh);
                let kept = self.0.entry(id).or_default();
                kept.name = *name;
                let old = kept.secrets.remove(key).map(|(_, hosts)| hosts);
                kept.secrets.insert(*key, (*value, old.unwrap_or_default()));
            }
            Step::Delete(id, key) => {
                let kept = self.0.get_mut(id).ok_or(NOT_FOUND)?;
                kept.secrets.remove(key).ok_or(NOT_FOUND)?;
            }
            Step::Value(id, key) if there(self, id) => {
                let value = self.0[id].secrets.get(key).map(|(value, _)| value);
                return Ok(format!("{value:?}"));
            }
            Step::Value(..) => return Ok("None".to_owned()),
            Step::Grants(names) => return Ok(self.grants(names)),
            Step::Rotate => {}
        }
        Ok(DONE.to_owned())
    }

    fn grants(&self, names: &[u8]) -> String {
        let (mut rows, mut all): (Vec<String>, Vec<u8>) = (Vec::new(), Vec::new());
        let mut seen = Vec::new();
        for id in names.iter().filter_map(|name| self.named(*name)) {
            let kept = &self.0[&id];
            for host in &kept.list {
                if !all.contains(host) {
                    all.push(*host);
                }
            }
            for (key, (_, hosts)) in &kept.secrets {
                if !seen.contains(key) {
                    seen.push(*key);
                    rows.push(format!(
                        "{} KEY_{key} {:?}",
                        self::id(id),
                        self::hosts(hosts)
                    ));
                }
            }
        }
        format!("{rows:?} {:?}", hosts(&all))
    }
}

fn new_store(org: &str, fresh: u8, name: u8, list: &[u8]) -> NewSecretStore {
    NewSecretStore {
        id: id(fresh),
        org: org.to_owned(),
        name: format!("n{name}"),
        allowlist: hosts(list),
        at: Millis(1),
    }
}

fn new_secret(key: u8, value: u8, of: Option<&Vec<u8>>) -> NewSecret {
    NewSecret {
        id: format!("sec_{}", rand::random::<u64>()),
        name: format!("KEY_{key}"),
        value: SecretString::from(value.to_string()),
        hosts: of.map(|list| hosts(list)),
        at: Millis(2),
    }
}

/// What the store answers, in the model's words.
async fn take(store: &Store, org: &str, step: &Step) -> Result<String, Error> {
    let done = |()| DONE.to_owned();
    match step {
        Step::Make(id, name, list) => {
            let made = store.create_secret_store(new_store(org, *id, *name, list));
            made.await.map(drop).map(done)
        }
        Step::Change(of, name, list) => {
            let change = SecretStoreChange {
                name: name.map(|name| format!("n{name}")),
                allowlist: list.as_deref().map(hosts),
                at: Millis(3),
            };
            let of = id(*of);
            let changed = store.update_secret_store(org, &of, change);
            changed.await.map(drop).map(done)
        }
        Step::Remove(of) => store.delete_secret_store(org, &id(*of)).await.map(done),
        Step::Put(of, key, value, list) => {
            let new = new_secret(*key, *value, list.as_ref());
            store
                .put_secret(org, &id(*of), new)
                .await
                .map(drop)
                .map(done)
        }
        Step::PutIn(fresh, name, key, value) => {
            let wanted = new_store(org, *fresh, *name, &[]);
            let put = store.put_secret_in(wanted, new_secret(*key, *value, None));
            put.await.map(drop).map(done)
        }
        Step::Delete(of, key) => {
            let (of, name) = (id(*of), format!("KEY_{key}"));
            let deleted = store.delete_secret(org, &of, &name, Millis(4));
            deleted.await.map(done)
        }
        Step::Value(of, key) => {
            let (of, name) = (id(*of), format!("KEY_{key}"));
            let value = store.secret_value(org, &of, &name);
            let value = value
                .await?
                .map(|value| value.expose_secret().parse::<u8>().unwrap());
            Ok(format!("{value:?}"))
        }
        Step::Grants(names) => {
            let names: Vec<_> = names.iter().map(|name| format!("n{name}")).collect();
            let grants = store.grants(org, &names).await?;
            let rows = grants.rows.iter();
            let rows = rows.map(|row| format!("{} {} {:?}", row.store, row.name, row.hosts));
            Ok(format!(
                "{:?} {:?}",
                rows.collect::<Vec<_>>(),
                grants.allowlist
            ))
        }
        Step::Rotate => store.rotate_master().await.map(drop).map(done),
    }
}

async fn compare(bed: Bed, steps: &[Step]) {
    let store = bed.open_keyed(bed.folder.path(), None).await.unwrap();
    store.bootstrap("osb_1", false, Millis(1)).await.unwrap();
    let org = store.orgs().await.unwrap().remove(0).id;
    let (mut model, mut made) = (Model::default(), Vec::new());
    for step in steps {
        // A fresh id is never used twice.
        if let Step::Make(id, ..) | Step::PutIn(id, ..) = step {
            if made.contains(id) {
                continue;
            }
            made.push(*id);
        }
        let said = take(&store, &org, step).await;
        let said = said.unwrap_or_else(|error| error.to_string());
        assert_eq!(said, model.take(step), "{step:?} after {model:?}");
    }
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_databases_keep_secrets_as_maps_would(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            compare(Bed::sqlite(), &steps).await;
            compare(Bed::postgres(), &steps).await;
        });
    }
}
