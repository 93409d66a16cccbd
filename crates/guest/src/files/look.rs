//! Looking: read, list, stat.

use std::fs::Metadata;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{Outcome, at, fault, open};
use crate::file::{Entry, FileError, FileFault, FileOut, Kind, READ_CAP, Span};

pub(super) fn read(path: &Path, span: Span) -> Outcome {
    let (mut file, meta) = open(path)?;
    let (bytes, more) = match span {
        Span::Bytes { offset, limit } => {
            file.seek(SeekFrom::Start(offset)).map_err(at(path))?;
            take(&mut file, limit.min(READ_CAP)).map_err(at(path))?
        }
        Span::Lines {
            first,
            count,
            limit,
        } => {
            let mut reader = BufReader::new(file);
            skip_lines(&mut reader, first.saturating_sub(1)).map_err(at(path))?;
            lines(&mut reader, count, limit.min(READ_CAP)).map_err(at(path))?
        }
    };
    Ok((
        FileOut::Read {
            bytes: Vec::new(),
            size: meta.len(),
            more,
        },
        bytes,
    ))
}

fn take(from: &mut impl Read, limit: u64) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    from.by_ref().take(limit).read_to_end(&mut bytes)?;
    let more = bytes.len() as u64 == limit && from.read(&mut [0u8; 1])? > 0;
    Ok((bytes, more))
}

fn skip_lines(from: &mut impl BufRead, mut count: u64) -> std::io::Result<()> {
    while count > 0 {
        let buf = from.fill_buf()?;
        if buf.is_empty() {
            return Ok(());
        }
        let used = match buf.iter().position(|&b| b == b'\n') {
            Some(at) => {
                count -= 1;
                at + 1
            }
            None => buf.len(),
        };
        from.consume(used);
    }
    Ok(())
}

fn lines(from: &mut impl BufRead, count: u64, limit: u64) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        let room = limit - bytes.len() as u64;
        let got = from.by_ref().take(room).read_until(b'\n', &mut bytes)?;
        if got == 0 || bytes.len() as u64 == limit {
            break;
        }
    }
    let more = !from.fill_buf()?.is_empty();
    Ok((bytes, more))
}

pub(super) fn list(path: &Path, limit: u32) -> Result<FileOut, FileError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(at(path))? {
        names.push(entry.map_err(at(path))?.file_name());
    }
    names.sort();
    let more = names.len() > limit as usize;
    let entries = names.into_iter().take(limit as usize).filter_map(|name| {
        // Gone since the listing: as if it had not been there.
        let meta = path.join(&name).symlink_metadata().ok()?;
        Some(entry(
            name.to_string_lossy().into_owned(),
            &path.join(&name),
            &meta,
        ))
    });
    Ok(FileOut::Listed {
        entries: entries.collect(),
        more,
    })
}

pub(super) fn stat(path: &Path) -> Result<FileOut, FileError> {
    let meta = path.symlink_metadata().map_err(at(path))?;
    let name = path
        .to_str()
        .ok_or_else(|| fault(path, FileFault::Invalid, "is not UTF-8"))?;
    Ok(FileOut::Stat(entry(name.to_owned(), path, &meta)))
}

fn entry(name: String, path: &Path, meta: &Metadata) -> Entry {
    let kind = if meta.is_file() {
        Kind::File
    } else if meta.is_dir() {
        Kind::Folder
    } else if meta.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    };
    let target = (kind == Kind::Link)
        .then(|| std::fs::read_link(path).ok())
        .flatten();
    Entry {
        name,
        kind,
        size: if kind == Kind::File { meta.len() } else { 0 },
        modified_ms: meta
            .mtime()
            .saturating_mul(1000)
            .saturating_add(meta.mtime_nsec() / 1_000_000),
        mode: meta.permissions().mode() & 0o7777,
        target: target.map(|target| target.to_string_lossy().into_owned()),
    }
}
