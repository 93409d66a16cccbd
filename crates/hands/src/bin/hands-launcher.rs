//! The launcher as a program of its own, for tests and benches whose own program
//! has threads before `main`.
//!
//! With `hold DIR OWNER ID LINE` it is a server as far as the hands go: it opens
//! them, starts the line for the owner, says so and stays until it is killed. With
//! `talk` in place of `hold` the line is talked to, once it has said something.

use std::io::{self, Write};
use std::sync::Arc;

use hands::{Exec, Hands, HandsConfig, Launcher, Lookup, Pieces, Pipe, Stream, Target};
use tokio::io::AsyncReadExt;

fn main() -> io::Result<()> {
    hands::launcher_main(std::env::args_os());
    hands::init_main();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [word, dir, owner, id, line] = args.as_slice() else {
        return Err(io::Error::other(
            "usage: hands-launcher hold|talk DIR OWNER ID LINE",
        ));
    };
    let talk = match word.as_str() {
        "hold" => false,
        "talk" => true,
        _ => return Err(io::Error::other("the only words are `hold` and `talk`")),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(held(dir, owner, Exec::shell(id, line), talk))
        .map_err(io::Error::other)
}

async fn held(dir: &str, owner: &str, exec: Exec, talk: bool) -> Result<(), hands::Error> {
    let config = HandsConfig {
        launcher: Launcher::Itself,
        warm: 1,
        ..HandsConfig::new(dir)
    };
    let dial = Arc::new(|_: Target| {
        Box::pin(async { Err::<Box<dyn Stream>, _>(io::ErrorKind::ConnectionRefused.into()) }) as _
    });
    let resolve =
        Arc::new(|_: Lookup| Box::pin(async { Err(io::ErrorKind::NotFound.into()) }) as _);
    let hands = Hands::open(config, dial, resolve, Pieces::none()).await?;
    let sandbox = hands.obtain(owner, None, None).await?.sandbox;
    let _talked_to = if talk {
        let argv = exec.argv;
        let mut piped = sandbox
            .pipe(Pipe {
                argv,
                ..Pipe::default()
            })
            .await?;
        // Whatever it says, it runs.
        let _ = piped.stream.read_u8().await;
        Some(piped)
    } else {
        sandbox.start(exec).await?;
        None
    };
    let mut out = io::stdout();
    // Nobody to tell is nobody to wait for either.
    if writeln!(out, "{}", sandbox.id())
        .and_then(|()| out.flush())
        .is_ok()
    {
        std::future::pending::<()>().await;
    }
    hands.close().await;
    Ok(())
}
