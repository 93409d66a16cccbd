//! Folders of the host that a sandbox is shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hands::{DriverKind, Error, HandsConfig, Limits, Mount, Started, Wanted};

use crate::support::{Bench, run, says, text};

fn shown(host: &Path) -> Wanted<'static> {
    let mounts = vec![Mount {
        host: host.to_owned(),
        inside: "/opt/runtime".into(),
    }];
    Wanted {
        mounts,
        ..Wanted::default()
    }
}

/// A folder as only root may read it, with a program.
fn runtime() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("engine");
    std::fs::write(&program, "#!/bin/sh\necho runs\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    dir
}

#[tokio::test]
async fn a_folder_of_the_host_is_seen_and_run_and_cannot_be_changed() {
    let bench = Bench::with(|config| HandsConfig { warm: 1, ..config }).await;
    let dir = runtime();
    let obtained = bench.hands.obtain_with("a", shown(dir.path())).await;
    let obtained = obtained.unwrap();
    assert_eq!(obtained.started, Started::Cold, "never a warm one");
    let sandbox = obtained.sandbox;
    assert_eq!(says(&sandbox, "/opt/runtime/engine").await, "runs");
    for line in [
        "echo x > /opt/runtime/engine",
        "touch /opt/runtime/new",
        "rm /opt/runtime/engine",
        "chmod 777 /opt/runtime/engine",
        "mv /opt/runtime/engine /tmp/",
        "mount -o remount,rw /opt/runtime",
        "mount -o remount,bind,rw /opt/runtime",
        "umount /opt/runtime",
        "rmdir /opt/runtime",
        "mv /opt/runtime /opt/other",
    ] {
        let receipt = run(&sandbox, line).await;
        assert_ne!(receipt.exit_code, Some(0), "{line}: {}", text(&receipt));
    }
    let flags = says(&sandbox, "grep ' /opt/runtime ' /proc/self/mountinfo").await;
    assert!(
        ["ro", "nosuid", "nodev"]
            .iter()
            .all(|flag| flags.contains(flag)),
        "{flags}"
    );
    let engine = std::fs::read_to_string(dir.path().join("engine")).unwrap();
    assert_eq!(engine, "#!/bin/sh\necho runs\n");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    bench.hands.close().await;
}

#[tokio::test]
async fn a_sandbox_is_found_again_only_by_who_wants_the_same_folders() {
    let bench = Bench::new().await;
    let (one, two) = (runtime(), runtime());
    let first = bench.hands.obtain_with("a", shown(one.path())).await;
    let first = first.unwrap().sandbox;
    let again = bench.hands.obtain_with("a", shown(one.path())).await;
    let again = again.unwrap();
    assert_eq!(
        (again.started, again.sandbox.id()),
        (Started::Found, first.id())
    );
    let other = bench.hands.obtain_with("a", shown(two.path())).await;
    let other = other.unwrap();
    assert!(other.fresh && other.sandbox.id() != first.id() && !first.alive());
    let none = bench.hands.obtain("a", None, None).await.unwrap();
    assert!(none.fresh && none.sandbox.id() != other.sandbox.id());
    let empty = run(&none.sandbox, "ls /opt/runtime").await;
    assert_ne!(empty.exit_code, Some(0));
    bench.end().await;
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_and_nothing_is_started() {
    let dir = runtime();
    let at = |host: &Path, inside: &str| Wanted {
        mounts: vec![Mount {
            host: host.to_owned(),
            inside: inside.into(),
        }],
        ..Wanted::default()
    };
    let bench = Bench::new().await;
    let restored = Wanted {
        from: Some("manifest"),
        ..shown(dir.path())
    };
    for wanted in [
        at(dir.path(), "/usr/local"),
        at(dir.path(), "/opt/../etc"),
        at(&dir.path().join("absent"), "/opt/runtime"),
        at(&dir.path().join("engine"), "/opt/runtime"),
        at(Path::new("relative"), "/opt/runtime"),
        restored,
    ] {
        let refused = bench.hands.obtain_with("a", wanted).await;
        assert!(matches!(refused, Err(Error::Refused(_))));
    }
    let process = Bench::with(|config| HandsConfig {
        driver: DriverKind::Process,
        ..config
    })
    .await;
    let refused = process.hands.obtain_with("a", shown(dir.path())).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
    assert_eq!(bench.hands.stats().started, 0);
    process.end().await;
    bench.end().await;
}

#[tokio::test]
async fn limits_go_with_folders() {
    let bench = Bench::new().await;
    let dir = runtime();
    let limits = Limits {
        memory_bytes: 96 << 20,
        ..Limits::default()
    };
    let wanted = Wanted {
        limits: Some(limits),
        ..shown(dir.path())
    };
    let sandbox = bench.hands.obtain_with("a", wanted).await.unwrap().sandbox;
    let hog = run(&sandbox, "python3 -c 'x = bytearray(200 << 20)'").await;
    let note = hog.note().unwrap_or_default();
    assert!(note.contains("limit 96 MiB"), "{hog:?}");
    bench.end().await;
}
