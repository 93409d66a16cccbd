//! The pass of a sandbox: what the gate must know to decide for it. Made anew
//! for each connection, so what changed in the vault holds from the next one on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use egress::{Egress, Grant, HostPattern, Pass};
use futures::FutureExt;
use session::Egress as Wanted;
use store::{Error, Grants, Sabotage, Store, leaked};
use tokio::sync::mpsc;

use super::audit::Heard;
use super::stores::is_gone;
use super::tokens::Tokens;

/// Sessions of which is remembered what is frozen; when there are more, all are
/// forgotten.
const KNOWN: usize = 4096;

/// Makes passes.
pub struct Passes {
    store: Store,
    tokens: Tokens,
    audit: mpsc::Sender<Heard>,
    known: Mutex<HashMap<String, Arc<Known>>>,
}

/// What never changes of a session.
struct Known {
    org: String,
    egress: Wanted,
    stores: Vec<String>,
}

impl Passes {
    /// Passes by what that store says; decisions are told to `audit`.
    #[must_use]
    pub fn new(store: Store, tokens: Tokens, audit: mpsc::Sender<Heard>) -> Self {
        Self {
            store,
            tokens,
            audit,
            known: Mutex::default(),
        }
    }

    /// What the sandbox of that session may do now. One without a session, or
    /// of a session that is gone, may do nothing.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn of(&self, sandbox: &str, session: Option<&str>) -> Result<Pass, Error> {
        let known = match session {
            Some(session) => self.known(session).await?,
            None => None,
        };
        let (Some(session), Some(known)) = (session, known) else {
            return Ok(Pass {
                egress: Egress::None,
                ..Pass::open(sandbox)
            });
        };
        let grants = self.granted(&known).await?;
        Ok(Pass {
            sandbox: sandbox.to_owned(),
            egress: policy(&known.egress, &grants),
            grants: self.grants(sandbox, &grants),
            reveal: self.reveal(&known, &grants),
            audit: self.audit(session),
        })
    }

    /// What stands in the environment of what runs in that sandbox: a token for
    /// each secret.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn environment(
        &self,
        sandbox: &str,
        session: &str,
    ) -> Result<BTreeMap<String, String>, Error> {
        let Some(known) = self.known(session).await? else {
            return Ok(BTreeMap::new());
        };
        let grants = self.granted(&known).await?;
        let token = |row: &store::GrantRow| {
            let token = self.tokens.token(sandbox, &row.store, &row.name);
            (row.name.clone(), token)
        };
        let mut all: BTreeMap<_, _> = grants.rows.iter().map(token).collect();
        if let Some(value) = leaked(Sabotage::LeakEnvironment) {
            all.insert("LEAK".to_owned(), value);
        }
        Ok(all)
    }

    async fn known(&self, session: &str) -> Result<Option<Arc<Known>>, Error> {
        // Nothing panics while it holds the lock, so what is inside is sound.
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(session) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(row) = self.store.driven(session).await? else {
            return Ok(None);
        };
        let known = Arc::new(Known {
            org: row.org,
            egress: row.frozen.egress,
            stores: row.frozen.secret_stores,
        });
        let mut all = lock();
        if all.len() >= KNOWN {
            all.clear();
        }
        all.insert(session.to_owned(), Arc::clone(&known));
        Ok(Some(known))
    }

    async fn granted(&self, known: &Known) -> Result<Grants, Error> {
        match known.stores.is_empty() {
            true => Ok(Grants::default()),
            false => self.store.grants(&known.org, &known.stores).await,
        }
    }

    fn grants(&self, sandbox: &str, grants: &Grants) -> Vec<Grant> {
        let grant = |row: &store::GrantRow| {
            let hosts = patterns(&row.hosts);
            // No hosts would mean every host: a list of which none can be read
            // must not become that.
            let readable = row.hosts.is_empty() || !hosts.is_empty();
            readable.then(|| Grant {
                name: row.name.clone(),
                token: self.tokens.token(sandbox, &row.store, &row.name),
                hosts,
            })
        };
        grants.rows.iter().filter_map(grant).collect()
    }

    fn reveal(&self, known: &Arc<Known>, grants: &Grants) -> egress::Reveal {
        let stores: HashMap<String, String> = grants
            .rows
            .iter()
            .map(|row| (row.name.clone(), row.store.clone()))
            .collect();
        let (store, known) = (self.store.clone(), Arc::clone(known));
        Arc::new(move |name: String| {
            let (store, known) = (store.clone(), Arc::clone(&known));
            let of = stores.get(&name).cloned();
            async move {
                let value = store.secret_value(&known.org, &of?, &name).await;
                if let Some(value) = leaked(Sabotage::LeakLog) {
                    tracing::info!(value, "a secret was read");
                }
                value
                    .inspect_err(
                        |error| tracing::warn!(%error, secret = name, "a secret cannot be read"),
                    )
                    .ok()
                    .flatten()
            }
            .boxed()
        })
    }

    fn audit(&self, session: &str) -> egress::Audit {
        let (heard, session) = (self.audit.clone(), session.to_owned());
        Arc::new(move |decision| {
            let session = session.clone();
            if heard.try_send(Heard { session, decision }).is_err() {
                // The gate's own line in the server's log stands in any case.
                tracing::warn!("the gate decides faster than its decisions are written down");
            }
        })
    }
}

/// Where a session may connect: as its agent says; a list that its stores give
/// narrows an open one, and adds to a list. Where a store is gone nobody knows what
/// it narrowed, and nothing is open.
fn policy(wanted: &Wanted, stores: &Grants) -> Egress {
    match (wanted, stores.allowlist.as_slice()) {
        (Wanted::None, _) => Egress::None,
        (Wanted::Open, _) if is_gone(&stores.missing) => Egress::None,
        (Wanted::Open, []) => Egress::Open,
        (Wanted::Open, list) => Egress::Allowlist(patterns(list)),
        (Wanted::Allowlist(own), list) => Egress::Allowlist(patterns(&[own, list].concat())),
    }
}

/// The patterns of these texts. One that is none was refused when it came in;
/// if one stands there all the same it lets nothing pass.
fn patterns(hosts: &[String]) -> Vec<HostPattern> {
    hosts.iter().filter_map(|host| host.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(|host| (*host).to_owned()).collect()
    }

    #[test]
    fn the_lists_of_stores_narrow_what_is_open_and_add_to_a_list() {
        let (a, b) = (list(&["a.example"]), list(&["b.example"]));
        let allow = |hosts: &[&str]| Egress::Allowlist(patterns(&list(hosts)));
        let (here, gone) = (vec!["agent:agt_1".to_owned()], list(&["ci"]));
        for (wanted, allowlist, missing, expected) in [
            (Wanted::Open, vec![], &here, Egress::Open),
            (Wanted::Open, b.clone(), &here, allow(&["b.example"])),
            (Wanted::Open, vec![], &gone, Egress::None),
            (Wanted::Open, b.clone(), &gone, Egress::None),
            (Wanted::None, b.clone(), &here, Egress::None),
            (
                Wanted::Allowlist(a.clone()),
                vec![],
                &gone,
                allow(&["a.example"]),
            ),
            (
                Wanted::Allowlist(a),
                b,
                &here,
                allow(&["a.example", "b.example"]),
            ),
        ] {
            let stores = Grants {
                allowlist,
                missing: missing.clone(),
                ..Grants::default()
            };
            assert_eq!(policy(&wanted, &stores), expected, "{wanted:?}");
        }
    }
}
