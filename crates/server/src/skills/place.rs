//! Putting a session's skills into a new sandbox, before anything runs in it.

use std::time::Duration;

use brain::SKILLS_FOLDER;
use hands::{Error, Exec, FileOp, Sandbox};
use session::Frozen;

use super::{Bundle, File};
use crate::app::App;

/// How requests of this are named in a sandbox: no call can have such a name.
const ID: &str = "skills";

/// Writes the files of a session's skills, if it has any.
///
/// # Errors
/// [`Error::Launch`] if they cannot be had, or cannot be where they are told to
/// be; and those of the sandbox.
pub async fn place(
    app: &App,
    session: &str,
    frozen: &Frozen,
    sandbox: &dyn Sandbox,
) -> Result<(), Error> {
    let Some(skills) = &frozen.skills else {
        return Ok(());
    };
    if app.config.sandboxes.sandbox_driver == "process" {
        // A plain process has the server's own root: nothing is written there.
        tracing::warn!(session, "there is no sandbox to put its skills into");
        return Ok(());
    }
    let most = Duration::from_secs(app.config.sandboxes.sandbox_start_seconds);
    let placing = async {
        let files = files(app, session, &skills.digest).await?;
        write(sandbox, files).await
    };
    tokio::time::timeout(most, placing)
        .await
        .map_err(|_| Error::Launch("its skills were not written in time".to_owned()))?
}

async fn files(app: &App, session: &str, digest: &str) -> Result<Vec<File>, Error> {
    let failed = |error: store::Error| Error::Launch(format!("its skills cannot be read: {error}"));
    let org = app.store.org_of(session).await.map_err(failed)?;
    let bytes = app.store.skills_get(&org, digest).await.map_err(failed)?;
    Bundle::files(&bytes).ok_or_else(|| failed(store::Error::Damaged(digest.to_owned())))
}

async fn write(sandbox: &dyn Sandbox, files: Vec<File>) -> Result<(), Error> {
    let mut run = Exec::new(ID, &["chmod", "755", "--"]);
    let plain = run.argv.len();
    for (number, file) in files.into_iter().enumerate() {
        let path = format!("{SKILLS_FOLDER}/{}", file.path);
        if file.mode != 0o644 {
            run.argv.push(path.clone());
        }
        let bytes = file.content.into_bytes();
        let id = format!("{ID}.{number}");
        sandbox.file(&id, FileOp::Write { path, bytes }).await?;
        sandbox.ack(&id).await?;
    }
    if run.argv.len() == plain {
        return Ok(());
    }
    let ran = sandbox.exec(run, None).await?;
    sandbox.ack(ID).await?;
    match ran.exit_code {
        Some(0) => Ok(()),
        _ => Err(Error::Launch(
            "the programs of its skills cannot be made executable".to_owned(),
        )),
    }
}
