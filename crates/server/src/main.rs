//! The `oc` program: a launcher of sandboxes when the hands run it as one, else
//! the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: the launcher must have no threads.
    hands::launcher_main(std::env::args_os());
    // As the first process of a container: somebody must take in ended sandboxes.
    hands::init_main();
    server::cli::main()
}
