//! `put`.

use bytes::Bytes;
use client::Safety;
use proto::etcdserverpb::PutRequest;
use std::io::Read;

use crate::cli::{Arguments, Spec, bool_flag, parse_int, text_flag};
use crate::context::Context;
use crate::failure::Failure;

/// What the command takes.
pub fn spec() -> Spec {
    Spec {
        name: "put",
        arguments: "[options] <key> <value> (<value> can also be given from stdin)",
        summary: "Sets a key",
        details: "Sets a key to a value.\n\nWithout a value it is read from standard input, unless \
                  --ignore-value keeps the current one:\n\n$ cat file | etcdctl put key\n\nA value \
                  that begins with '-' looks like a flag; put '--' before it:\n\n$ etcdctl put key \
                  -- -1",
        flags: vec![
            text_flag("lease", "0", "lease that the key lives with, in hexadecimal"),
            bool_flag("prev-kv", "show the pair as it was before"),
            bool_flag("ignore-value", "keep the value, change the rest"),
            bool_flag("ignore-lease", "keep the lease, change the rest"),
        ],
        ..Spec::default()
    }
}

/// Runs it.
///
/// # Errors
/// Wrong arguments; what the server answers.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let request = request(&context.arguments, read_stdin)?;
    context.fits(&request)?;
    let client = context.client().await?;
    let send = |channel| {
        let (mut kv, request) = (context.kv(channel), request.clone());
        async move { kv.put(request).await }
    };
    let response = context.timed(client.call(Safety::Write, send)).await?;
    context.print(&response)
}

/// The request that arguments ask for; `missing` gives the value where none is among them.
///
/// # Errors
/// Wrong arguments.
pub fn request(
    arguments: &Arguments,
    missing: impl FnOnce() -> Option<Bytes>,
) -> Result<PutRequest, Failure> {
    let needs =
        || Failure::arguments("put command needs 1 argument and input from stdin or 2 arguments");
    let key = arguments.positional.first().ok_or_else(needs)?.clone();
    let ignore_value = arguments.is_set("ignore-value");
    let value = match (ignore_value, arguments.positional.get(1)) {
        (true, Some(_)) => {
            let message = "put command needs only 1 argument when 'ignore-value' is set";
            return Err(Failure::arguments(message));
        }
        (true, None) => Bytes::new(),
        (false, Some(value)) => value.clone(),
        (false, None) => missing().ok_or_else(needs)?,
    };
    let lease = parse_int(&arguments.text("lease"), 16).map_err(|why| {
        Failure::arguments(format_args!("bad lease ID ({why}), expecting ID in Hex"))
    })?;
    Ok(PutRequest {
        key,
        value,
        lease,
        prev_kv: arguments.is_set("prev-kv"),
        ignore_value,
        ignore_lease: arguments.is_set("ignore-lease"),
    })
}

/// All of standard input; `None` if there is nothing.
fn read_stdin() -> Option<Bytes> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).ok()?;
    (!bytes.is_empty()).then(|| bytes.into())
}
