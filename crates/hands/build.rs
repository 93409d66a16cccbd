//! Builds the guest as a static program, for `include_bytes!`.
//!
//! It is the same workspace and the same lock file, so nothing is fetched that
//! the outer build does not need as well; its own target folder keeps the two
//! builds from waiting for each other.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts by their environment"
)]

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = here.join("../..");
    for path in ["crates/guest/src", "crates/guest/Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("guest");
    let target = env::var("TARGET").unwrap_or_default();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let kept = ["CARGO", "CARGO_HOME"].contains(&&*text) || text.starts_with("CARGO_NET_");
        let outer = text.starts_with("CARGO") || text.starts_with("RUSTC_") || text == "RUSTFLAGS";
        if outer && !kept {
            cargo.env_remove(&name);
        }
    }
    // An explicit target keeps the flag off build scripts and macros, which cannot be static.
    let built = cargo
        .current_dir(&root)
        .args([
            "build",
            "--locked",
            "--quiet",
            "--release",
            "--package",
            "guest",
            "--bin",
            "guest",
        ])
        .args(["--target", &target])
        .env("CARGO_TARGET_DIR", &out)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .status();
    assert!(
        built.as_ref().is_ok_and(std::process::ExitStatus::success),
        "the guest does not build: {built:?}"
    );
    let program = out.join(&target).join("release/guest");
    println!("cargo::rustc-env=OC_GUEST={}", program.display());
}
