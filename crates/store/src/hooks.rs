//! Hooks: each is an address that starts sessions of one agent, for whoever knows
//! its token. Stored as a hash; a revoked one stays as a row, to be shown.

use futures::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use session::{Caps, Millis};

use crate::content::json;
use crate::db::{Row, Tx, Value, values};
use crate::digest::digest;
use crate::{Cursor, Error, Listed, Page, Store, causes};

/// Most hooks of an agent that are not revoked; expired ones count.
const MOST: u64 = 20;
/// Characters of a token that are kept, to tell hooks apart.
const SHOWN: usize = 4;
/// Why a hook was revoked by its owner.
const BY_HAND: &str = "manual";

/// A hook to be made.
#[derive(Debug)]
pub struct NewHook {
    /// A fresh id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// The agent whose sessions it starts.
    pub agent: String,
    /// Its name, unique among the agent's hooks that are not revoked.
    pub name: String,
    /// The token; only its hash and its last characters are kept.
    pub token: SecretString,
    /// What all its sessions together may use.
    pub caps: Caps,
    /// From when on it opens nothing.
    pub expires: Option<Millis>,
    /// When.
    pub at: Millis,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRow {
    /// Its id.
    pub id: String,
    /// Its owner.
    pub org: String,
    /// The agent whose sessions it starts.
    pub agent: String,
    /// Its name.
    pub name: String,
    /// The last characters of its token.
    pub last4: String,
    /// What all its sessions together may use.
    pub caps: Caps,
    /// When it was made.
    pub created: Millis,
    /// From when on it opens nothing.
    pub expires: Option<Millis>,
    /// Since when it is revoked, and why.
    pub revoked: Option<(Millis, String)>,
}

macro_rules! columns {
    ($where:literal) => {
        concat!(
            "SELECT h.id, h.org, h.agent, h.name, h.last4, h.caps, h.created, h.expires, h.revoked, h.reason ",
            "FROM hooks h ", $where
        )
    };
}

const ONE: &str = columns!("WHERE h.org = $1 AND h.agent = $2 AND h.id = $3");
const LISTED: &str = columns!("WHERE h.org = $1 AND h.agent = $2");
const OPENS: &str = columns!(
    "JOIN agents a ON a.id = h.agent WHERE h.hash = $1 AND h.agent = $2 AND h.revoked IS NULL \
     AND (h.expires IS NULL OR h.expires > $3) AND a.deleted IS NULL"
);
// Its row is held, so that an agent's hooks are counted by one at a time.
const HOLD: &str =
    "UPDATE agents SET updated = updated WHERE org = $1 AND id = $2 AND deleted IS NULL";
const COUNT: &str = "SELECT COUNT(*) FROM hooks WHERE agent = $1 AND revoked IS NULL";
const INSERT: &str = "INSERT INTO hooks (id, org, agent, name, hash, last4, caps, created, expires) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (agent, name) WHERE revoked IS NULL DO NOTHING";
const CHANGE: &str =
    "UPDATE hooks SET caps = $1 WHERE org = $2 AND agent = $3 AND id = $4 AND revoked IS NULL";
const REVOKE: &str = "UPDATE hooks SET revoked = $1, reason = $2 \
    WHERE org = $3 AND agent = $4 AND id = $5 AND revoked IS NULL";
const END: &str = "UPDATE hooks SET revoked = $1, reason = $2 WHERE agent = $3 AND revoked IS NULL";

fn read(mut row: Row) -> Result<HookRow, Error> {
    Ok(HookRow {
        id: row.text()?,
        org: row.text()?,
        agent: row.text()?,
        name: row.text()?,
        last4: row.text()?,
        caps: causes::read(&row.text()?)?,
        created: row.millis()?,
        expires: row.opt_millis()?,
        revoked: row.opt_millis()?.zip(row.opt_text()?),
    })
}

impl Store {
    /// Makes a hook.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent, [`Error::Taken`] if it has
    /// a hook of that name, [`Error::TooMany`] if it has as many as it may.
    pub async fn create_hook(&self, new: NewHook) -> Result<HookRow, Error> {
        let made = HookRow {
            last4: last4(new.token.expose_secret()),
            id: new.id,
            org: new.org,
            agent: new.agent,
            name: new.name,
            caps: new.caps,
            created: new.at,
            expires: new.expires,
            revoked: None,
        };
        let (row, hash) = (made.clone(), digest(new.token.expose_secret()));
        self.db()
            .change(move |tx| async move { create(tx, &row, hash).await }.boxed())
            .await?;
        Ok(made)
    }

    /// One hook of an agent, revoked or not.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent, or it no such hook.
    pub async fn hook(&self, org: &str, agent: &str, id: &str) -> Result<HookRow, Error> {
        let row = self.db().row(ONE, values![org, agent, id]).await?;
        read(row.ok_or(Error::NotFound)?)
    }

    /// The hooks of an agent, newest first; revoked ones only if asked for.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn hooks(
        &self,
        org: &str,
        agent: &str,
        revoked: bool,
        page: Page,
    ) -> Result<Listed<HookRow>, Error> {
        let (sql, values) = select(org, agent, revoked, &page);
        let rows = self.db().rows(sql, values).await?;
        let rows = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(page.cut(rows, |row: &HookRow| Cursor {
            created: row.created,
            id: row.id.clone(),
        }))
    }

    /// The hook of an agent that this token opens now. It is found by its hash: how
    /// long that takes tells nothing of how near a guess was.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn hook_opened(
        &self,
        agent: &str,
        token: &SecretString,
        now: Millis,
    ) -> Result<Option<HookRow>, Error> {
        let hash = digest(token.expose_secret());
        let row = self.db().row(OPENS, values![hash, agent, now]).await?;
        row.map(read).transpose()
    }

    /// Gives a hook other caps, for its running sessions too.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent, or it no such hook that is
    /// not revoked.
    pub async fn change_hook(
        &self,
        org: &str,
        agent: &str,
        id: &str,
        caps: Caps,
    ) -> Result<HookRow, Error> {
        let values = values![json(&caps), org, agent, id];
        match self.db().exec(CHANGE, values).await? {
            0 => Err(Error::NotFound),
            _ => self.hook(org, agent, id).await,
        }
    }

    /// Makes a hook open nothing from now on, for good; twice is once.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the org has no such agent, or it no such hook.
    pub async fn revoke_hook(
        &self,
        org: &str,
        agent: &str,
        id: &str,
        at: Millis,
    ) -> Result<(), Error> {
        let values = values![at, BY_HAND, org, agent, id];
        match self.db().exec(REVOKE, values).await? {
            0 => self.hook(org, agent, id).await.map(drop),
            _ => Ok(()),
        }
    }
}

async fn create(tx: &mut Tx<'_>, new: &HookRow, hash: Vec<u8>) -> Result<(), Error> {
    if tx.exec(HOLD, &values![&new.org, &new.agent]).await? == 0 {
        return Err(Error::NotFound);
    }
    let row = tx.row(COUNT, &values![&new.agent]).await?;
    if row.map_or(Ok(0), |mut row| row.count())? >= MOST {
        return Err(Error::TooMany { most: MOST });
    }
    let row = values![
        &new.id,
        &new.org,
        &new.agent,
        &new.name,
        hash,
        &new.last4,
        json(&new.caps),
        new.created,
        new.expires
    ];
    match tx.exec(INSERT, &row).await? {
        0 => Err(Error::Taken),
        _ => Ok(()),
    }
}

/// Ends the hooks of an agent that is being deleted.
pub(crate) async fn end(tx: &mut Tx<'_>, agent: &str, at: Millis) -> Result<(), Error> {
    tx.exec(END, &values![at, BY_HAND, agent]).await.map(drop)
}

fn last4(token: &str) -> String {
    let begin = token.len().saturating_sub(SHOWN);
    token[token.floor_char_boundary(begin)..].to_owned()
}

fn select(org: &str, agent: &str, revoked: bool, page: &Page) -> (String, Vec<Value>) {
    let (mut sql, mut values) = (LISTED.to_owned(), values![org, agent].to_vec());
    if !revoked {
        sql.push_str(" AND h.revoked IS NULL");
    }
    page.select("h.", &mut sql, &mut values);
    (sql, values)
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    let page = |after: bool| Page {
        after: after.then(|| Cursor {
            created: Millis(5),
            id: "x".to_owned(),
        }),
        limit: 1,
    };
    let listed = [(false, false), (false, true), (true, false), (true, true)]
        .map(|(revoked, after)| select("org", "agt", revoked, &page(after)).0);
    let texts = [ONE, OPENS, HOLD, COUNT, CHANGE, REVOKE, END].map(str::to_owned);
    listed.into_iter().chain(texts).collect()
}
