//! What is known of a sandbox's files from its last checkpoint.

use std::collections::HashMap;

use super::manifest::{Kind, Layer, Manifest, Thing};
use super::seen::{Seen, Stamp};
use super::walk::Walked;

/// A pack with less than this part of its content in use is written anew.
const LIVE_PERCENT: u64 = 40;
/// Packs below this size are small.
const SMALL: u32 = 1 << 20;
/// More small packs than this are put together.
const MOST_SMALL: usize = 16;

/// Takes over the content of every file that is as it was; the others stay to be read.
pub(super) fn take_known(walked: &mut [Walked], last: &Manifest, seen: &Seen) {
    for (n, now) in walked.iter_mut().enumerate() {
        let Some(then) = last
            .layers
            .get(n)
            .filter(|then| then.place == now.layer.place)
        else {
            continue;
        };
        let before = counterparts(&now.layer, then);
        let Walked {
            layer,
            stamps,
            unread,
            ..
        } = now;
        unread.retain(|(folder, thing)| {
            let (folder, number) = (*folder as usize, *thing as usize);
            let stamp = stamps.get(folder).and_then(|stamps| stamps.get(number));
            let things = layer.folders.get_mut(folder).map(|f| &mut f.things);
            let thing = things.and_then(|things| things.get_mut(number));
            let (Some(thing), Some(stamp)) = (thing, stamp) else {
                return true;
            };
            let old = before.get(folder).copied().flatten();
            let old = old.and_then(|old| known(thing, *stamp, then, (n, old), seen));
            match old {
                Some(old) => {
                    *thing = old.clone();
                    false
                }
                None => true,
            }
        });
    }
}

/// What a thing was, if it still is, in the folder of that number.
fn known<'a>(
    thing: &Thing,
    stamp: Stamp,
    then: &'a Layer,
    (layer, folder): (usize, usize),
    seen: &Seen,
) -> Option<&'a Thing> {
    let things = &then.folders.get(folder)?.things;
    let at = things
        .binary_search_by(|old| old.name.cmp(&thing.name))
        .ok()?;
    let (old, before) = (things.get(at)?, seen.of(layer, folder).get(at)?);
    (seen.same(stamp, *before) && alike(thing, old)).then_some(old)
}

/// Both are files of that length and time.
fn alike(now: &Thing, then: &Thing) -> bool {
    let times = |thing: &Thing| (thing.meta.secs, thing.meta.nanos);
    match (&now.kind, &then.kind) {
        (Kind::File { size: a, .. }, Kind::File { size: b, .. }) => {
            a == b && times(now) == times(then)
        }
        _ => false,
    }
}

/// For each folder, the number it had.
fn counterparts(now: &Layer, then: &Layer) -> Vec<Option<usize>> {
    let numbers = 0u32..;
    let places: HashMap<(u32, &[u8]), u32> = numbers
        .zip(&then.folders)
        .skip(1)
        .map(|(n, folder)| ((folder.parent, &folder.name[..]), n))
        .collect();
    let mut found: Vec<Option<u32>> = Vec::with_capacity(now.folders.len());
    for (n, folder) in now.folders.iter().enumerate() {
        let parent = found.get(folder.parent as usize).copied().flatten();
        let number = if n == 0 {
            (!then.folders.is_empty()).then_some(0)
        } else {
            parent.and_then(|parent| places.get(&(parent, &folder.name[..])).copied())
        };
        found.push(number);
    }
    found.into_iter().map(|n| n.map(|n| n as usize)).collect()
}

/// Which packs are not worth keeping: those mostly dead, and small ones once they
/// are many. What is still in use of them is read from the files and put anew.
pub(super) fn tired(last: &Manifest) -> Vec<bool> {
    let mut live = vec![0u64; last.packs.len()];
    for chunk in &last.chunks {
        if let Some(live) = live.get_mut(chunk.pack as usize) {
            *live += u64::from(chunk.len);
        }
    }
    let small = last.packs.iter().filter(|pack| pack.raw < SMALL).count();
    let merge = small > MOST_SMALL;
    let tired = last.packs.iter().zip(live).map(|(pack, live)| {
        live * 100 < u64::from(pack.raw) * LIVE_PERCENT || merge && pack.raw < SMALL
    });
    tired.collect()
}

/// Whether all is as it was; only meaningful once nothing is unread.
pub(super) fn nothing_changed(now: &[Walked], last: &Manifest) -> bool {
    now.len() == last.layers.len()
        && now
            .iter()
            .zip(&last.layers)
            .all(|(now, then)| now.layer == *then)
}

/// Files with content in packs that are not worth keeping are to be read again.
pub(super) fn forget_tired(walked: &mut [Walked], last: &Manifest, tired: &[bool]) {
    if !tired.contains(&true) {
        return;
    }
    let is_tired = |chunk: u32| {
        let pack = last
            .chunks
            .get(chunk as usize)
            .map(|chunk| chunk.pack as usize);
        pack.and_then(|pack| tired.get(pack))
            .copied()
            .unwrap_or(false)
    };
    for walked in walked {
        for (f, folder) in (0u32..).zip(&mut walked.layer.folders) {
            for (t, thing) in (0u32..).zip(&mut folder.things) {
                if let Kind::File { parts, .. } = &mut thing.kind
                    && parts.iter().any(|part| is_tired(part.chunk))
                {
                    parts.clear();
                    walked.unread.push((f, t));
                }
            }
        }
        walked.unread.sort_unstable();
    }
}
