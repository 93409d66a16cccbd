//! `oc drill` from outside: short drills with fixed seeds hold on this build,
//! and a build that breaks a promise fails them.

mod held;
mod nodes;
mod sabotage;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::Server;

/// What a drill said, and the number it ended with.
struct Held {
    report: Value,
    code: i32,
}

/// Holds a drill in that folder, with this environment besides.
fn drill(data: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Held {
    let mut command = Command::new(Server::program());
    command.args(["drill", "--json", "--data"]).arg(data);
    let done = command
        .args(arguments)
        .envs(env.iter().copied())
        .env_remove("OC_DATABASE_URL")
        .current_dir(data.parent().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let told = String::from_utf8_lossy(&done.stderr);
    Held {
        report: serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}\n{told}")),
        code: done.status.code().unwrap(),
    }
}

impl Held {
    fn point(&self, name: &str) -> &Value {
        let points = self.report["points"].as_array().unwrap();
        points.iter().find(|row| row["point"] == name).unwrap()
    }

    /// A count over all points.
    fn all(&self, count: &str) -> u64 {
        let points = self.report["points"].as_array().unwrap();
        points.iter().map(|row| row[count].as_u64().unwrap()).sum()
    }
}
