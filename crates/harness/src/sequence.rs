//! A long list of `etcdctl` commands, one per line, and what each of them did.
//!
//! A line is words as a shell takes them (`"..."` with `\n`, `\t`, `\"`, `\\`, `\xNN`; `'...'` as
//! it stands; `$NAME`), with these additions:
//!
//! - `NAME=value` words in front are variables of the command;
//! - `< "text"` at the end is what it reads from standard input;
//! - `[...]` in front says how to treat it: `save=NAME` keeps the first id in its output as `$NAME`;
//!   `mask=a,b` asks for masks; `lines=N` waits for N lines of output and then interrupts it, for
//!   commands that don't end; `after=N` waits for N lines before the commands behind `|` run;
//! - `a | b | c` runs b and c while a runs; they may have a `[lines=N]` of their own;
//! - `!restart` ends the server with SIGTERM and starts it again, with the flags behind it; `!kill`
//!   with SIGKILL.
//!
//! `#` begins a comment line. `$TMP` is a folder of the run's own, `$ENDPOINT` the server.

mod line;
mod runner;

pub use line::Command;
pub use runner::Outcome;

use crate::server::{Server, ServerOptions};
use crate::{Folder, Masks, Port};
use anyhow::{Context, Result};
use line::{Action, Line};
use runner::Runner;
use std::path::Path;

/// A list of commands.
#[derive(Clone, Debug)]
pub struct Sequence {
    lines: Vec<Line>,
}

impl Sequence {
    /// Reads a list.
    ///
    /// # Errors
    /// Names the line that can't be read.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = Vec::new();
        for (position, text) in text.lines().enumerate() {
            let number = position + 1;
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            lines
                .push(Line::parse(number, text).with_context(|| format!("line {number}: {text}"))?);
        }
        Ok(Self { lines })
    }

    /// How many `etcdctl` commands are in it.
    #[must_use]
    pub fn command_count(&self) -> usize {
        self.lines.iter().map(Line::command_count).sum()
    }

    /// Runs all commands of `etcdctl` against a server that is started for it on these ports.
    ///
    /// # Errors
    /// If the server does not start, or a command can't be run at all; that a command fails is an
    /// outcome.
    pub fn run(
        &self,
        server: &Path,
        etcdctl: &Path,
        client: &Port,
        peer: &Port,
    ) -> Result<Vec<Outcome>> {
        let folder = Folder::new("sequence")?;
        let mut options = ServerOptions {
            program: server.to_owned(),
            name: "m1".to_owned(),
            data_dir: folder.path().join("data"),
            log: folder.path().join("log"),
            arguments: Vec::new(),
            variables: Vec::new(),
        };
        let temporary = folder.path().join("files");
        std::fs::create_dir(&temporary).context("make a folder")?;
        let mut server = Some(Server::start(&options, client, peer)?);
        let mut runner = Runner::new(etcdctl, client, &temporary, Masks::default());
        let mut outcomes = Vec::new();
        for line in &self.lines {
            let done = match &line.action {
                Action::Run(command) => runner.run(line.number, command),
                Action::Restart(arguments) => {
                    options.arguments.clone_from(arguments);
                    restart(&mut server, &options, client, peer, Server::terminate)
                }
                Action::Kill => restart(&mut server, &options, client, peer, Server::kill),
            };
            outcomes.extend(done.with_context(|| format!("line {}: {}", line.number, line.text))?);
        }
        Ok(outcomes)
    }
}

/// Ends a server and starts it again on its data.
fn restart<T>(
    server: &mut Option<Server>,
    options: &ServerOptions,
    client: &Port,
    peer: &Port,
    end: impl FnOnce(Server) -> Result<T>,
) -> Result<Vec<Outcome>> {
    end(server.take().context("the server runs")?)?;
    *server = Some(Server::start(options, client, peer)?);
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_with_those_that_run_beside() {
        let text = "# x\n\nput a 1\n!restart\n[lines=2] watch a | put a 2 | del a\n";
        let sequence = Sequence::parse(text).unwrap();
        assert_eq!(sequence.command_count(), 4);
        let error = Sequence::parse("put a\nput \"b").unwrap_err();
        assert!(format!("{error:#}").starts_with("line 2: "), "{error:#}");
    }
}
