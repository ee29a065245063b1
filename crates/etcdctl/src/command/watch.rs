//! `watch`: one watch from the command line, or any number from lines on standard input.

use crate::say::say;
use bytes::Bytes;
use client::{Watch, end_of_prefix, status_text};
use proto::error::Error as Known;
use proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use std::ffi::{OsStr, OsString};
use std::io::BufRead;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;
use tokio::process::Command;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::lock::{describe, not_started};
use crate::cli::{Arguments, Flag, Spec, argify, bool_flag, int_flag, parse};
use crate::context::{Context, write_out};
use crate::failure::{BAD_CONNECTION, ERROR, Failure, INTERRUPTED, INVALID_INPUT};
use crate::print::event_type;
use crate::quote::quote;

/// Lines and requests for progress that wait to be taken up.
const WAITING_MAX: usize = 16;

const NO_KEY: &str = "bad number of arguments";
const CONFLICT: &str = "bad number of arguments (found conflicting environment key)";
const NO_COMMAND: &str = "bad number of arguments (found separator --, but no commands)";

/// What the command takes.
pub fn spec() -> Spec {
    let interactive =
        Flag { short: Some('i'), ..bool_flag("interactive", "take watches from lines") };
    Spec {
        name: "watch",
        arguments: "[options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
        summary: "Shows changes of keys as they happen",
        details: "Shows changes of keys as they happen. A command behind '--' is run for each \
                  change, with ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE, ETCD_WATCH_KEY and \
                  ETCD_WATCH_VALUE set.\n\nWith -i, each line of standard input is a watch of its \
                  own (\"watch key --prefix\") or \"progress\". ETCDCTL_WATCH_KEY and \
                  ETCDCTL_WATCH_RANGE_END stand for the arguments.",
        flags: vec![
            interactive,
            bool_flag("prefix", "all keys that begin with the key"),
            int_flag("rev", "show the changes from a revision on"),
            bool_flag("prev-kv", "show each pair as it was before, too"),
            bool_flag("progress-notify", "let the server say from time to time where it is"),
        ],
        ..Spec::default()
    }
}

/// Runs it.
///
/// # Errors
/// Wrong arguments; the end of the watch.
pub async fn run(context: &Arc<Context>, words: &[OsString]) -> Result<(), Failure> {
    let preset = preset()?;
    if context.arguments.is_set("interactive") {
        return interactive(context, &preset).await;
    }
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let order = Order::read(&context.arguments, &words, &preset)?;
    let client = context.client().await?;
    let request = order.request().map_err(Failure::arguments)?;
    // Nobody asks for progress here.
    let (_sender, progress) = channel(1);
    follow(context, Watch::new(client, request), &order.command, progress).await?;
    Err(Failure::new(INTERRUPTED, "watch is canceled by the server"))
}

/// The key and the end of the range that variables give.
fn preset() -> Result<Vec<Bytes>, Failure> {
    let variable = |name| Bytes::from(std::env::var_os(name).unwrap_or_default().into_vec());
    let (key, end) = (variable("ETCDCTL_WATCH_KEY"), variable("ETCDCTL_WATCH_RANGE_END"));
    match (key.is_empty(), end.is_empty()) {
        (true, false) => Err(Failure::arguments(format_args!(
            "ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END={}",
            quote(&end)
        ))),
        (true, true) => Ok(Vec::new()),
        (false, true) => Ok(vec![key]),
        (false, false) => Ok(vec![key, end]),
    }
}

/// What is to be watched, and what to run for each change.
#[derive(Debug)]
struct Order {
    arguments: Arguments,
    /// The key and the end of the range.
    keys: Vec<Bytes>,
    /// Empty for none.
    command: Vec<Bytes>,
}

impl Order {
    /// Takes a command line apart at its `--`, which the arguments do not show any more.
    fn read(arguments: &Arguments, words: &[&[u8]], preset: &[Bytes]) -> Result<Self, Failure> {
        let separator = words.iter().position(|word| *word == b"--");
        let behind = separator.map_or(0, |position| words.len() - position - 1);
        if separator.is_some() && behind == 0 {
            return Err(Failure::arguments(NO_COMMAND));
        }
        let given = &arguments.positional;
        let (keys, command) = given.split_at(given.len().saturating_sub(behind));
        let keys = match (keys.is_empty(), preset.is_empty()) {
            (true, false) => preset.to_vec(),
            (false, false) => return Err(Failure::arguments(CONFLICT)),
            (_, true) => keys.to_vec(),
        };
        Ok(Self { arguments: arguments.clone(), keys, command: command.to_vec() })
    }

    fn request(&self) -> Result<WatchCreateRequest, &'static str> {
        let prefix = self.arguments.is_set("prefix");
        let (key, range_end) = match self.keys.as_slice() {
            [] => return Err(NO_KEY),
            [_, _] if prefix => return Err("`range_end` and `--prefix` are mutually exclusive"),
            [key, end] => (key.clone(), end.clone()),
            [key, ..] if prefix && key.is_empty() => {
                (Bytes::from_static(b"\0"), Bytes::from_static(b"\0"))
            }
            [key, ..] if prefix => (key.clone(), end_of_prefix(key)),
            [key, ..] => (key.clone(), Bytes::new()),
        };
        Ok(WatchCreateRequest {
            key,
            range_end,
            start_revision: self.arguments.int("rev"),
            progress_notify: self.arguments.is_set("progress-notify"),
            prev_kv: self.arguments.is_set("prev-kv"),
            ..WatchCreateRequest::default()
        })
    }
}

/// Takes watches from lines, until there are no more.
async fn interactive(context: &Arc<Context>, preset: &[Bytes]) -> Result<(), Failure> {
    let client = context.client().await?;
    let mut lines = lines();
    let mut asking: Vec<Sender<()>> = Vec::new();
    let mut running: JoinSet<Result<(), Failure>> = JoinSet::new();
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            Some(ended) = running.join_next() => {
                // A watch that the server ended has said so; the others go on.
                ended.map_err(|error| Failure::new(ERROR, error))??;
                continue;
            }
        };
        let Some(line) = line else {
            return Err(Failure::new(INVALID_INPUT, "error reading watch request line: EOF"));
        };
        let shown = String::from_utf8_lossy(&line).into_owned();
        let words = argify(&line).ok_or_else(|| Failure::new(INVALID_INPUT, "invalid syntax"))?;
        match words.first().map(Vec::as_slice) {
            None => say!("Invalid command: {shown} (watch and progress supported)"),
            Some(b"progress") => {
                for watch in &asking {
                    // A watch that has ended has nothing to tell.
                    let _ = watch.send(()).await;
                }
            }
            Some(b"watch") if words.len() < 2 && preset.is_empty() => {
                say!("Invalid command {shown} (command type or key is not provided)");
            }
            Some(b"watch") => {
                let order = order_of_line(words, preset)?;
                match order.request() {
                    Ok(request) => {
                        let (sender, progress) = channel(WAITING_MAX);
                        asking.push(sender);
                        let (context, watch) =
                            (context.clone(), Watch::new(client.clone(), request));
                        running.spawn(async move {
                            follow(&context, watch, &order.command, progress).await
                        });
                    }
                    Err(why) => say!("Invalid command {shown} ({why})"),
                }
            }
            Some(_) => say!("Invalid command {shown} (only support watch)"),
        }
    }
}

/// Reads a line that begins with `watch`.
fn order_of_line(words: Vec<Vec<u8>>, preset: &[Bytes]) -> Result<Order, Failure> {
    let commands = Spec { commands: vec![spec()], ..Spec::default() };
    let raw: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let given = words.iter().cloned().map(OsString::from_vec).collect();
    let parsed = parse(&commands, given);
    let parsed = parsed.map_err(|failure| Failure::arguments(failure.message()))?;
    Order::read(&parsed.arguments, &raw, preset)
}

/// The lines of standard input, from a thread that may wait for them.
fn lines() -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel(WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = stdin.read_until(b'\n', &mut line);
            if read.is_err() || line.pop() != Some(b'\n') || sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Prints what a watch tells until it ends, and runs a command for each change.
async fn follow(
    context: &Context,
    mut watch: Watch,
    command: &[Bytes],
    mut progress: Receiver<()>,
) -> Result<(), Failure> {
    let client_failed = |error| Failure::new(BAD_CONNECTION, error);
    loop {
        let response = tokio::select! {
            response = watch.next() => response,
            Some(()) = progress.recv() => {
                watch.request_progress().await.map_err(client_failed)?;
                continue;
            }
        };
        let response = match response {
            Ok(Some(response)) => response,
            Ok(None) => return Ok(()),
            Err(error) => {
                say!("watch was canceled ({error})");
                return Ok(());
            }
        };
        let revision = response.header.map_or(0, |header| header.revision);
        if response.canceled {
            say!("watch was canceled ({})", reason(&response));
        } else if response.events.is_empty() && revision != 0 {
            write_out(format!("progress notify: {revision}\n").as_bytes())?;
        }
        context.print(&response)?;
        run_for_each(&response, revision, command).await?;
    }
}

/// Why the server ended a watch, as Go's client says it.
fn reason(response: &WatchResponse) -> String {
    if response.compact_revision != 0 {
        Known::Compacted.to_string()
    } else if response.cancel_reason.is_empty() {
        Known::FutureRev.to_string()
    } else if response.created {
        // Refused from the start: the reason is a whole error already.
        response.cancel_reason.clone()
    } else {
        status_text(&tonic::Status::failed_precondition(response.cancel_reason.clone()))
    }
}

/// Runs the command for each change, one after the other.
async fn run_for_each(
    response: &WatchResponse,
    revision: i64,
    command: &[Bytes],
) -> Result<(), Failure> {
    let Some((program, words)) = command.split_first() else { return Ok(()) };
    let program = OsStr::from_bytes(program);
    for event in &response.events {
        let kv = event.kv.clone().unwrap_or_default();
        let status = Command::new(program)
            .args(words.iter().map(|word| OsStr::from_bytes(word)))
            .env("ETCD_WATCH_REVISION", revision.to_string())
            .env("ETCD_WATCH_EVENT_TYPE", format!("\"{}\"", event_type(event)))
            .env("ETCD_WATCH_KEY", quote(&kv.key))
            .env("ETCD_WATCH_VALUE", quote(&kv.value))
            .stdin(std::process::Stdio::null())
            .status()
            .await;
        let why = match status {
            Ok(status) if status.success() => continue,
            Ok(status) => describe(status),
            Err(error) => not_started(program, &error),
        };
        let shown: Vec<String> = command.iter().map(|word| quote(word)).collect();
        say!("command [{}] error ({why})", shown.join(" "));
        return Err(Failure::silent(ERROR));
    }
    Ok(())
}
