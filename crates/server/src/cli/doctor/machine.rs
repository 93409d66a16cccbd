//! The kernel, who we are on it, and what of the host sandboxes are built from.

use std::path::Path;

use nix::unistd::Uid;

use super::Check;

/// The kernel whose overlay and id-mapped mounts we need.
const OLDEST: (u32, u32) = (5, 12);

pub(super) fn look() -> Vec<Check> {
    vec![
        kernel(&read("/proc/sys/kernel/osrelease")),
        user(Uid::effective().is_root()),
        python(),
    ]
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn kernel(release: &str) -> Check {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= OLDEST {
        Check::ok("kernel", format!("Linux {release}"))
    } else {
        Check::missing(
            "kernel",
            format!("Linux {release}"),
            "use Linux 5.12 or newer: sandboxes need its id-mapped mounts",
        )
    }
}

fn user(root: bool) -> Check {
    if root {
        return Check::ok(
            "user",
            "root: each sandbox gets a range of user ids of its own",
        );
    }
    let forbidden = read("/proc/sys/kernel/unprivileged_userns_clone") == "0"
        || read("/proc/sys/user/max_user_namespaces") == "0";
    let restricted = read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1";
    if forbidden {
        let fix = "run as root, or: sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000";
        return Check::missing(
            "user",
            "an ordinary user, and the kernel lets none make user namespaces",
            fix,
        );
    }
    if restricted {
        let fix = "run as root, or: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
        return Check::missing(
            "user",
            "an ordinary user, and AppArmor restricts user namespaces",
            fix,
        );
    }
    Check::weaker(
        "user",
        "an ordinary user: sandboxes share its user id on the host",
        "run as root for a range of user ids per sandbox",
    )
}

/// Sandboxes see the host's /usr and nothing else of it.
fn python() -> Check {
    let places = ["/usr/bin/python3", "/usr/local/bin/python3"];
    match places.iter().find(|place| Path::new(place).exists()) {
        Some(place) => Check::ok("python3", format!("{place}, in sandboxes too")),
        None => Check::weaker(
            "python3",
            "not below /usr, so not in sandboxes",
            "install the distribution's python3, if agents should have it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn an_old_kernel_is_told_from_a_new_one() {
        let table = [
            ("6.18.44-fc", State::Ok),
            ("5.12.0", State::Ok),
            ("5.4.0-42-generic", State::Missing),
            ("", State::Missing),
            ("10.1", State::Ok),
        ];
        for (release, want) in table {
            assert_eq!(kernel(release).state, want, "{release}");
        }
    }

    #[test]
    fn whatever_is_not_well_says_how_to_fix_it() {
        for check in look()
            .into_iter()
            .chain([kernel("4.0"), user(false), user(true)])
        {
            assert_eq!(check.fix.is_some(), check.state != State::Ok, "{check:?}");
        }
    }
}
