//! What sandboxes are worth here, found out by really starting one.

use hands::{Caps, Hands, Isolation};

use super::{Check, State};
use crate::config::Config;

pub(super) async fn look(config: &Config) -> Vec<Check> {
    let mut hands = crate::node::hands_config(config);
    // The data folder itself where there is one, so that the same disk is tried.
    let elsewhere = (!config.node.data.is_dir())
        .then(|| std::env::temp_dir().join(format!("oc-doctor-{}", std::process::id())));
    if let Some(folder) = &elsewhere {
        hands.dir.clone_from(folder);
    }
    let caps = Hands::probe(&hands).await;
    if let Some(folder) = &elsewhere {
        let _ = std::fs::remove_dir_all(folder);
    }
    checks(&caps)
}

fn checks(caps: &Caps) -> Vec<Check> {
    let mut checks = vec![start(caps)];
    if caps.works.is_err() {
        return checks;
    }
    checks.push(isolation(caps));
    let controller = format!(
        "mount cgroups writable with this controller for the server (now: {}); with systemd: Delegate=yes",
        caps.cgroup
    );
    let limits = [
        ("memory limit", &caps.memory, controller.as_str()),
        ("cpu limit", &caps.cpu, &controller),
        ("process limit", &caps.pids, &controller),
        (
            "disk limit",
            &caps.disk,
            "run as root, install e2fsprogs (mkfs.ext4) and allow loop devices (/dev/loop-control)",
        ),
    ];
    checks.extend(limits.map(|(name, by, fix)| limit(name, by.as_deref(), fix)));
    checks.push(if caps.redirect {
        Check::ok("egress", "every connection goes through the gate")
    } else {
        Check::weaker(
            "egress",
            "only programs that use the proxy variables reach the network",
            "load nf_tables with its nat and redirect modules: modprobe nft_redir",
        )
    });
    checks.push(if caps.seccomp {
        Check::ok("seccomp", "dangerous system calls are refused")
    } else {
        Check::weaker(
            "seccomp",
            "system calls are not filtered",
            "use a kernel with CONFIG_SECCOMP_FILTER",
        )
    });
    // The hands tell their weaknesses themselves; what stands above already is not said again.
    if checks.iter().all(|check| check.state == State::Ok) {
        checks.extend(caps.weaker.iter().map(|note| Check {
            name: "note",
            state: State::Weaker,
            found: note.clone(),
            fix: None,
        }));
    }
    checks
}

fn start(caps: &Caps) -> Check {
    match &caps.works {
        Ok(()) => {
            let took = caps
                .first_command_ms
                .map(|ms| format!(" in {ms} ms"))
                .unwrap_or_default();
            Check::ok(
                "sandbox",
                format!("a {} started and ran a command{took}", caps.driver),
            )
        }
        Err(why) => Check::missing(
            "sandbox",
            format!("no {} starts here: {why}", caps.driver),
            "see the lines above; --sandbox-driver process runs without isolation, for development only",
        ),
    }
}

fn isolation(caps: &Caps) -> Check {
    match caps.isolation {
        Isolation::Full => Check::ok(
            "isolation",
            "namespaces, user ids of its own, no capabilities",
        ),
        Isolation::SingleUser => Check::weaker(
            "isolation",
            "namespaces and no capabilities, but the server's own user id",
            "run the server as root",
        ),
        Isolation::None => Check::weaker(
            "isolation",
            "NONE: commands run as plain processes of this machine",
            "use --sandbox-driver container",
        ),
    }
}

fn limit(name: &'static str, by: Option<&str>, fix: &str) -> Check {
    match by {
        Some(by) => Check::ok(name, by),
        None => Check::weaker(name, "not enforced", fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps() -> Caps {
        let by = || Some("cgroup v2".to_owned());
        Caps {
            driver: "container".into(),
            works: Ok(()),
            isolation: Isolation::Full,
            root: true,
            idmap: true,
            cgroup: "v2".into(),
            memory: by(),
            cpu: by(),
            pids: by(),
            disk: by(),
            redirect: true,
            seccomp: true,
            first_command_ms: Some(9),
            weaker: vec![],
        }
    }

    #[test]
    fn all_is_well_where_all_is_there() {
        assert!(checks(&caps()).iter().all(|check| check.state == State::Ok));
    }

    #[test]
    fn each_weakness_is_told() {
        let table: [(&str, Caps); 5] = [
            (
                "isolation",
                Caps {
                    isolation: Isolation::SingleUser,
                    ..caps()
                },
            ),
            (
                "disk limit",
                Caps {
                    disk: None,
                    ..caps()
                },
            ),
            (
                "egress",
                Caps {
                    redirect: false,
                    ..caps()
                },
            ),
            (
                "seccomp",
                Caps {
                    seccomp: false,
                    ..caps()
                },
            ),
            (
                "note",
                Caps {
                    weaker: vec!["slow".into()],
                    ..caps()
                },
            ),
        ];
        for (name, caps) in table {
            let weak: Vec<Check> = checks(&caps)
                .into_iter()
                .filter(|check| check.state == State::Weaker)
                .collect();
            assert_eq!(
                weak.iter().map(|check| check.name).collect::<Vec<_>>(),
                [name]
            );
        }
    }

    #[test]
    fn where_nothing_starts_only_that_is_told() {
        let all = checks(&Caps {
            works: Err("no user namespaces".into()),
            ..caps()
        });
        assert_eq!(all.len(), 1);
        assert!(all[0].state == State::Missing && all[0].found.contains("no user namespaces"));
    }
}
