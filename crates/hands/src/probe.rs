//! What this machine can isolate, found out by doing it once.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use guest::exec::Exec;
use tokio::time::timeout;

use crate::caps::{Caps, Isolation};
use crate::checkpoint::Pieces;
use crate::config::{DriverKind, HandsConfig, Lookup, Stream, Target};
use crate::container::cgroup::Control;
use crate::error::Error;
use crate::hands::Hands;

/// A machine that needs longer than this for one command cannot be used.
const DEADLINE: Duration = Duration::from_secs(5);

const NO_ROOT: &str = "not run as root: sandboxes have one uid, the host's /usr can only be read \
    inside, and the disk of a sandbox is limited only by file; run `oc` as root";
const NO_DISK: &str = "the disk of a sandbox has no limit of its own: install e2fsprogs \
    (mkfs.ext4) and let `oc` use loop devices (/dev/loop-control)";
const NO_REDIRECT: &str = "the kernel has no nftables redirect: programs inside reach the network \
    only through HTTP_PROXY; enable CONFIG_NF_TABLES_INET and CONFIG_NFT_REDIR";
const CORE_HANDLER: &str = "the kernel hands crashes to a program or socket of the host \
    (/proc/sys/kernel/core_pattern), those inside sandboxes too: start `oc` with a hard limit of \
    core dumps above zero (LimitCORE=infinity), or write a plain file name to core_pattern";
const NO_ISOLATION: &str = "the process driver isolates nothing: commands have every right this \
    server has; use the container driver";

impl Hands {
    /// Starts one sandbox in a folder of its own below the configured one, runs a
    /// command and ends it. Other sandboxes are not touched.
    pub async fn probe(config: &HandsConfig) -> Caps {
        let dir = config.dir.join(format!("probe-{}", std::process::id()));
        let config = HandsConfig {
            dir: dir.clone(),
            warm: 0,
            ..config.clone()
        };
        let caps = match timeout(DEADLINE, tried(&config)).await {
            Ok(Ok(caps)) => caps,
            Ok(Err(error)) => without(&config, &error.to_string()),
            Err(_) => without(&config, "no command ended within 5 s"),
        };
        if let Err(error) = tokio::fs::remove_dir_all(&dir).await
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %dir.display(), "the probe's folder stays");
        }
        caps
    }
}

async fn tried(config: &HandsConfig) -> Result<Caps, Error> {
    let dial = Arc::new(|_: Target| {
        let refused = io::ErrorKind::ConnectionRefused;
        Box::pin(async move { Err::<Box<dyn Stream>, _>(refused.into()) }) as _
    });
    let resolve =
        Arc::new(|_: Lookup| Box::pin(async { Err(io::ErrorKind::NotFound.into()) }) as _);
    let hands = Hands::open(config.clone(), dial, resolve, Pieces::none()).await?;
    let caps = used(config, &hands).await;
    hands.reap(&HashSet::new()).await;
    hands.close().await;
    caps
}

async fn used(config: &HandsConfig, hands: &Hands) -> Result<Caps, Error> {
    let since = Instant::now();
    let sandbox = hands.obtain("probe", None, None).await?.sandbox;
    let status = Exec::new("status", &["cat", "/proc/self/status", "/proc/self/limits"]);
    let receipt = sandbox.exec(status, None).await?;
    let first_command_ms = Some(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
    let status = String::from_utf8_lossy(&receipt.output.head).into_owned();
    let mut caps = without(config, "");
    caps.works = Ok(());
    caps.first_command_ms = first_command_ms;
    let Some(walls) = hands.starter().walled() else {
        return Ok(caps);
    };
    let enforced = |what| walls.hierarchies.enforces(what).map(str::to_owned);
    let network = hands.network("probe");
    caps.isolation = if walls.root {
        Isolation::Full
    } else {
        Isolation::SingleUser
    };
    caps.root = walls.root;
    caps.idmap = walls.root;
    caps.cgroup = walls.hierarchies.kind().to_owned();
    caps.memory = enforced(Control::Memory);
    caps.cpu = enforced(Control::Cpu);
    caps.pids = enforced(Control::Pids);
    caps.disk = walls
        .own_disks
        .then(|| "ext4 image on a loop device".to_owned());
    caps.redirect = network.as_ref().is_some_and(|network| network.redirect);
    caps.seccomp = status
        .lines()
        .any(|line| line.split_whitespace().eq(["Seccomp:", "2"]));
    let limits = [
        ("memory", &caps.memory),
        ("cpu", &caps.cpu),
        ("pids", &caps.pids),
    ];
    let pattern = tokio::fs::read_to_string("/proc/sys/kernel/core_pattern").await;
    let pattern = pattern.unwrap_or_default();
    let unlimited = limits
        .iter()
        .filter(|(_, by)| by.is_none())
        .map(|(what, _)| {
            format!("no {what} limit: mount cgroups writable with the {what} controller")
        });
    caps.weaker = unlimited.collect();
    let more = [
        (walls.root, NO_ROOT),
        (walls.own_disks, NO_DISK),
        (caps.redirect, NO_REDIRECT),
        (crashes_stay_inside(&pattern, &status), CORE_HANDLER),
    ];
    caps.weaker.extend(
        more.iter()
            .filter(|(has, _)| !has)
            .map(|(_, words)| (*words).to_owned()),
    );
    Ok(caps)
}

/// Whether no program of the host is run for a crash inside. A pipe is left alone
/// where the limit is one byte, a socket is not.
fn crashes_stay_inside(pattern: &str, limits: &str) -> bool {
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    let one = core.is_some_and(|core| core.split_whitespace().take(2).eq(["1", "1"]));
    match pattern.as_bytes().first() {
        Some(b'|') => one,
        Some(b'@') => false,
        _ => true,
    }
}

/// What is known before anything was tried, with the reason it does not work.
fn without(config: &HandsConfig, why: &str) -> Caps {
    let process = config.driver == DriverKind::Process;
    let weaker = process.then(|| NO_ISOLATION.to_owned());
    Caps {
        driver: if process { "process" } else { "container" }.to_owned(),
        works: Err(why.to_owned()),
        isolation: Isolation::None,
        root: crate::container::is_root(),
        idmap: false,
        cgroup: "none".to_owned(),
        memory: None,
        cpu: None,
        pids: None,
        disk: None,
        redirect: false,
        seccomp: false,
        first_command_ms: None,
        weaker: weaker.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_handed_out_only_by_pipes_without_our_limit_and_by_sockets() {
        let ours = "Limit\nMax core file size         1         1         bytes\n";
        let none = "Limit\nMax core file size         0         0         bytes\n";
        for (pattern, limits, stays) in [
            ("core\n", none, true),
            ("/var/core.%p", none, true),
            ("|/usr/bin/handler %p\n", ours, true),
            ("|/usr/bin/handler %p\n", none, false),
            ("@/run/handler\n", ours, false),
            ("|/usr/bin/handler", "", false),
        ] {
            assert_eq!(crashes_stay_inside(pattern, limits), stays, "{pattern}");
        }
    }
}
