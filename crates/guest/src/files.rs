//! File operations, each carried out by a child that has nothing but the
//! sandbox's own view: no descriptor and no memory of the guest, so that no
//! path, link or mount inside leads anywhere a command could not go.

mod change;
mod find;
mod look;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::child;
use crate::file::{FileError, FileFault, FileOp, FileOut, READ_CAP};
use crate::request::{Answer, MESSAGE_CAP, join, split};
use crate::runs::{FileResult, Runs};
use crate::sys;

/// A search through a large tree takes seconds; longer means it is stuck.
const DEADLINE: Duration = Duration::from_secs(60);

/// What an operation gives: the answer and its raw part.
type Outcome = Result<(FileOut, Vec<u8>), FileError>;

/// Begins an operation; the result says when it is done. It goes on whether or
/// not anybody waits.
#[must_use]
pub fn begin(runs: &Runs, op: FileOp) -> FileResult {
    let (tell, result) = watch::channel(None);
    let op = placed(runs, op);
    let child = child::fork_job(|| {
        let (answer, raw) = match carry_out(op) {
            Ok((out, raw)) => (Answer::File(out), raw),
            Err(error) => (Answer::NoFile(error), Vec::new()),
        };
        vec![join(&answer), raw]
    });
    let (pid, pipe) = match child {
        Ok(child) => child,
        Err(error) => {
            let message = format!("no process can be started: {error}");
            tell.send_replace(Some(failed(FileFault::Other, message)));
            return result;
        }
    };
    child::first_to_go(pid);
    let ended = runs.reaper().expect(pid);
    runs.spawn(async move {
        let said = timeout(DEADLINE, said(pipe)).await;
        let answer = match said {
            Ok(Ok((answer, raw))) => Arc::new((answer, raw)),
            Ok(Err(error)) => failed(
                FileFault::Other,
                format!("the operation was cut off: {error}"),
            ),
            Err(_) => failed(
                FileFault::Other,
                "the operation took longer than 60 s".to_owned(),
            ),
        };
        sys::signal(pid, libc::SIGKILL);
        // Its end is certain; only then may the answer say that nothing more happens.
        let _ = ended.await;
        tell.send_replace(Some(answer));
    });
    result
}

fn failed(fault: FileFault, message: String) -> Arc<(Answer, Bytes)> {
    Arc::new((Answer::NoFile(FileError { fault, message }), Bytes::new()))
}

async fn said(pipe: std::os::fd::OwnedFd) -> std::io::Result<(Answer, Bytes)> {
    let mut bytes = Vec::new();
    let pipe = pipe::Receiver::from_owned_fd(pipe)?;
    pipe.take(MESSAGE_CAP as u64)
        .read_to_end(&mut bytes)
        .await?;
    split(bytes.into()).map_err(std::io::Error::other)
}

/// The operation with its path as this program must open it.
fn placed(runs: &Runs, mut op: FileOp) -> FileOp {
    let (FileOp::Read { path, .. }
    | FileOp::Write { path, .. }
    | FileOp::Edit { path, .. }
    | FileOp::List { path, .. }
    | FileOp::Grep { path, .. }
    | FileOp::Glob { path, .. }
    | FileOp::Stat { path }) = &mut op;
    *path = runs.boot().inside(path);
    op
}

fn carry_out(op: FileOp) -> Outcome {
    let nothing_raw = |out| Ok((out, Vec::new()));
    match op {
        FileOp::Read { path, span } => look::read(Path::new(&path), span),
        FileOp::List { path, limit } => nothing_raw(look::list(Path::new(&path), limit)?),
        FileOp::Stat { path } => nothing_raw(look::stat(Path::new(&path))?),
        FileOp::Write { path, bytes } => nothing_raw(change::write(Path::new(&path), &bytes)?),
        FileOp::Edit {
            path,
            old,
            new,
            replace_all,
        } => nothing_raw(change::edit(Path::new(&path), &old, &new, replace_all)?),
        FileOp::Grep {
            path,
            pattern,
            glob,
            ignore_case,
            limit,
        } => {
            let glob = glob.as_deref();
            nothing_raw(find::grep(
                Path::new(&path),
                &pattern,
                glob,
                ignore_case,
                limit,
            )?)
        }
        FileOp::Glob {
            path,
            pattern,
            limit,
        } => nothing_raw(find::glob(Path::new(&path), &pattern, limit)?),
    }
}

/// What the system said about a path, as a file error.
fn at(path: &Path) -> impl Fn(std::io::Error) -> FileError + '_ {
    use std::io::ErrorKind as K;
    move |error| {
        let fault = match error.kind() {
            K::NotFound => FileFault::NotFound,
            K::PermissionDenied | K::ReadOnlyFilesystem => FileFault::Denied,
            K::IsADirectory | K::NotADirectory => FileFault::WrongKind,
            K::StorageFull | K::QuotaExceeded => FileFault::NoSpace,
            K::FileTooLarge => FileFault::TooLarge,
            _ => FileFault::Other,
        };
        FileError {
            fault,
            message: format!("{}: {}", path.display(), plain(&error)),
        }
    }
}

/// The system's words without its numbers.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

fn fault(path: &Path, fault: FileFault, words: &str) -> FileError {
    FileError {
        fault,
        message: format!("{}: {words}", path.display()),
    }
}

/// Opens a regular file for reading; anything else could block or never end.
fn open(path: &Path) -> Result<(std::fs::File, std::fs::Metadata), FileError> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(at(path))?;
    let meta = file.metadata().map_err(at(path))?;
    if meta.is_dir() {
        return Err(fault(path, FileFault::WrongKind, "is a folder"));
    }
    if !meta.is_file() {
        return Err(fault(path, FileFault::WrongKind, "is not a regular file"));
    }
    Ok((file, meta))
}

/// A whole text file of at most [`READ_CAP`] bytes.
fn open_text(path: &Path) -> Result<String, FileError> {
    use std::io::Read;
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(READ_CAP + 1)
        .read_to_end(&mut bytes)
        .map_err(at(path))?;
    if bytes.len() as u64 > READ_CAP {
        return Err(fault(path, FileFault::TooLarge, "is larger than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| fault(path, FileFault::Invalid, "is not UTF-8 text"))
}

#[cfg(test)]
mod tests;
