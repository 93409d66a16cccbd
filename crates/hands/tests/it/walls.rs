//! What a hostile command cannot do.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use hands::{Hands, Pieces, Sandbox};

use crate::support::{Bench, Folder, config, fresh, no_dial, no_resolve, run, says, text};

/// Runs a line that must fail, or print what is expected of it.
async fn denied(sandbox: &Arc<dyn Sandbox>, line: &str) {
    let receipt = run(sandbox, line).await;
    assert_ne!(receipt.exit_code, Some(0), "{line}: {}", text(&receipt));
}

#[tokio::test]
async fn the_hosts_files_are_not_there() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let secret = bench.dir.path().join("secret");
    std::fs::write(&secret, "host secret").unwrap();
    denied(&sandbox, &format!("cat {}", secret.display())).await;
    for empty in [
        "/root",
        "/home",
        "/srv",
        "/opt",
        "/mnt",
        "/tmp",
        "/workspace",
        "/sys",
    ] {
        assert_eq!(
            says(&sandbox, &format!("ls -A {empty}")).await,
            "",
            "{empty}"
        );
    }
    for gone in [
        "/work",
        "/farm",
        "/boot",
        "/lost+found",
        "/etc/ssh",
        "/.dockerenv",
    ] {
        denied(&sandbox, &format!("ls -d {gone}")).await;
    }
    let shadow = says(&sandbox, "cat /etc/shadow").await;
    assert!(!shadow.contains('$'), "{shadow}");
    let mounts = says(&sandbox, "cat /proc/self/mountinfo").await;
    let data = bench
        .dir
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let visible: Vec<_> = mounts.lines().filter(|line| line.contains(&data)).collect();
    // The options of an overlay name its layers; that is a name, not a way.
    assert!(
        visible.iter().all(|line| line.contains(" - overlay ")),
        "{visible:?}"
    );
    bench.end().await;
}

#[tokio::test]
async fn the_hosts_processes_are_not_there_and_the_guest_cannot_be_touched() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let pids = says(&sandbox, "ls /proc | grep -c '^[0-9]'").await;
    assert!(pids.parse::<u32>().unwrap() <= 4, "{pids}");
    for line in [
        "cat /proc/1/environ",
        "ls /proc/1/fd",
        "ls /proc/1/cwd/",
        "ls /proc/1/root/",
        "cat /proc/1/maps",
        "head -c1 /proc/1/mem",
        "readlink /proc/1/exe",
        "readlink /proc/1/ns/net",
        "echo -1000 > /proc/1/oom_score_adj",
    ] {
        denied(&sandbox, line).await;
    }
    run(
        &sandbox,
        "kill -9 1; kill -STOP 1; kill -TERM 1; kill -SEGV 1",
    )
    .await;
    assert_eq!(says(&sandbox, "echo still there").await, "still there");
    run(&sandbox, "kill -9 -1").await;
    assert_eq!(says(&sandbox, "echo still there").await, "still there");
    bench.end().await;
}

const ATTACH: &str = "python3 -c 'import ctypes,sys; l=ctypes.CDLL(None,use_errno=True); \
    sys.exit(0 if l.ptrace(16,1,0,0)==0 else 1)'";
const UNSHARE: &str = "python3 -c 'import ctypes,sys; l=ctypes.CDLL(None,use_errno=True); \
    sys.exit(0 if l.unshare(0x10000000)==0 else 1)'";
const CLONE: &str = "python3 -c 'import ctypes,sys; l=ctypes.CDLL(None,use_errno=True); \
    sys.exit(0 if l.syscall(56,0x10000000|17,0,0,0,0)>=0 else 1)'";
const LIMIT_GUEST: &str =
    "python3 -c 'import resource; resource.prlimit(1,resource.RLIMIT_NOFILE,(0,0))'";

#[tokio::test]
async fn nothing_that_needs_privilege_is_permitted() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let status = says(&sandbox, "cat /proc/self/status").await;
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(line), "{line} in {status}");
    }
    for line in [
        "mount -t tmpfs none /mnt",
        "mount --bind /etc /mnt",
        "umount /proc/kcore",
        "unshare -U true",
        "unshare -r true",
        "unshare -n true",
        "unshare -m true",
        "nsenter -t 1 -m true",
        "chroot / true",
        "mknod /tmp/sda b 8 0",
        "mknod /tmp/mem c 1 1",
        "hostname other",
        "date -s 2001-01-01",
        "dmesg",
        "swapon /workspace",
        "losetup -f",
        "chown nobody /tmp",
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
        "head -c1 /proc/kcore | grep -q .",
        "cat /proc/timer_list | grep -q .",
        ATTACH,
        UNSHARE,
        CLONE,
        LIMIT_GUEST,
    ] {
        denied(&sandbox, line).await;
    }
    bench.end().await;
}

#[tokio::test]
async fn a_setuid_program_gains_nothing() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    let line = "cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id && setpriv --reuid=1000 /tmp/id -u; \
        cp /usr/bin/cat /usr/local/bin/c && chmod 6755 /usr/local/bin/c && \
        c /proc/self/status | grep CapEff";
    let said = text(&run(&sandbox, line).await);
    assert!(said.contains("CapEff:\t0000000000000000"), "{said}");
    let mounts = says(
        &sandbox,
        "grep -v nosuid /proc/self/mounts | grep -v ' /dev/\\| /proc/' || true",
    )
    .await;
    assert_eq!(mounts, "", "every mount refuses setuid");
    bench.end().await;
}

#[tokio::test]
async fn the_hosts_usr_stays_as_it_is_whatever_is_written() {
    let bench = Bench::new().await;
    let (one, other) = (bench.sandbox("a").await, bench.sandbox("b").await);
    let before = std::fs::read("/usr/bin/env").unwrap();
    says(
        &one,
        "echo evil > /usr/bin/env && echo x > /usr/lib/new && rm -rf /usr/share/doc",
    )
    .await;
    assert_eq!(says(&one, "cat /usr/bin/env").await, "evil");
    assert_eq!(std::fs::read("/usr/bin/env").unwrap(), before);
    assert!(!std::path::Path::new("/usr/lib/new").exists());
    assert!(std::path::Path::new("/usr/share").exists());
    denied(&other, "ls /usr/lib/new").await;
    assert_ne!(says(&other, "head -c4 /usr/bin/env").await, "evil");
    bench.end().await;
}

#[tokio::test]
async fn two_sandboxes_share_nothing() {
    let bench = Bench::new().await;
    let (one, other) = (bench.sandbox("a").await, bench.sandbox("b").await);
    let start = hands::Exec::shell(fresh(), "echo $$ > /tmp/pid; exec -a findme sleep 600");
    one.start(start).await.unwrap();
    says(
        &one,
        "echo mine > /workspace/f; echo mine > /dev/shm/f; echo x > /etc/f",
    )
    .await;
    for path in ["/workspace/f", "/dev/shm/f", "/tmp/pid", "/etc/f"] {
        denied(&other, &format!("ls {path}")).await;
    }
    denied(&other, "grep -l '[f]indme' /proc/[0-9]*/cmdline").await;
    let ids = says(&one, "cat /proc/self/uid_map").await;
    assert_ne!(
        ids,
        says(&other, "cat /proc/self/uid_map").await,
        "not the same host uids"
    );
    assert_eq!(says(&one, "hostname").await, "sandbox");
    bench.end().await;
}

#[tokio::test]
async fn there_is_no_interface_but_lo_and_no_raw_socket() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    assert_eq!(
        says(
            &sandbox,
            "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"
        )
        .await,
        "lo"
    );
    for (family, kind, name) in [
        ("AF_INET", "SOCK_RAW", "raw"),
        ("AF_PACKET", "SOCK_RAW", "packet"),
        ("AF_VSOCK", "SOCK_STREAM", "vsock"),
    ] {
        let make =
            format!("python3 -c 'import socket; socket.socket(socket.{family},socket.{kind},1)'");
        let said = run(&sandbox, &make).await;
        assert!(
            text(&said).contains("not permitted"),
            "{name}: {}",
            text(&said)
        );
    }
    bench.end().await;
}

#[tokio::test]
async fn what_a_machine_can_isolate_is_found_by_doing_it() {
    let dir = tempfile::tempdir().unwrap();
    let caps = hands::Hands::probe(&crate::support::config(dir.path())).await;
    assert_eq!(caps.works, Ok(()), "{caps:?}");
    assert!(caps.seccomp && caps.redirect && caps.idmap, "{caps:?}");
    assert!(caps.weaker.is_empty(), "{caps:?}");
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing is left"
    );
}

#[tokio::test]
async fn no_command_can_slow_the_guest_down_or_fill_all_memory_with_files() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    for slower in [
        "renice 19 -p 1",
        "renice 19 -g 1",
        "chrt -i -p 0 1",
        "taskset -p 1 1",
        "ionice -c3 -p 1",
    ] {
        denied(&sandbox, slower).await;
    }
    // What a command does to itself is its own affair.
    let nicer = "echo $(($(nice -n 5 nice) - $(nice)))";
    assert_eq!(says(&sandbox, nicer).await, "5");
    // Both memory folders filled to the brim leave room for the next command.
    run(
        &sandbox,
        "head -c 9G /dev/zero > /tmp/a; head -c 9G /dev/zero > /dev/shm/b",
    )
    .await;
    assert_eq!(says(&sandbox, "echo alive").await, "alive");
    bench.end().await;
}

/// A folder of this host's `/usr`, removed with the test.
struct OfHost(PathBuf);

impl OfHost {
    fn new() -> Self {
        let path = format!("/usr/local/share/oc-walls-{}", std::process::id());
        std::fs::create_dir(&path).unwrap();
        Self(path.into())
    }

    fn write(&self, name: &str, mode: u32) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "of the host").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for OfHost {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[tokio::test]
async fn what_only_root_may_read_on_the_host_root_inside_may_not() {
    let host = OfHost::new();
    let open = host.write("open", 0o644);
    let secret = host.write("secret", 0o600);
    let below = host.write("closed/below", 0o644);
    std::fs::set_permissions(host.0.join("closed"), Permissions::from_mode(0o700)).unwrap();
    let dir = Folder::new();
    // A server of its own: this process may have looked at the host before.
    let mut server = Command::new(env!("CARGO_BIN_EXE_hands-launcher"))
        .args(["hold", dir.path().to_str().unwrap(), "a", "x", "true"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut started = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut started)
        .unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let hands = Hands::open(config(dir.path()), no_dial(), no_resolve(), Pieces::none())
        .await
        .unwrap();
    let sandbox = hands.find("a").unwrap();
    assert_eq!(says(&sandbox, &format!("cat {open}")).await, "of the host");
    for path in [&secret, &below] {
        denied(&sandbox, &format!("cat {path}")).await;
        denied(&sandbox, &format!("ls -d {path}")).await;
    }
    let folder = host.0.display();
    assert_eq!(says(&sandbox, &format!("ls -A {folder}")).await, "open");
    assert_eq!(says(&sandbox, &format!("stat -c %a {folder}")).await, "755");
    // The names are free for files of its own.
    let own = format!("echo own > {secret} && mkdir {folder}/closed && cat {secret}");
    assert_eq!(says(&sandbox, &own).await, "own");
    hands.reap(&Default::default()).await;
    hands.close().await;
}

#[tokio::test]
async fn no_program_of_the_host_hears_of_a_crash_inside() {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox("a").await;
    // At one byte the kernel leaves a piped core_pattern alone, and no lower limit
    // can be set, though it looks as if.
    let line = "import resource as r; c = r.RLIMIT_CORE; print(r.getrlimit(c)); \
        r.setrlimit(c, (0, 0)); r.prlimit(0, c, (0, 0)); print(r.prlimit(0, c))";
    assert_eq!(
        says(&sandbox, &format!("python3 -c '{line}'")).await,
        "(1, 1)\n(1, 1)"
    );
    let other = "import resource as r; n = r.RLIMIT_NOFILE; r.setrlimit(n, (9, 9)); \
        print(r.getrlimit(n))";
    let limits = says(&sandbox, &format!("python3 -c '{other}'")).await;
    assert_eq!(limits, "(9, 9)");
    bench.end().await;
}
