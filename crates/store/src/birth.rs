//! Making a session: row, pinned configuration, first facts, lease and
//! the answer to a repeated request, all in one transaction.

use std::sync::Arc;

use futures::FutureExt;
use session::{Frozen, Millis, State};

use crate::content::json;
use crate::db::{Tx, values};
use crate::digest::digest;
use crate::facts::Facts;
use crate::sessions::{self, Created, NewSession, SessionRow};
use crate::{
    Begins, Birth, Error, Logged, Once, Origin, Projection, Store, Wake, destinations, hearing,
    leases, lineage, outbox, projection, schedules, texts,
};

const ONCE: &str = "INSERT INTO onces (org, scope, key, request, session) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (org, scope, key) DO NOTHING";
const BEFORE: &str =
    "SELECT request, session FROM onces WHERE org = $1 AND scope = $2 AND key = $3";
const PINNED: &str =
    "INSERT INTO pinned (session, frozen, prompt, metadata) VALUES ($1, $2, $3, $4)";
const SESSION: &str = "INSERT INTO sessions \
    (id, org, agent, key, created, status, head, input_cursor, epoch, node, due, state, placed, origin) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

impl Store {
    /// Makes a session with its first facts, in one durable transaction. What it
    /// costs to fork does not depend on how long the log is.
    ///
    /// # Errors
    /// For a fork [`Error::NotFound`] if the org has no such origin, and
    /// [`Error::Stale`] if its log does not go that far, or its checkpoint was given up
    /// meanwhile. Where a schedule begins it,
    /// [`Error::Taken`] if that slot was taken before. As every write.
    pub async fn create_session(&self, new: NewSession) -> Result<Created, Error> {
        Box::pin(self.create_session_and(new, |_, _| ())).await
    }

    /// As [`Store::create_session`]. If the session is born with the lease asked
    /// for, `take` is given its row and first events at the very moment they are
    /// durable, even if the caller has given up: no lease is held by nobody.
    ///
    /// # Errors
    /// As [`Store::create_session`].
    pub async fn create_session_and(
        &self,
        mut new: NewSession,
        take: impl FnOnce(&SessionRow, &[Arc<Logged>]) + Send + 'static,
    ) -> Result<Created, Error> {
        let placed = self.place(&new.id, std::mem::take(&mut new.drafts)).await?;
        let shared = new.origin.as_ref().map_or(0, Origin::shared);
        let facts = Facts::new(&new.id, shared, new.at, placed)?;
        let begins = match new.begins.take() {
            Some(Begins { drafts, project }) => {
                let placed = self.place(&new.id, drafts).await?;
                let facts = Facts::new(&new.id, shared + facts.len(), new.at, placed)?;
                Some((facts, project))
            }
            None => None,
        };
        let node = match &new.birth {
            Some(birth) => self.nodes().must_last(&birth.node, birth.until),
            None => None,
        };
        let wanted = std::mem::take(&mut new.destinations);
        let told_of = self.prepare_destinations(&new.org, wanted).await?;
        let listened = !told_of.is_empty();
        let (told, mark) = (self.clone(), self.mark());
        let lasts = new.birth.as_ref().map(|birth| birth.node.clone()).zip(node);
        let done = move |(created, wake): &(Created, Option<Wake>)| {
            let (
                Created::New {
                    row,
                    events,
                    leased,
                },
                Some(wake),
            ) = (created, wake)
            else {
                return;
            };
            if *leased {
                if let Some((node, until)) = &lasts {
                    told.nodes().lasts(node, *until);
                }
                take(row, events);
            }
            told.tell(events, wake, *leased);
            if listened {
                told.outbox().notify_one();
            }
        };
        // It is large, and carried through every layer of a write.
        let birth = Box::new(Birthing {
            new,
            facts,
            begins,
            told_of,
            node,
            mark,
        });
        let (created, _) = self.db().write(|tx| birth.run(tx).boxed(), done).await?;
        Ok(created)
    }
}

impl Store {
    /// What a request that is to be done once made before, if it did: a replay or a
    /// conflict. Who gets `None` asks again by making the session.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn made_before(&self, org: &str, once: &Once) -> Result<Option<Created>, Error> {
        let found = self.db().row(BEFORE, values![org, once.scope, &once.key]);
        let Some(mut row) = found.await? else {
            return Ok(None);
        };
        let (request, session) = (row.text()?, row.text()?);
        Ok(match self.session(org, &session).await {
            Ok(row) if request == once.request => Some(Created::Replay(Box::new(row))),
            Ok(row) => Some(Created::Conflict(Box::new(row))),
            // It is being erased, and the key with it.
            Err(Error::NotFound) => None,
            Err(error) => return Err(error),
        })
    }
}

struct Birthing {
    new: NewSession,
    facts: Facts,
    /// What follows at once, if it is born with its lease.
    begins: Option<(Facts, Projection)>,
    /// Who is told of all its facts.
    told_of: Vec<destinations::Prepared>,
    /// Until when the node's leases must be made to last.
    node: Option<Millis>,
    mark: u64,
}

impl Birthing {
    async fn run(self, tx: &mut Tx<'_>) -> Result<(Created, Option<Wake>), Error> {
        if let Some(once) = &self.new.once
            && let Some((same, session)) = before(tx, &self.new, once).await?
        {
            return Ok((self.found(tx, same, &session).await?, None));
        }
        let Self {
            mut new,
            mut facts,
            begins,
            told_of,
            node,
            mark,
        } = self;
        let birth = match new.birth.take() {
            Some(birth) if leases::room(tx, &new.org, birth.most).await? => Some(birth),
            _ => None,
        };
        if let (Some(birth), Some(until)) = (&birth, node) {
            leases::last(tx, &birth.node, until).await?;
        }
        let leased = birth.is_some();
        if let Some((more, project)) = begins.filter(|_| leased) {
            facts.extend(more);
            new.project = project;
        }
        if let Some(origin) = &new.origin {
            lineage::fork(tx, &new.org, &new.id, origin).await?;
        }
        if let Some(fire) = &new.fire {
            schedules::enacted(tx, fire, &new.id).await?;
        }
        let row = insert(tx, &new, birth.as_ref(), facts.len()).await?;
        facts.write(tx).await?;
        listen(tx, &new, told_of, &facts).await?;
        let wake = Wake {
            session: row.id.clone(),
            head: row.head,
            due: new.project.due.is_some() && !leased,
        };
        hearing::say(tx, mark, &wake).await?;
        let row = Box::new(row);
        let created = Created::New {
            row,
            events: facts.events,
            leased,
        };
        Ok((created, Some(wake)))
    }

    /// The session that the key made before.
    async fn found(self, tx: &mut Tx<'_>, same: bool, session: &str) -> Result<Created, Error> {
        let org = &self.new.org;
        let row = tx.row(sessions::ONE, &values![org, session]).await?;
        let row = Box::new(sessions::read(row.ok_or(Error::NotFound)?)?);
        if !same {
            return Ok(Created::Conflict(row));
        }
        Ok(Created::Replay(row))
    }
}

/// Writes who is told of the session, and queues its first facts for them.
async fn listen(
    tx: &mut Tx<'_>,
    new: &NewSession,
    told_of: Vec<destinations::Prepared>,
    facts: &Facts,
) -> Result<(), Error> {
    if told_of.is_empty() {
        return Ok(());
    }
    // A fork's destinations are told of what is its own.
    let shared = new.origin.as_ref().map_or(0, Origin::shared);
    for prepared in told_of {
        prepared
            .insert(tx, &new.org, &new.id, shared, new.at)
            .await?;
    }
    destinations::listen(tx, &new.id).await?;
    outbox::put(tx, &new.id, &facts.events, new.at)
        .await
        .map(drop)
}

/// Takes the key; if it was taken before, whether by the same request, and for
/// which session.
async fn before(
    tx: &mut Tx<'_>,
    new: &NewSession,
    once: &Once,
) -> Result<Option<(bool, String)>, Error> {
    let mine = values![&new.org, once.scope, &once.key, &once.request, &new.id];
    if tx.exec(ONCE, &mine).await? == 1 {
        return Ok(None);
    }
    let row = tx
        .row(BEFORE, &values![&new.org, once.scope, &once.key])
        .await?;
    let mut row = row.ok_or(Error::NotFound)?;
    Ok(Some((row.text()? == once.request, row.text()?)))
}

async fn insert(
    tx: &mut Tx<'_>,
    new: &NewSession,
    birth: Option<&Birth>,
    own: u64,
) -> Result<SessionRow, Error> {
    let prompt = digest(&new.frozen.prompt);
    texts::keep(tx, &prompt, &new.frozen.prompt).await?;
    let unprompted = Frozen {
        prompt: String::new(),
        ..new.frozen.clone()
    };
    let pinned = values![&new.id, json(&unprompted), prompt, new.metadata.as_ref()];
    tx.exec(PINNED, &pinned).await?;
    let state: State = projection::state(&new.project.state)?;
    let (epoch, node) = match birth {
        Some(birth) => (1u64, Some(&birth.node)),
        None => (0, None),
    };
    let shared = new.origin.as_ref().map_or(0, Origin::shared);
    let (project, head) = (&new.project, shared + own);
    let row = values![
        &new.id,
        &new.org,
        &new.frozen.agent,
        new.key.as_ref(),
        new.at,
        &project.status,
        head,
        project.input_cursor,
        epoch,
        node,
        project.due,
        &project.state,
        birth.is_some(),
        (shared > 0).then_some(shared),
    ];
    tx.exec(SESSION, &row).await?;
    Ok(SessionRow {
        id: new.id.clone(),
        org: new.org.clone(),
        key: new.key.clone(),
        created: new.at,
        status: project.status.clone(),
        head,
        input_cursor: project.input_cursor,
        epoch,
        frozen: new.frozen.clone(),
        metadata: new.metadata.clone(),
        state,
    })
}

/// Every query of this file, for the test of their plans.
#[cfg(test)]
pub(crate) fn queries() -> Vec<String> {
    vec![BEFORE.to_owned()]
}
