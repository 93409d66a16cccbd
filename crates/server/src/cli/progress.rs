//! Shows that something slow is going on: on standard error, on a terminal only,
//! and gone without a trace when it is done.

use std::cell::Cell;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::time::{Duration, Instant};

use super::out::Out;

/// Nothing is shown of what takes less.
const PATIENCE: Duration = Duration::from_millis(400);
/// Between two pictures.
const TICK: Duration = Duration::from_millis(100);
const PICTURES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Awaits `work`, and tells `what` it is while that takes long.
pub(super) async fn during<T>(out: Out, what: &str, work: impl Future<Output = T>) -> T {
    if out.json || !out.err_terminal {
        return work.await;
    }
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, work.as_mut()).await {
        return done;
    }
    // Cleared also when the work is dropped halfway, by Ctrl-C for one.
    let line = Line;
    for picture in PICTURES.iter().cycle() {
        line.show(&format!(
            "{} {}",
            out.err.cyan(&picture.to_string()),
            out.err.dim(what)
        ));
        if let Ok(done) = tokio::time::timeout(TICK, work.as_mut()).await {
            return done;
        }
    }
    work.await
}

/// The line at the bottom of the screen.
struct Line;

impl Line {
    fn show(&self, text: &str) {
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

/// Shows how far something is, for as long as it lives; quietly for programs.
pub(super) struct Bar {
    out: Out,
    line: Option<Line>,
    shown: Cell<Option<Instant>>,
}

impl Bar {
    /// Nothing is shown yet.
    pub(super) fn new(out: Out) -> Self {
        let line = (!out.json && out.err_terminal).then(|| Line);
        let shown = Cell::new(None);
        Self { out, line, shown }
    }

    /// Shows this, unless something was shown a moment ago.
    pub(super) fn show(&self, text: &str) {
        let Some(line) = &self.line else { return };
        if self.shown.get().is_none_or(|at| at.elapsed() >= TICK) {
            self.shown.set(Some(Instant::now()));
            line.show(&self.out.err.dim(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::paint::Paint;

    #[tokio::test]
    async fn the_work_is_done_whoever_watches() {
        for (json, err_terminal) in [(false, false), (true, true), (false, true)] {
            let out = Out {
                json,
                paint: Paint(false),
                err: Paint(false),
                terminal: false,
                err_terminal,
            };
            assert_eq!(during(out, "counting", async { 7 }).await, 7);
        }
    }
}
