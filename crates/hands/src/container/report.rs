//! What the first process of a sandbox tells its launcher before it becomes the guest.

use std::convert::Infallible;
use std::io::{PipeReader, PipeWriter, Read, Write};

use super::net::Network;
use super::sys::{self, Done, trying};

/// The first process of a sandbox, and its network.
pub(super) type First = (i32, Option<Network>);

/// A line on the network, then nothing: by then the guest's program runs. Or the
/// reason why not.
pub(super) struct Report {
    said: PipeReader,
    tell: PipeWriter,
}

impl Report {
    /// To be made before the processes part.
    pub(super) fn new() -> Done<Self> {
        let (said, tell) = std::io::pipe().map_err(trying("pipe"))?;
        Ok(Self { said, tell })
    }

    /// In the new process: becomes the guest by what `child` does, which returns only
    /// if it could not.
    pub(super) fn become_by(self, child: impl FnOnce(&PipeWriter) -> Done<Infallible>) -> ! {
        let Self { said, tell } = self;
        drop(said);
        sys::leave_session();
        sys::heed_children();
        let Err(error) = child(&tell);
        // Without a launcher to hear it there is nobody to tell.
        let _ = (&tell).write_all(error.as_bytes());
        sys::exit(1)
    }

    /// In the launcher: returns once that process is the guest.
    pub(super) fn heard(self, pid: i32) -> Done<First> {
        let Self { mut said, tell } = self;
        drop(tell);
        let mut text = String::new();
        said.read_to_string(&mut text)
            .map_err(trying("hear of the guest"))?;
        match text.split_once('\n') {
            Some((network, "")) => {
                let network = serde_json::from_str(network).map_err(trying("hear of the guest"))?;
                Ok((pid, network))
            }
            Some((_, error)) => Err(error.to_owned()),
            None if text.is_empty() => Err("the first process ended at once".to_owned()),
            None => Err(text),
        }
    }
}

/// The line on the network.
pub(super) fn tell_network(mut tell: &PipeWriter, network: &Option<Network>) -> Done {
    let mut line = serde_json::to_vec(network).map_err(trying("report"))?;
    line.push(b'\n');
    tell.write_all(&line).map_err(trying("report"))
}
