//! The program inside every sandbox: its first process, which does as the host
//! asks and takes in what commands leave behind.

use std::process::ExitCode;

use guest::boot::Boot;
use guest::{serve, sys};

fn main() -> ExitCode {
    let started = sys::forbid_tracing()
        .and_then(|()| sys::adopt_orphans())
        .and_then(|()| Boot::take())
        .and_then(|boot| {
            // One thread: children are made by fork, which knows no others.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(serve::serve(boot))
        });
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest: {error}");
            ExitCode::FAILURE
        }
    }
}
