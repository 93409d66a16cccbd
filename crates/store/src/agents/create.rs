//! Making an agent, or finding the one that has its name.

use crate::Error;
use crate::agents::{AgentCreated, AgentRow, INSERT, NAMED, NUMBERED, NewAgent, read};
use crate::content::json;
use crate::credentials::Prepared;
use crate::db::{Tx, values};

/// Makes it with its first revision, and the key it brought along.
pub(super) async fn create(
    tx: &mut Tx<'_>,
    mut new: NewAgent,
    key: Option<Prepared>,
) -> Result<AgentCreated, Error> {
    let brought = key.is_some();
    if let Some(key) = &key {
        new.credential = Some(key.row.id.clone());
    }
    let agent = values![
        &new.id,
        &new.org,
        &new.name,
        &new.runtime,
        new.credential.as_ref(),
        json(&new.limits),
        new.at,
        json(&new.policy),
    ];
    let made = tx.exec(INSERT, &agent).await? == 1;
    if made {
        if let Some(key) = key {
            key.insert(tx).await?;
        }
        let prompt = new.prompt.clone().into_bytes();
        let revision = values![
            &new.id,
            1u64,
            &new.revision,
            prompt,
            &new.prompt_hash,
            &new.model,
            new.at,
            None::<String>
        ];
        tx.exec(NUMBERED, &revision).await?;
    }
    let row = tx.row(NAMED, &values![&new.org, &new.name]).await?;
    let row = read(row.ok_or(Error::NotFound)?)?;
    Ok(if made {
        AgentCreated::New(row)
    } else {
        compare(row, &new, brought)
    })
}

/// A key brought along is not compared: nobody can tell whether it is the same.
fn compare(row: AgentRow, new: &NewAgent, brought: bool) -> AgentCreated {
    let differs = [
        ("prompt", row.active.prompt != new.prompt),
        ("model", row.active.model != new.model),
        ("runtime", row.runtime != new.runtime),
        ("limits", row.limits != new.limits),
        (
            "on_interrupt",
            row.policy.on_interrupt != new.policy.on_interrupt,
        ),
        ("caps", row.policy.caps != new.policy.caps),
        ("egress", row.policy.egress != new.policy.egress),
        (
            "secret_store",
            row.policy.secret_store != new.policy.secret_store,
        ),
        ("credential", !brought && row.credential != new.credential),
    ];
    let differs: Vec<_> = differs
        .into_iter()
        .filter(|(_, yes)| *yes)
        .map(|(field, _)| field)
        .collect();
    if differs.is_empty() {
        AgentCreated::Same(row)
    } else {
        AgentCreated::Differs(row, differs)
    }
}
