//! `get`.

use client::grpc::etcdserverpb::kv_client::KvClient;
use client::{Channel, Client, Safety};
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::{RangeRequest, RangeResponse};

use super::range::{key_range, refuse_both};
use crate::cli::{Arguments, Format, Spec, bool_flag, int_flag, text_flag};
use crate::context::Context;
use crate::failure::{BAD_FEATURE, Failure};
use crate::print::Values;
use crate::quote::quote;

/// What the command takes.
pub fn spec() -> Spec {
    Spec {
        name: "get",
        arguments: "[options] <key> [range_end]",
        summary: "Shows a key or a range of keys",
        flags: vec![
            text_flag("consistency", "l", "l: linearizable; s: serializable, from one member"),
            text_flag("order", "", "ASCEND or DESCEND"),
            text_flag("sort-by", "", "CREATE, KEY, MODIFY, VALUE or VERSION"),
            int_flag("limit", "show so many keys at most"),
            bool_flag("prefix", "all keys that begin with the key"),
            bool_flag("from-key", "all keys from the key on, in byte order"),
            int_flag("rev", "show the keys as they were at a revision"),
            bool_flag("keys-only", "leave the values out"),
            bool_flag("count-only", "only count the keys (with --write-out=fields)"),
            bool_flag("print-value-only", "leave the keys out (with --write-out=simple)"),
            int_flag("min-create-rev", "only keys created in this revision or later"),
            int_flag("max-create-rev", "only keys created in this revision or before"),
            int_flag("min-mod-rev", "only keys changed in this revision or later"),
            int_flag("max-mod-rev", "only keys changed in this revision or before"),
            bool_flag("stream", "take the reply in pieces (needs a server of 3.7)"),
        ],
        ..Spec::default()
    }
}

/// Runs it.
///
/// # Errors
/// Wrong arguments; what the server answers.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let arguments = &context.arguments;
    let request = request(arguments)?;
    let client = context.client().await?;
    let kv = |channel| context.kv(channel);
    let response = if arguments.is_set("stream") {
        context.timed(stream(&client, &request, kv)).await?
    } else {
        let send = |channel| {
            let (mut kv, request) = (kv(channel), request.clone());
            async move { kv.range(request).await }
        };
        context.timed(client.call(Safety::Read, send)).await?
    };
    let is = |format| context.globals.format.is_none_or(|given| given == format);
    if arguments.is_set("count-only") && !is(Format::Fields) {
        return Err(Failure::arguments("--count-only is only for `--write-out=fields`"));
    }
    if !arguments.is_set("print-value-only") {
        return context.print(&response);
    }
    if !is(Format::Simple) {
        return Err(Failure::arguments("print-value-only is only for `--write-out=simple`"));
    }
    context.print(&Values(response))
}

/// Takes a reply in pieces: the last one has the header, `more` and the count.
async fn stream(
    client: &Client,
    request: &RangeRequest,
    kv: impl Fn(Channel) -> KvClient<Channel>,
) -> Result<RangeResponse, client::Error> {
    let open = |channel| {
        let (mut kv, request) = (kv(channel), request.clone());
        async move { kv.range_stream(request).await }
    };
    let mut pieces = client.call(Safety::Read, open).await?;
    let mut whole = RangeResponse::default();
    while let Some(piece) = pieces.message().await? {
        let piece = piece.range_response.unwrap_or_default();
        whole.header = piece.header.or(whole.header);
        whole.more |= piece.more;
        whole.count = whole.count.max(piece.count);
        whole.kvs.extend(piece.kvs);
    }
    Ok(whole)
}

/// The request that arguments ask for.
///
/// # Errors
/// Wrong arguments.
pub fn request(arguments: &Arguments) -> Result<RangeRequest, Failure> {
    if arguments.positional.is_empty() {
        let message = "get command needs one argument as key and an optional argument as range_end";
        return Err(Failure::arguments(message));
    }
    refuse_both(arguments)?;
    if arguments.is_set("keys-only") && arguments.is_set("count-only") {
        let message = "`--keys-only` and `--count-only` cannot be set at the same time, choose one";
        return Err(Failure::arguments(message));
    }
    let serializable = serializable(&arguments.text("consistency"))?;
    let (key, range_end) = key_range(arguments)?;
    let sort_target = sort_target(&arguments.text("sort-by"));
    let order = sort_order(&arguments.text("order"))?;
    let sort_target = sort_target?;
    let (min_create, max_create) = bounds(arguments, "create", "Create")?;
    let (min_mod, max_mod) = bounds(arguments, "mod", "Mod")?;
    Ok(RangeRequest {
        key,
        range_end,
        limit: arguments.int("limit"),
        revision: arguments.int("rev").max(0),
        // The server sorts by key anyway: clientv3 leaves that to it.
        sort_order: match (sort_target, order) {
            (SortTarget::Key, SortOrder::Ascend) => SortOrder::None,
            (_, order) => order,
        }
        .into(),
        sort_target: sort_target.into(),
        serializable,
        keys_only: arguments.is_set("keys-only"),
        count_only: arguments.is_set("count-only"),
        min_mod_revision: min_mod,
        max_mod_revision: max_mod,
        min_create_revision: min_create,
        max_create_revision: max_create,
    })
}

/// Whether `--consistency` means serializable.
///
/// # Errors
/// If it is neither `l` nor `s`.
pub fn serializable(consistency: &str) -> Result<bool, Failure> {
    match consistency {
        "l" => Ok(false),
        "s" => Ok(true),
        other => {
            let message = format!("unknown consistency flag {}", quote(other.as_bytes()));
            Err(Failure::new(BAD_FEATURE, message))
        }
    }
}

fn sort_order(name: &str) -> Result<SortOrder, Failure> {
    match name.to_uppercase().as_str() {
        "" => Ok(SortOrder::None),
        "ASCEND" => Ok(SortOrder::Ascend),
        "DESCEND" => Ok(SortOrder::Descend),
        _ => Err(Failure::new(BAD_FEATURE, format_args!("bad sort order {name}"))),
    }
}

fn sort_target(name: &str) -> Result<SortTarget, Failure> {
    match name.to_uppercase().as_str() {
        "" | "KEY" => Ok(SortTarget::Key),
        "CREATE" => Ok(SortTarget::Create),
        "MODIFY" => Ok(SortTarget::Mod),
        "VALUE" => Ok(SortTarget::Value),
        "VERSION" => Ok(SortTarget::Version),
        _ => Err(Failure::new(BAD_FEATURE, format_args!("bad sort target {name}"))),
    }
}

/// The bounds on one kind of revision; what is not above 0 is no bound.
fn bounds(arguments: &Arguments, flag: &str, name: &str) -> Result<(i64, i64), Failure> {
    let min = arguments.int(&format!("min-{flag}-rev"));
    let max = arguments.int(&format!("max-{flag}-rev"));
    if max > 0 && min > max {
        let message = format!("getMin{name}Rev(={min}) > getMax{name}Rev(={max})");
        return Err(Failure::new(BAD_FEATURE, message));
    }
    Ok((min.max(0), max.max(0)))
}
