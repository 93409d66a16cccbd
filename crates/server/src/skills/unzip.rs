//! Reading an archive: what its header says of sizes is not believed, links and
//! devices are refused, and what archivers leave beside the files is passed over.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::{BYTES, FILES, File, Unfit, too_large};

/// The bits of a mode that say what kind of file it is, and that of a plain one.
const KIND: u32 = 0o170_000;
const PLAIN: u32 = 0o100_000;
/// The bit that lets a file's owner run it.
const RUNS: u32 = 0o100;

/// The files of an archive.
///
/// # Errors
/// If it cannot be read, or holds more or other things than skills may.
pub fn unzip(archive: &[u8]) -> Result<Vec<File>, Unfit> {
    let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(unreadable)?;
    let (mut files, mut left) = (Vec::new(), BYTES);
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).map_err(unreadable)?;
        let path = match std::str::from_utf8(entry.name_raw()) {
            Ok(path) => path.to_owned(),
            Err(_) => return Err(Unfit("the name of a file is not UTF-8".to_owned())),
        };
        if entry.is_dir() || is_litter(&path) {
            continue;
        }
        if files.len() == FILES {
            return Err(Unfit(format!("there are more than {FILES} files")));
        }
        let mode = mode(&path, entry.unix_mode())?;
        let content = text(&path, &mut entry, left)?;
        left -= content.len();
        files.push(File {
            path,
            mode,
            content,
        });
    }
    Ok(files)
}

fn unreadable(error: impl std::fmt::Display) -> Unfit {
    Unfit(format!("the zip archive cannot be read: {error}"))
}

/// What archivers and file browsers leave behind.
fn is_litter(path: &str) -> bool {
    path.starts_with("__MACOSX/") || path.rsplit('/').next() == Some(".DS_Store")
}

/// 0755 for what may be run, else 0644.
fn mode(path: &str, told: Option<u32>) -> Result<u32, Unfit> {
    let told = told.unwrap_or(PLAIN);
    if !matches!(told & KIND, 0 | PLAIN) {
        let message = format!("`{path}` is neither a plain file nor a folder");
        return Err(Unfit(message));
    }
    Ok(if told & RUNS == 0 { 0o644 } else { 0o755 })
}

/// The text of a file, if it has no more than that many bytes.
fn text<R: Read>(path: &str, entry: &mut ZipFile<'_, R>, most: usize) -> Result<String, Unfit> {
    let mut bytes = Vec::new();
    let unreadable = |error| Unfit(format!("`{path}` cannot be unpacked: {error}"));
    let mut part = entry.take(most as u64 + 1);
    part.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > most {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|_| Unfit(format!("`{path}` is not UTF-8 text")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, mode, content) in entries {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            zip.start_file(*path, options).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn why(archive: &[u8]) -> String {
        unzip(archive).unwrap_err().to_string()
    }

    #[test]
    fn files_come_with_their_text_and_one_of_two_modes() {
        let files = unzip(&archive(&[
            ("a/SKILL.md", 0o600, b"x"),
            ("a/run", 0o700, b"y"),
            ("__MACOSX/a/._run", 0o644, &[0xff]),
            ("a/.DS_Store", 0o644, &[0xff]),
        ]));
        let file = |path: &str, mode, content: &str| File {
            path: path.to_owned(),
            mode,
            content: content.to_owned(),
        };
        let want = [file("a/SKILL.md", 0o644, "x"), file("a/run", 0o755, "y")];
        assert_eq!(files.unwrap(), want);
    }

    #[test]
    fn what_is_no_archive_or_no_text_is_refused_by_name() {
        assert!(why(b"").contains("cannot be read"));
        assert!(why(b"PK\x03\x04 and so on").contains("cannot be read"));
        let mut cut = archive(&[("a/SKILL.md", 0o644, b"some text")]);
        cut.truncate(cut.len() - 30);
        assert!(why(&cut).contains("cannot be read"));
        let binary = archive(&[("a/b", 0o644, &[0xff])]);
        assert_eq!(why(&binary), "`a/b` is not UTF-8 text");
    }

    #[test]
    fn content_that_is_not_what_was_packed_is_refused() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file("a/b", stored).unwrap();
        zip.write_all(b"content").unwrap();
        let mut bytes = zip.finish().unwrap().into_inner();
        let at = bytes
            .windows(7)
            .position(|part| part == b"content")
            .unwrap();
        bytes[at] = b'k';
        assert!(why(&bytes).starts_with("`a/b` cannot be unpacked"));
    }

    #[test]
    fn a_link_is_refused() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        zip.add_symlink("a/link", "/etc/passwd", options).unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        assert_eq!(why(&bytes), "`a/link` is neither a plain file nor a folder");
    }

    #[test]
    fn a_bomb_is_refused_however_small_it_says_it_is() {
        let zeros = vec![0; 8 * 1024 * 1024];
        let mut bytes = archive(&[("a/b", 0o644, &zeros)]);
        assert!(bytes.len() < BYTES / 8);
        assert_eq!(why(&bytes), too_large().to_string());
        // The sizes that both headers tell.
        let told = u32::try_from(zeros.len()).unwrap().to_le_bytes();
        for at in 0..bytes.len() - 4 {
            if bytes[at..at + 4] == told {
                bytes[at..at + 4].copy_from_slice(&9u32.to_le_bytes());
            }
        }
        assert!(unzip(&bytes).is_err());
        let halves = vec![b'x'; BYTES / 2 + 1];
        let two = archive(&[("a/b", 0o644, &halves), ("a/c", 0o644, &halves)]);
        assert_eq!(why(&two), too_large().to_string());
    }

    #[test]
    fn too_many_files_are_refused() {
        let names: Vec<_> = (0..=FILES).map(|number| format!("a/{number}")).collect();
        let entries = |count: usize| {
            let all: Vec<_> = names[..count]
                .iter()
                .map(|name| (name.as_str(), 0o644, &b"x"[..]))
                .collect();
            archive(&all)
        };
        assert_eq!(unzip(&entries(FILES)).unwrap().len(), FILES);
        assert_eq!(why(&entries(FILES + 1)), "there are more than 64 files");
    }
}
