//! `del`.

use crate::say::say;
use client::Safety;
use proto::etcdserverpb::DeleteRangeRequest;
use std::time::Duration;

use super::range::{key_range, refuse_both};
use crate::cli::{Arguments, Spec, bool_flag};
use crate::context::Context;
use crate::failure::Failure;
use crate::quote::quote;

/// How long one may think again when a range is given without `--range`.
const SECOND_THOUGHTS: Duration = Duration::from_secs(2);

/// What the command takes.
pub fn spec() -> Spec {
    Spec {
        name: "del",
        arguments: "[options] <key> [range_end]",
        summary: "Deletes a key or the keys of a range [key, range_end)",
        flags: vec![
            bool_flag("prefix", "all keys that begin with the key"),
            bool_flag("prev-kv", "show the deleted pairs"),
            bool_flag("from-key", "all keys from the key on, in byte order"),
            bool_flag("range", "a range is meant: do not wait before deleting it"),
        ],
        ..Spec::default()
    }
}

/// Runs it.
///
/// # Errors
/// Wrong arguments; what the server answers.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let request = request(&context.arguments)?;
    if let Some(warning) = warning(&context.arguments) {
        say!("{warning}");
        tokio::time::sleep(SECOND_THOUGHTS).await;
    }
    let client = context.client().await?;
    let send = |channel| {
        let (mut kv, request) = (context.kv(channel), request.clone());
        async move { kv.delete_range(request).await }
    };
    let response = context.timed(client.call(Safety::Write, send)).await?;
    context.print(&response)
}

/// What is said before a range goes.
fn warning(arguments: &Arguments) -> Option<String> {
    let [first, end] = arguments.positional.as_slice() else { return None };
    (!arguments.is_set("range")).then(|| {
        format!(
            "Warning: Keys between {} and {} will be deleted. Please interrupt the command within \
             next 2 seconds to cancel. You can provide `--range` flag to avoid the delay.",
            quote(first),
            quote(end)
        )
    })
}

/// The request that arguments ask for.
///
/// # Errors
/// Wrong arguments.
pub fn request(arguments: &Arguments) -> Result<DeleteRangeRequest, Failure> {
    if !(1..=2).contains(&arguments.positional.len()) {
        let message = "del command needs one argument as key and an optional argument as range_end";
        return Err(Failure::arguments(message));
    }
    refuse_both(arguments)?;
    let (key, range_end) = key_range(arguments)?;
    Ok(DeleteRangeRequest { key, range_end, prev_kv: arguments.is_set("prev-kv") })
}
