//! `lock`.

use client::{Client, Mutex, Safety, Session};
use proto::etcdserverpb::{RangeRequest, RangeResponse};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::process::Command;

use super::signal;
use crate::cli::{Flag, Spec, int_flag};
use crate::context::Context;
use crate::failure::{ERROR, Failure};

/// What the command takes.
pub fn spec() -> Spec {
    let ttl = Flag {
        default: "10",
        ..int_flag("ttl", "seconds after which the lock is free when its holder is gone")
    };
    Spec {
        name: "lock",
        arguments: "<lockname> [exec-command arg1 arg2 ...]",
        summary: "Takes a lock and holds it, or runs a command under it",
        flags: vec![ttl],
        ..Spec::default()
    }
}

/// Runs it: holds the lock until SIGINT or SIGTERM, or as long as a command runs, whose exit code
/// becomes its own.
///
/// # Errors
/// Wrong arguments; a lost session; what the server answers; the command's failure.
pub async fn run(context: &Context) -> Result<(), Failure> {
    if context.count() == 0 {
        let message = "lock takes a lock name argument and an optional command to execute";
        return Err(Failure::arguments(message));
    }
    let client = context.client().await?;
    let session = Session::new(client.clone(), context.arguments.int("ttl")).await?;
    let name = context.positional(0);
    let taken = tokio::select! {
        taken = Mutex::lock(&session, &name) => Some(taken?),
        code = signal::ended() => code.map(|_| None)?,
    };
    let Some(mutex) = taken else {
        // The place in the queue goes with the lease.
        session.close().await?;
        return Err(Failure::new(ERROR, "context canceled"));
    };
    if context.count() > 1 {
        let outcome = run_under(context, &mutex).await;
        let unlocked = mutex.unlock().await;
        outcome?;
        return Ok(unlocked?);
    }
    let holder = read(context, &client, &mutex).await?;
    if holder.kvs.is_empty() {
        return Err(Failure::new(ERROR, "lock lost on init"));
    }
    context.print(&holder)?;
    tokio::select! {
        code = signal::ended() => { code?; }
        () = session.lost() => return Err(Failure::new(ERROR, "session expired")),
    }
    Ok(mutex.unlock().await?)
}

async fn read(
    context: &Context,
    client: &Client,
    mutex: &Mutex<'_>,
) -> Result<RangeResponse, client::Error> {
    let request = RangeRequest { key: mutex.key().clone(), ..RangeRequest::default() };
    let send = |channel| {
        let (mut kv, request) = (context.kv(channel), request.clone());
        async move { kv.range(request).await }
    };
    client.call(Safety::Read, send).await
}

/// Runs the command that the arguments give.
async fn run_under(context: &Context, mutex: &Mutex<'_>) -> Result<(), Failure> {
    let words = &context.arguments.positional[1..];
    let program = OsStr::from_bytes(&words[0]);
    let status = Command::new(program)
        .args(words[1..].iter().map(|word| OsStr::from_bytes(word)))
        .env("ETCD_LOCK_KEY", OsStr::from_bytes(mutex.key()))
        .env("ETCD_LOCK_REV", mutex.header().revision.to_string())
        .stdin(std::process::Stdio::null())
        .status()
        .await;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            // Go takes the exit status -1 of a signal as an exit code.
            Err(Failure::new(code.unwrap_or(u8::MAX), describe(status)))
        }
        Err(error) => Err(Failure::new(ERROR, not_started(program, &error))),
    }
}

/// How a command ended, in Go's words.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
    }
}

/// Why a command did not start, in Go's words.
pub fn not_started(program: &OsStr, error: &std::io::Error) -> String {
    let name = program.to_string_lossy();
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    if missing && !name.contains('/') {
        return format!("exec: \"{name}\": executable file not found in $PATH");
    }
    let text = error.to_string().to_lowercase();
    format!("fork/exec {name}: {}", text.split(" (os error").next().unwrap_or_default())
}
