//! Runs commands of `etcdctl` and keeps what they did.

use super::line::Command;
use crate::http::http_get;
use crate::mask::{Mask, Masks};
use crate::port::Port;
use crate::process::{Run, run};
use crate::protobuf;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// How long one command may take.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// How long the lines of a command that does not end may take.
const LINES_MAX: Duration = Duration::from_secs(15);

/// Lines that a command may print before somebody reads them.
const LINES_WAITING: usize = 10_000;

/// What a command did, masked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The line of the sequence.
    pub number: usize,
    /// The command, as written.
    pub text: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; `None` for a command that was interrupted.
    pub code: Option<i32>,
}

pub struct Runner {
    etcdctl: PathBuf,
    port: u16,
    variables: BTreeMap<String, String>,
    masks: Masks,
    /// How many watchers the server counts when nobody watches.
    idle_watchers: f64,
}

impl Runner {
    pub fn new(etcdctl: &Path, client: &Port, temporary: &Path, mut masks: Masks) -> Self {
        let temporary = temporary.display().to_string();
        masks.replace(&temporary, "<tmp>");
        let endpoint = format!("127.0.0.1:{}", client.number());
        let variables = [("TMP", temporary), ("ENDPOINT", endpoint)];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        Self {
            etcdctl: etcdctl.to_owned(),
            port: client.number(),
            variables: variables.collect(),
            masks,
            idle_watchers: 0.0,
        }
    }

    /// Runs a command and those beside it.
    pub fn run(&mut self, number: usize, command: &Command) -> Result<Vec<Outcome>> {
        match command.lines {
            None => Ok(vec![self.run_to_end(number, command)?]),
            Some(lines) => self.run_lines(number, command, lines),
        }
    }

    fn run_to_end(&mut self, number: usize, command: &Command) -> Result<Outcome> {
        let stdin = self.expand(&command.stdin)?;
        let process = self.process(command)?;
        let done = run(Run { command: process, stdin, deadline: COMMAND_MAX })?;
        if let Some(name) = &command.save {
            self.save(name, &done.out());
        }
        let shown = shown(command, &done.stdout);
        let mut stderr = done.err();
        if command.masks.contains(&Mask::Crash) {
            stderr.truncate(stderr.find('\n').unwrap_or(stderr.len()));
        }
        Ok(Outcome {
            number,
            text: command.text.clone(),
            stdout: self.masks.apply(&shown, &command.masks),
            stderr: self.masks.apply(&stderr, &command.masks),
            code: Some(done.code),
        })
    }

    /// Runs a command until it has printed so many lines, and others beside it.
    fn run_lines(
        &mut self,
        number: usize,
        command: &Command,
        lines: usize,
    ) -> Result<Vec<Outcome>> {
        let watched = command.after == 0 && !command.beside.is_empty();
        if watched {
            // Watchers of the command before may still be there; some never go (etcd 3.5 keeps
            // counting one whose creation was denied).
            let idle = self.idle_watchers;
            self.idle_watchers = self.wait_for_watchers(|count| count <= idle);
        }
        let stdin = self.expand(&command.stdin)?;
        let running = Running::start(self.process(command)?, &stdin)?;
        let mut seen = running.lines(command.after)?;
        if watched {
            let idle = self.idle_watchers;
            self.wait_for_watchers(|count| count > idle);
        }
        let mut beside = Vec::new();
        for other in &command.beside {
            beside.extend(self.run(number, other)?);
        }
        seen.extend(running.lines(lines - command.after)?);
        if let Some(name) = &command.save {
            self.save(name, &seen.join("\n"));
        }
        running.interrupt()?;
        let mut stdout = self.masks.apply(&seen.join("\n"), &command.masks);
        stdout.push('\n');
        let text = command.text.clone();
        let mut outcomes =
            vec![Outcome { number, text, stdout, stderr: String::new(), code: None }];
        outcomes.extend(beside);
        Ok(outcomes)
    }

    /// Keeps the first id of an output; where there is none, the difference shows in what follows.
    fn save(&mut self, name: &str, output: &str) {
        let id = first_id(output).unwrap_or_else(|| "nothing".to_owned());
        self.variables.insert(name.to_owned(), id);
    }

    fn process(&self, command: &Command) -> Result<std::process::Command> {
        let mut process = std::process::Command::new(&self.etcdctl);
        let clean = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            name.starts_with("ETCDCTL_") || name.starts_with("ETCD_")
        });
        for (name, _) in clean {
            process.env_remove(name);
        }
        // A command says itself where it goes, if it goes elsewhere.
        let elsewhere = command.words.iter().any(|word| word.starts_with(b"--endpoints"))
            || command.variables.iter().any(|(name, _)| name == "ETCDCTL_ENDPOINTS");
        if !elsewhere {
            process.env("ETCDCTL_ENDPOINTS", &self.variables["ENDPOINT"]);
        }
        for (name, value) in &command.variables {
            let value = self.expand(value.as_bytes())?;
            process.env(name, OsString::from_vec(value));
        }
        for word in &command.words {
            process.arg(OsString::from_vec(self.expand(word)?));
        }
        process.current_dir(&self.variables["TMP"]);
        Ok(process)
    }

    /// Puts in the values of `$NAME`.
    fn expand(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let is_name = |byte: &u8| byte.is_ascii_uppercase() || b"0123456789_".contains(byte);
            let length = after.iter().take_while(|byte| is_name(byte)).count();
            // Variables of programs that etcdctl runs are theirs.
            if *first != b'$' || length == 0 || after.starts_with(b"ETCD_") {
                out.push(*first);
                continue;
            }
            let name = String::from_utf8_lossy(&after[..length]).into_owned();
            let value = self.variables.get(&name);
            let value = value.with_context(|| format!("nothing was saved as ${name}"))?;
            out.extend_from_slice(value.as_bytes());
            rest = &after[length..];
        }
        Ok(out)
    }

    /// How many watchers the server says it has.
    fn watchers(&self) -> Option<f64> {
        let metrics = http_get(self.port, "/metrics").ok()?.body;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("etcd_debugging_mvcc_watcher_total "));
        line?.trim().parse().ok()
    }

    /// Waits until there are enough watchers, for at most two seconds: a command that watches does
    /// not say when it does. Returns how many there are.
    fn wait_for_watchers(&self, enough: impl Fn(f64) -> bool) -> f64 {
        let start = Instant::now();
        loop {
            let count = self.watchers();
            if count.is_some_and(&enough) || start.elapsed() > Duration::from_secs(2) {
                return count.unwrap_or_default();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The output as text: protobuf by its fields.
fn shown(command: &Command, stdout: &[u8]) -> String {
    let text = String::from_utf8_lossy(stdout).into_owned();
    let protobuf = command.words.iter().any(|word| word.ends_with(b"protobuf"));
    if !protobuf {
        return text;
    }
    protobuf::show(stdout).unwrap_or(text)
}

/// The first 64-bit id in hexadecimal.
fn first_id(text: &str) -> Option<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let mut ids = words.filter(|word| {
        (13..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    ids.next().map(str::to_owned)
}

/// A command that does not end by itself. Killed when this goes.
struct Running {
    child: Child,
    lines: Receiver<String>,
    /// Open as long as the command is to live.
    _stdin: std::process::ChildStdin,
}

impl Running {
    fn start(mut command: std::process::Command, input: &[u8]) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("start a command")?;
        let mut stdin = child.stdin.take().context("standard input is piped")?;
        stdin.write_all(input).context("write to a command")?;
        let (sender, lines) = sync_channel(LINES_WAITING);
        forward(child.stdout.take().context("standard output is piped")?, sender);
        // Standard error is not compared, but has to be read.
        let (sender, _) = sync_channel(1);
        forward(child.stderr.take().context("standard error is piped")?, sender);
        Ok(Self { child, lines, _stdin: stdin })
    }

    /// The next lines of output; fewer if the command ends or takes too long, which shows in the
    /// outcome.
    fn lines(&self, count: usize) -> Result<Vec<String>> {
        let start = Instant::now();
        let mut lines = Vec::new();
        while lines.len() < count {
            let left = LINES_MAX.saturating_sub(start.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    lines.push("(no more lines in time)".to_owned());
                    break;
                }
            }
        }
        Ok(lines)
    }

    fn interrupt(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process id is positive")?;
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::INT);
        if crate::process::wait(&mut self.child, LINES_MAX)?.is_none() {
            bail!("a command lives after SIGINT");
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines to the end and passes them on while somebody listens.
fn forward(from: impl Read + Send + 'static, to: SyncSender<String>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            let _ = to.try_send(text);
            line.clear();
        }
    });
}
