//! `compaction`.

use client::Safety;
use proto::etcdserverpb::CompactionRequest;

use crate::cli::{Spec, bool_flag, parse_int};
use crate::context::{Context, write_out};
use crate::failure::{ERROR, Failure};

/// What the command takes.
pub fn spec() -> Spec {
    Spec {
        name: "compaction",
        arguments: "[options] <revision>",
        summary: "Drops the history up to a revision",
        flags: vec![bool_flag("physical", "wait until it is gone from the disk as well")],
        ..Spec::default()
    }
}

/// Runs it.
///
/// # Errors
/// Wrong arguments; what the server answers.
pub async fn run(context: &Context) -> Result<(), Failure> {
    if context.count() != 1 {
        return Err(Failure::arguments("compaction command needs 1 argument"));
    }
    let revision = parse_int(&context.arguments.argument(0), 10);
    let revision = revision.map_err(|why| Failure::new(ERROR, why))?;
    let physical = context.arguments.is_set("physical");
    let client = context.client().await?;
    let send = |channel| {
        let mut kv = context.kv(channel);
        async move { kv.compact(CompactionRequest { revision, physical }).await }
    };
    context.timed(client.call(Safety::Write, send)).await?;
    write_out(format!("compacted revision {revision}\n").as_bytes())
}
