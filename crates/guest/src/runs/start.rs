//! From what is asked for to a process that runs.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::unix::pipe;

use super::{Runs, now_ms};
use crate::child::{self, NotStarted, Plan};
use crate::exec::{Exec, Exhausted, SHELL};
use crate::output::Output;
use crate::pipe::{Pipe, Started};
use crate::run::{Follow, Run};
use crate::sys;
use crate::tree::{MARK, Tree};

/// Why something did not start: a shell's exit status for it, and its words.
type NotRun = (i32, String);

/// What a command is, in the kernel's words.
struct Words {
    programs: Vec<CString>,
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
}

/// Where a command's input comes from and its output goes.
struct Ends {
    stdin: OwnedFd,
    output: OwnedFd,
    errors: Option<OwnedFd>,
}

impl Runs {
    /// Starts a command. One that cannot start has ended with words that say why.
    pub(super) fn start(&self, exec: &Exec) -> (Run, Option<Follow>) {
        let before = self.gauge.read();
        let now = now_ms();
        match self.try_start(exec) {
            Ok((pid, tree, pipe)) => {
                child::first_to_go(pid);
                let ended = self.reaper.expect(pid);
                let spool = self.boot.spool_fd.map(sys::inherited);
                let output = Output::new(exec.output_cap, exec.spool_cap, spool);
                let timeout = exec.timeout_ms.map(Duration::from_millis);
                let follow = Follow {
                    pipe,
                    ended,
                    timeout,
                    before,
                };
                (Run::new(output, tree, now), Some(follow))
            }
            Err((code, why)) => {
                let met = self.gauge.met_since(before);
                if met.iter().any(|met| matches!(met, Exhausted::Pids { .. })) {
                    self.left.end();
                }
                let met = met
                    .into_iter()
                    .filter(|m| !matches!(m, Exhausted::Memory { .. }));
                (Run::failed(exec, code, &why, met.collect(), now), None)
            }
        }
    }

    fn try_start(&self, exec: &Exec) -> Result<(i32, Tree, pipe::Receiver), NotRun> {
        let (from, to) = std::io::pipe().map_err(cannot("no pipe"))?;
        let from = pipe::Receiver::from_owned_fd(from.into()).map_err(cannot("no pipe"))?;
        let mut env = pairs(&self.boot.env);
        env.insert("HOME", &self.boot.home);
        env.extend(exec.env.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        env.insert(MARK, &exec.id);
        let words = self.words(&exec.argv, &env, exec.cwd.as_deref())?;
        let stdin = if exec.stdin.is_empty() {
            child::nothing()
        } else {
            child::reading(&exec.stdin)
        };
        let ends = Ends {
            stdin: stdin.map_err(cannot("no standard input"))?,
            output: to.into(),
            errors: None,
        };
        let (pid, tree) = self.born(words, ends, self.nest(), &exec.id)?;
        Ok((pid, tree, from))
    }

    /// Starts a program that is talked to.
    pub(crate) fn start_pipe(&self, pipe: &Pipe) -> Result<Started, String> {
        let before = self.gauge.read();
        self.try_pipe(pipe)
            .map(|(pid, tree, (stdin, stdout, stderr))| {
                child::first_to_go(pid);
                Started {
                    tree,
                    ended: self.reaper.expect(pid),
                    stdin,
                    stdout,
                    stderr,
                    before,
                }
            })
            .map_err(|(_, why)| why)
    }

    fn try_pipe(&self, pipe: &Pipe) -> Result<(i32, Tree, OurEnds), NotRun> {
        let (ours, theirs) = pipes().map_err(cannot("no pipe"))?;
        let nest = self.nest();
        let mut env = BTreeMap::new();
        env.extend(pipe.env.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        // Without walls the marks of all sandboxes are seen together.
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mark = format!("pipe-{}-{number}", std::process::id());
        if nest.is_none() {
            env.insert(MARK, &mark);
        }
        let words = self.words(&pipe.argv, &env, pipe.cwd.as_deref())?;
        let (pid, tree) = self.born(words, theirs, nest, &mark)?;
        Ok((pid, tree, ours))
    }

    /// A cgroup for a command, where there are any.
    fn nest(&self) -> Option<Tree> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let parent = sys::inherited(self.boot.cgroup_fd?);
        Tree::cgroup(parent, number).ok()
    }

    fn born(
        &self,
        words: Words,
        ends: Ends,
        nest: Option<Tree>,
        mark: &str,
    ) -> Result<(i32, Tree), NotRun> {
        let shown = |text: &CString| text.to_string_lossy().into_owned();
        let name = words.argv.first().map(shown).unwrap_or_default();
        let cwd = shown(&words.cwd);
        let plan = Plan {
            programs: words.programs,
            env: words.env,
            cwd: words.cwd,
            argv: words.argv,
            stdin: ends.stdin,
            output: ends.output,
            errors: ends.errors,
            cgroup: nest.as_ref().and_then(Tree::birthplace),
            confine: self.boot.confine,
        };
        let pid = child::spawn(plan).map_err(|error| match error {
            NotStarted::Fork(error) => (126, format!("no process can be started: {error}\n")),
            NotStarted::Cwd(error) => (126, format!("{cwd}: {error}\n")),
            NotStarted::Exec(error) => {
                let absent = error.kind() == io::ErrorKind::NotFound;
                let code = if absent { 127 } else { 126 };
                (code, format!("{name}: {error}\n"))
            }
        })?;
        let mark = format!("{MARK}={mark}").into_bytes();
        Ok((pid, nest.unwrap_or(Tree::Traced { root: pid, mark })))
    }

    fn words(
        &self,
        argv: &[String],
        env: &BTreeMap<&str, &str>,
        cwd: Option<&str>,
    ) -> Result<Words, NotRun> {
        let nul = |_| (126, "a NUL byte cannot be part of a command\n".to_owned());
        let text = |text: &str| CString::new(text).map_err(nul);
        let argv = match argv {
            [] => return Err((127, "no command\n".to_owned())),
            [first, rest @ ..] if first == SHELL => {
                let bash = Path::new("/bin/bash").exists();
                let shell = if bash { "/bin/bash" } else { "/bin/sh" };
                let rest = rest.iter().map(String::as_str);
                [shell, "-c"].into_iter().chain(rest).map(text).collect()
            }
            all => all
                .iter()
                .map(|arg| text(arg))
                .collect::<Result<Vec<_>, _>>(),
        }?;
        let path = env.get("PATH").copied().unwrap_or("/usr/bin:/bin");
        let programs = argv
            .first()
            .map(|name| child::candidates(name, path))
            .unwrap_or_default();
        let env = env.iter().map(|(k, v)| text(&format!("{k}={v}")));
        Ok(Words {
            programs,
            env: env.collect::<Result<_, _>>()?,
            cwd: text(&self.boot.inside(cwd.unwrap_or(".")))?,
            argv,
        })
    }
}

/// Our ends of a program's input, output and errors.
type OurEnds = (pipe::Sender, pipe::Receiver, pipe::Receiver);

fn pipes() -> io::Result<(OurEnds, Ends)> {
    let (stdin, feed) = io::pipe()?;
    let (said, output) = io::pipe()?;
    let (complained, errors) = io::pipe()?;
    let ours = (
        pipe::Sender::from_owned_fd(feed.into())?,
        pipe::Receiver::from_owned_fd(said.into())?,
        pipe::Receiver::from_owned_fd(complained.into())?,
    );
    let theirs = Ends {
        stdin: stdin.into(),
        output: output.into(),
        errors: Some(errors.into()),
    };
    Ok((ours, theirs))
}

fn pairs(env: &[(String, String)]) -> BTreeMap<&str, &str> {
    env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

fn cannot(what: &str) -> impl FnOnce(io::Error) -> NotRun + use<> {
    let what = what.to_owned();
    move |error| (126, format!("{what}: {error}\n"))
}
