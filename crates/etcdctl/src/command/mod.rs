//! The commands: what there is, and which file does it.

mod alarm;
mod auth;
mod compaction;
mod defrag;
mod del;
mod downgrade;
mod elect;
mod endpoint;
mod get;
mod lease;
mod lock;
mod member;
mod move_leader;
pub mod password;
mod put;
mod range;
mod role;
mod signal;
mod snapshot;
mod txn;
mod user;
mod version;
mod watch;

use crate::say::say;
use std::ffi::OsString;
use std::sync::Arc;

use crate::cli::{Flag, Globals, Parsed, Spec, help, options, parse};
use crate::context::{Context, write_out};
use crate::failure::{ERROR, Failure};

/// All commands.
pub fn root() -> Spec {
    Spec {
        name: "etcdctl",
        summary: "A client for etcd, for people and scripts.",
        inherited: Globals::flags(),
        commands: vec![
            alarm::spec(),
            auth::spec(),
            compaction::spec(),
            defrag::spec(),
            del::spec(),
            downgrade::spec(),
            elect::spec(),
            endpoint::spec(),
            get::spec(),
            Spec {
                name: "help",
                arguments: "[command]",
                summary: "Shows what a command does and takes",
                ..Spec::default()
            },
            lease::spec(),
            lock::spec(),
            member::spec(),
            move_leader::spec(),
            Spec {
                name: "options",
                summary: "Shows the flags that every command takes",
                ..Spec::default()
            },
            put::spec(),
            role::spec(),
            snapshot::spec(),
            txn::spec(),
            user::spec(),
            version::spec(),
            watch::spec(),
        ],
        ..Spec::default()
    }
}

/// Runs a command line.
///
/// # Errors
/// Why the command failed.
pub async fn run(words: Vec<OsString>) -> Result<(), Failure> {
    let root = root();
    let Parsed { path, spec, help: wants_help, mut arguments } = parse(&root, words.clone())?;
    if wants_help {
        return write_out(help(&root, &path).as_bytes()).and_then(|()| write_out(b"\n"));
    }
    match path.as_slice() {
        [] if !arguments.positional.is_empty() => {
            let name = arguments.argument(0);
            let message = format!("unknown command {name:?} for \"etcdctl\"");
            let hint = "Run 'etcdctl --help' for usage.".to_owned();
            return Err(Failure::new(ERROR, message).with_usage(hint));
        }
        ["help"] => {
            let asked: Vec<String> =
                (0..arguments.positional.len()).map(|at| arguments.argument(at)).collect();
            return show_help(&root, &asked);
        }
        ["options"] => return write_out(options(&root).as_bytes()),
        ["version"] => return version::run(),
        path if !spec.commands.is_empty() => {
            return write_out(help(&root, path).as_bytes()).and_then(|()| write_out(b"\n"));
        }
        _ => {}
    }
    let inherited: Vec<Flag> = inherited(&root, &path);
    let globals = Globals::read(&mut arguments, &inherited)?;
    let context = Arc::new(Context { globals, arguments });
    dispatch(&path, &context, &words).await
}

/// The flags that a command has from those above it.
fn inherited(root: &Spec, path: &[&str]) -> Vec<Flag> {
    let mut flags = root.inherited.clone();
    let mut spec = root;
    for name in &path[..path.len() - 1] {
        spec = spec.command(name).expect("the path leads through declared commands");
        flags.extend(&spec.inherited);
    }
    flags
}

fn show_help(root: &Spec, asked: &[String]) -> Result<(), Failure> {
    let path: Vec<&str> = asked.iter().map(String::as_str).collect();
    let mut spec = root;
    for name in &path {
        match spec.command(name) {
            Some(below) => spec = below,
            None => {
                say!("Unknown help topic [`{}`]", path.join(" "));
                say!("{}", crate::cli::usage(root, &[]));
                return Ok(());
            }
        }
    }
    write_out(help(root, &path).as_bytes()).and_then(|()| write_out(b"\n"))
}

async fn dispatch(
    path: &[&'static str],
    context: &Arc<Context>,
    words: &[OsString],
) -> Result<(), Failure> {
    match path {
        ["alarm", which] => alarm::run(context, which).await,
        ["auth", which] => auth::run(context, which).await,
        ["compaction"] => compaction::run(context).await,
        ["defrag"] => defrag::run(context).await,
        ["del"] => del::run(context).await,
        ["downgrade", which] => downgrade::run(context, which).await,
        ["elect"] => elect::run(context).await,
        ["endpoint", which] => endpoint::run(context, which).await,
        ["get"] => get::run(context).await,
        ["lease", which] => lease::run(context, which).await,
        ["lock"] => lock::run(context).await,
        ["member", which] => member::run(context, which).await,
        ["move-leader"] => move_leader::run(context).await,
        ["put"] => put::run(context).await,
        ["role", which] => role::run(context, which).await,
        ["snapshot", "save"] => snapshot::run(context).await,
        ["txn"] => txn::run(context).await,
        ["user", which] => user::run(context, which).await,
        ["watch"] => watch::run(context, words).await,
        other => unreachable!("{other:?} is declared and not dispatched"),
    }
}
