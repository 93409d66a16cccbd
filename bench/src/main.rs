//! Figures of OpenComputer, each printed beside a floor or a peer measured in
//! the same run on the same disk: machines are shared and noisy, and only the
//! ratio means something elsewhere.
//!
//! `cargo run --release -p bench -- [appends|turns|streams|sandboxes|checkpoints|memory|recovery|folds|engines|gate|deliveries …]`;
//! without a name all run. The server is `target/release/oc`, or `OC`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench that cannot go on stops"
)]

mod appends;
mod checkpoints;
mod deliveries;
mod engines;
mod figures;
mod folds;
mod gate;
mod history;
mod memory;
mod recovery;
mod sandboxes;
mod server;
mod streams;
mod turns;

fn main() {
    hands::launcher_main(std::env::args_os());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if wants("appends") {
        runtime.block_on(appends::run());
    }
    if wants("turns") {
        turns::run();
    }
    if wants("streams") {
        runtime.block_on(streams::run());
    }
    if wants("sandboxes") {
        runtime.block_on(sandboxes::run());
    }
    if wants("checkpoints") {
        runtime.block_on(checkpoints::run());
    }
    if wants("memory") {
        runtime.block_on(memory::run());
    }
    if wants("recovery") {
        runtime.block_on(recovery::run());
    }
    if wants("folds") {
        runtime.block_on(folds::run());
    }
    if wants("engines") {
        runtime.block_on(engines::run());
    }
    if wants("gate") {
        runtime.block_on(gate::run());
    }
    if wants("deliveries") {
        runtime.block_on(deliveries::run());
    }
}
