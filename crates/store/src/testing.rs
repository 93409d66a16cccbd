//! A PostgreSQL server of its own for tests: one for each test process, with
//! a database for each test. It ends with the process, however that ends.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs the server until its standard input ends, then removes it. Arguments:
/// the folder of the programs, the folder of the server, what to run them with.
const SCRIPT: &str = r#"
set -e
bin=$1; dir=$2; shift 2
mkdir "$dir/data"
if [ $# -gt 0 ]; then chown -R "$AS" "$dir"; fi
"$@" "$bin/initdb" -D "$dir/data" -U oc -A trust --no-sync --no-locale -E UTF8 </dev/null >"$dir/initdb.log" 2>&1
"$@" "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start </dev/null >/dev/null \
  -o "-c listen_addresses='' -c unix_socket_directories='$dir' -c fsync=off -c max_connections=300"
echo ready
read -r _ || true
"$@" "$bin/pg_ctl" -D "$dir/data" -m immediate stop </dev/null >/dev/null 2>&1 || true
rm -rf "$dir"
"#;

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(1);

struct Cluster {
    dir: PathBuf,
    bin: PathBuf,
    /// Held so that its standard input stays open as long as this process.
    _script: Child,
}

/// The address of a new, empty database on the server of this process, which
/// is started by the first call.
///
/// # Panics
/// If PostgreSQL is not installed or cannot be started.
#[must_use]
pub fn database() -> String {
    let cluster = CLUSTER.get_or_init(start);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = cluster.dir.display();
    let made = Command::new(cluster.bin.join("psql"))
        .args([
            "-q",
            "-h",
            &dir.to_string(),
            "-U",
            "oc",
            "-d",
            "postgres",
            "-c",
        ])
        .arg(format!("CREATE DATABASE {name}"))
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "cannot make a database"
    );
    format!("host={dir} user=oc dbname={name}")
}

/// What a database holds, as text.
///
/// # Panics
/// If it cannot be dumped.
#[must_use]
pub fn dump(database: &str) -> String {
    let bin = programs();
    let out = Command::new(bin.join("pg_dump"))
        .args(["-d", database])
        .output();
    match out {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).into_owned(),
        other => panic!("cannot dump {database}: {other:?}"),
    }
}

fn start() -> Cluster {
    let bin = programs();
    let Ok(dir) = tempfile::Builder::new().prefix("oc-pg-").tempdir() else {
        panic!("no folder for PostgreSQL")
    };
    let dir = dir.keep();
    let mut script = Command::new("sh");
    script.arg("-c").arg(SCRIPT).arg("sh").arg(&bin).arg(&dir);
    if let Some(user) = other_user() {
        let id = |flag: &str| format!("--{flag}={user}");
        script
            .env("AS", user)
            .args(["setpriv", &id("reuid"), &id("regid"), "--clear-groups"]);
    }
    let spawned = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        panic!("cannot start PostgreSQL")
    };
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        let _ = BufReader::new(out).read_line(&mut line);
    }
    assert_eq!(
        line.trim(),
        "ready",
        "PostgreSQL did not start; see {}",
        dir.display()
    );
    Cluster {
        dir,
        bin,
        _script: child,
    }
}

/// The newest installed server's programs.
fn programs() -> PathBuf {
    let newest = |root: &str| {
        let found = std::fs::read_dir(root).ok()?.filter_map(Result::ok);
        let version = |name: OsString| name.to_str().and_then(|name| name.parse::<u32>().ok());
        found.filter_map(|entry| version(entry.file_name())).max()
    };
    match newest("/usr/lib/postgresql") {
        Some(version) => Path::new("/usr/lib/postgresql")
            .join(version.to_string())
            .join("bin"),
        None => panic!("PostgreSQL is not installed: these tests need it (Debian: postgresql)"),
    }
}

/// PostgreSQL refuses to run as root; then it runs as somebody else.
fn other_user() -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let has = |name: &str| {
        users
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")))
    };
    root.then(|| {
        if has("postgres") {
            "postgres"
        } else {
            "nobody"
        }
    })
}
