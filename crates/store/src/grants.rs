//! Grants: which secrets a sandbox with certain stores may use, and towards which
//! hosts. No values: those are asked for one by one, when they are needed.

use crate::db::{Row, values};
use crate::secret_stores::hosts;
use crate::{Error, Store};

/// A secret that may go to some hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    /// The id of its store.
    pub store: String,
    /// The secret's name.
    pub name: String,
    /// The hosts that may be given it; empty for all.
    pub hosts: Vec<String>,
    /// The hosts its store lets sandboxes reach; empty for all.
    pub allowlist: Vec<String>,
}

/// What some stores together grant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Their secrets; of two with one name, the first store's.
    pub rows: Vec<GrantRow>,
    /// All hosts that any of them lets sandboxes reach; empty if none says.
    pub allowlist: Vec<String>,
    /// Names that no store has, or has no more.
    pub missing: Vec<String>,
}

// A store without secrets gives one row, without a name.
const GRANTED: &str = "SELECT s.id, s.egress_allowlist, x.name, x.allowed_hosts FROM secret_stores s \
    LEFT JOIN secrets x ON x.store = s.id WHERE s.org = $1 AND s.name = $2 ORDER BY x.name";

impl Store {
    /// What the stores of those names grant, as it is now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn grants(&self, org: &str, names: &[String]) -> Result<Grants, Error> {
        let mut grants = Grants::default();
        for name in names {
            let rows = self.db().few(GRANTED, values![org, name]).await?;
            if rows.is_empty() {
                grants.missing.push(name.clone());
            }
            for row in rows {
                grants.add(row)?;
            }
        }
        Ok(grants)
    }
}

impl Grants {
    fn add(&mut self, mut row: Row) -> Result<(), Error> {
        let (store, allowlist) = (row.text()?, hosts(&row.text()?)?);
        for host in &allowlist {
            if !self.allowlist.contains(host) {
                self.allowlist.push(host.clone());
            }
        }
        let Some(name) = row.opt_text()? else {
            return Ok(());
        };
        if self.rows.iter().all(|known| known.name != name) {
            self.rows.push(GrantRow {
                store,
                name,
                hosts: hosts(&row.text()?)?,
                allowlist,
            });
        }
        Ok(())
    }
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    vec![GRANTED.to_owned()]
}
