//! Which folders of the host a sandbox may be shown, and where.

use std::path::{Component, Path};

use crate::error::Error;
use crate::hands::Wanted;

/// What a sandbox has of its own there.
const TAKEN: [&str; 7] = ["usr", "proc", "dev", "sys", "etc", "tmp", "workspace"];

/// Refuses what cannot be had.
pub(crate) fn check(wanted: &Wanted<'_>, walled: bool) -> Result<(), Error> {
    if wanted.mounts.is_empty() {
        return Ok(());
    }
    if !walled {
        return refused("the process driver shows no folders of the host");
    }
    // Links among restored files could lead a mount anywhere.
    if wanted.from.is_some() {
        return refused("a restored sandbox is shown no folders of the host");
    }
    for mount in &wanted.mounts {
        if !mount.host.is_absolute() || !mount.host.is_dir() {
            return refused(&format!("{} is no folder", mount.host.display()));
        }
        if !fit(&mount.inside) {
            return refused(&format!(
                "nothing can be shown at {}",
                mount.inside.display()
            ));
        }
    }
    Ok(())
}

fn refused(why: &str) -> Result<(), Error> {
    Err(Error::Refused(why.to_owned()))
}

/// Whether it names a place below the root that is nobody's.
fn fit(inside: &Path) -> bool {
    let mut parts = inside.components();
    if parts.next() != Some(Component::RootDir) {
        return false;
    }
    let mut parts = parts.peekable();
    let first = parts.peek().copied();
    let free = |part: Component<'_>| match part {
        Component::Normal(name) => !TAKEN.iter().any(|taken| name == *taken),
        _ => false,
    };
    first.is_some_and(free) && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_shown_only_where_nothing_else_is() {
        for (inside, fits) in [
            ("/opt/runtime", true),
            ("/opt", true),
            ("/", false),
            ("opt/runtime", false),
            ("/opt/../etc", false),
            ("/proc/x", false),
            ("/usr/local/x", false),
            ("/etc", false),
            ("/workspace/x", false),
        ] {
            assert_eq!(fit(Path::new(inside)), fits, "{inside}");
        }
    }
}
