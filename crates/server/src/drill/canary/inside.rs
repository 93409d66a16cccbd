//! What is inside the living sandboxes, hands' and brains', as the host sees it:
//! each process's environment, command line and memory, and the files as the
//! processes see them, those that are in memory only among them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::needles::{Needles, Tally};
use super::report::Place;
use super::search;
use crate::drill::sandboxes;

/// What the host lends a sandbox, or the kernel makes up: nothing was written there.
const LENT: [&str; 10] = [
    "proc",
    "sys",
    "usr",
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "opt/runtime",
];

/// Bytes of the table of pages that are read at once.
const ENTRIES: usize = 64 * 1024;

/// Searches all sandboxes of that data folder.
pub(super) fn look(data: &Path, needles: &Needles) -> Vec<Place> {
    let mut environment = Place::new("environment of processes inside");
    let mut lines = Place::new("command lines inside");
    let mut memory = Place::new("memory of processes inside");
    let mut inside = Place::new("files inside");
    for first in sandboxes::first(data) {
        for pid in housemates(first) {
            let proc = PathBuf::from(format!("/proc/{pid}"));
            let name = name(pid);
            let read = |what: &str| fs::read(proc.join(what)).map(|bytes| needles.count(&bytes));
            environment.try_add(&name, read("environ"));
            lines.try_add(&name, read("cmdline"));
            memory.try_add(&name, pages(&proc, needles));
        }
        files(first, needles, &mut inside);
    }
    vec![environment, lines, memory, inside]
}

fn name(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{} ({pid})", name.trim())
}

/// All processes of the sandbox whose first process that is.
fn housemates(first: i32) -> BTreeSet<i32> {
    let space = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = space(first);
    let mut all = BTreeSet::from([first]);
    // Without a space of its own there is no telling who belongs to it.
    if own.is_none() || own == fs::read_link("/proc/self/ns/pid").ok() {
        return all;
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.extend(pids.filter(|pid| space(*pid) == own));
    all
}

/// The memory of a process, but for what is mapped from files and was not changed.
fn pages(proc: &Path, needles: &Needles) -> io::Result<Tally> {
    let maps = fs::read_to_string(proc.join("maps"))?;
    let memory = File::open(proc.join("mem"))?;
    let table = File::open(proc.join("pagemap"))?;
    let size = page_size();
    let ranges = maps.lines().filter_map(written);
    let touched = ranges.flat_map(|range| touched(&table, range, size));
    let mut all = Tally::default();
    for (from, to) in touched {
        // Pages may go while they are read.
        let found = needles.range(from, to, |into, at| memory.read_at(into, at));
        if let Ok(found) = found {
            all.bytes += found.bytes;
            all.hits += found.hits;
        }
    }
    match all.bytes {
        0 => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Ok(all),
    }
}

/// The parts of a range that have pages: engines reserve gigabytes and use little.
/// Where the kernel does not say, that is the whole range.
fn touched(table: &File, (from, to): (u64, u64), size: u64) -> Vec<(u64, u64)> {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    let mut entries = vec![0; ENTRIES];
    let mut at = from;
    while at < to {
        let wanted = usize::try_from((to - at) / size * 8).unwrap_or(ENTRIES);
        let wanted = wanted.clamp(8, ENTRIES);
        let Ok(got) = table.read_at(&mut entries[..wanted], at / size * 8) else {
            return vec![(from, to)];
        };
        if got < 8 {
            return vec![(from, to)];
        }
        for entry in entries[..got].chunks_exact(8) {
            // Bits 63 and 62, present and swapped out, of a number whose last byte is highest.
            if entry[7] >> 6 != 0 {
                match parts.last_mut() {
                    Some(last) if last.1 == at => last.1 = at + size,
                    _ => parts.push((at, at + size)),
                }
            }
            at += size;
        }
    }
    parts
}

/// Bytes of a page.
fn page_size() -> u64 {
    let told = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("MMUPageSize:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(4) * 1024
}

/// The range of a line of `maps`, if it can be read and written.
fn written(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    if !rest.starts_with("rw") {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(from)?, number(to)?))
}

fn files(first: i32, needles: &Needles, place: &mut Place) {
    let root = PathBuf::from(format!("/proc/{first}/root"));
    let lent = |path: &Path| {
        let path = path.strip_prefix(&root).unwrap_or(path);
        let device = path.parent() == Some(Path::new("dev")) && !path.ends_with("shm");
        device || LENT.iter().any(|lent| path == Path::new(lent))
    };
    // What was written has to be on the disk, too, when that is searched.
    if let Ok(folder) = File::open(root.join("workspace")) {
        let _ = nix::unistd::syncfs(&folder);
    }
    for path in search::files(&root, &lent) {
        let name = path
            .strip_prefix(&root)
            .unwrap_or(&path)
            .display()
            .to_string();
        place.try_add(&format!("/{name}"), search::file(&path, needles));
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::needles::Canary;
    use super::*;

    #[test]
    fn a_value_in_the_environment_is_found_there_and_in_memory() {
        let canary = Canary::fresh("key".to_owned());
        let needles = Needles::new(std::slice::from_ref(&canary)).unwrap();
        let mut child = Command::new("cat")
            .env("CANARY", &canary.value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It runs what it was started for once it answers.
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        io::Write::write_all(&mut input, b"x").unwrap();
        io::Read::read_exact(&mut output, &mut [0]).unwrap();
        let proc = PathBuf::from(format!("/proc/{}", child.id()));
        assert!(pages(&proc, &needles).unwrap().hits > 0);
        let other = Needles::new(&[Canary::fresh("other".to_owned())]).unwrap();
        assert_eq!(pages(&proc, &other).unwrap().hits, 0);
        drop(input);
        child.wait().unwrap();
    }

    #[test]
    fn only_what_a_process_may_have_written_is_searched() {
        let line = "7f00-8f00 rw-p 00000000 00:00 0 [heap]";
        assert_eq!(written(line), Some((0x7f00, 0x8f00)));
        assert_eq!(
            written("7f00-8f00 r-xp 00000000 fd:00 1 /usr/bin/cat"),
            None
        );
        assert_eq!(written("nonsense"), None);
    }
}
