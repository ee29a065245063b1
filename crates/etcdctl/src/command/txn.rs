//! `txn`: conditions and two lists of requests, a line each, with an empty line behind each list.

use bytes::Bytes;
use client::Safety;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{Compare, RequestOp, TxnRequest};
use std::ffi::OsString;
use std::io::BufRead;
use std::os::unix::ffi::OsStringExt;

use super::{del, get, put};
use crate::cli::{Flag, Spec, argify, bool_flag, parse, parse_int};
use crate::context::{Context, write_out};
use crate::failure::{BAD_CONNECTION, Failure, INVALID_INPUT};
use crate::quote::{quote, unquote};

/// What the command takes.
pub fn spec() -> Spec {
    let interactive = Flag { short: Some('i'), ..bool_flag("interactive", "say what comes next") };
    Spec {
        name: "txn",
        arguments: "[options]",
        summary: "Does several requests at once, if conditions hold",
        details: "Reads conditions and requests from standard input and does them at once: first \
                  the conditions, then the requests for the case that all of them hold, then those \
                  for the case that one does not. An empty line ends each list.\n\n\
                  $ etcdctl txn -i\ncompares:\nmod(\"key1\") > \"0\"\n\nsuccess requests (get, put, \
                  del):\nput key1 \"overwritten\"\n\nfailure requests (get, put, del):\nput key1 \
                  \"created\"\n\nA condition is about the value, version, create or mod (revision) \
                  or lease of a key, with =, !=, < or >.",
        flags: vec![interactive],
        ..Spec::default()
    }
}

/// Runs it. There is no time limit, as in Go.
///
/// # Errors
/// Lines that make no sense; what the server answers.
pub async fn run(context: &Context) -> Result<(), Failure> {
    if context.count() != 0 {
        return Err(Failure::arguments("txn command does not accept argument"));
    }
    let client = context.client().await?;
    let prompt = |text: &str| match context.arguments.is_set("interactive") {
        true => write_out(format!("{text}\n").as_bytes()),
        false => Ok(()),
    };
    prompt("compares:")?;
    let compare = read_list(parse_compare)?;
    prompt("success requests (get, put, del):")?;
    let success = read_list(parse_request)?;
    prompt("failure requests (get, put, del):")?;
    let failure = read_list(parse_request)?;
    let request = TxnRequest { compare, success, failure };
    context.fits(&request)?;
    let send = |channel| {
        let (mut kv, request) = (context.kv(channel), request.clone());
        async move { kv.txn(request).await }
    };
    context.print(&client.call(Safety::Write, send).await?)
}

/// Reads lines up to an empty one.
fn read_list<T>(parse_line: impl Fn(&[u8]) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    let mut list = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = std::io::stdin().lock().read_until(b'\n', &mut line);
        read.map_err(|error| Failure::new(INVALID_INPUT, error))?;
        if line.last() != Some(&b'\n') {
            return Err(Failure::new(INVALID_INPUT, "EOF"));
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(list);
        }
        list.push(parse_line(line)?);
    }
}

fn parse_request(line: &[u8]) -> Result<RequestOp, Failure> {
    let shown = String::from_utf8_lossy(line);
    let invalid =
        |what: &str| Failure::new(INVALID_INPUT, format_args!("invalid txn {what}: {shown}"));
    let words = argify(line).ok_or_else(|| Failure::new(INVALID_INPUT, "invalid syntax"))?;
    if words.len() < 2 {
        return Err(invalid("compare request"));
    }
    let commands =
        Spec { commands: vec![put::spec(), get::spec(), del::spec()], ..Spec::default() };
    let words = words.into_iter().map(OsString::from_vec).collect();
    let parsed = parse(&commands, words).map_err(|_| invalid("request"))?;
    let arguments = &parsed.arguments;
    let request = match parsed.path.as_slice() {
        ["put"] => Request::RequestPut(put::request(arguments, || None)?),
        ["get"] => Request::RequestRange(get::request(arguments)?),
        ["del"] => Request::RequestDeleteRange(del::request(arguments)?),
        _ => return Err(invalid("request")),
    };
    Ok(RequestOp { request: Some(request) })
}

/// Reads a condition such as `mod("key") > "0"`.
fn parse_compare(line: &[u8]) -> Result<Compare, Failure> {
    let shown = String::from_utf8_lossy(line);
    let failed = |message: String| Failure::new(INVALID_INPUT, message);
    let open = line.iter().position(|byte| *byte == b'(');
    let open = open.ok_or_else(|| failed(format!("malformed comparison: {shown}")))?;
    let (target, rest) = (&line[..open], &line[open + 1..]);
    let target = String::from_utf8_lossy(target).into_owned();
    let Parts { key, operator, value } = Parts::read(rest);
    let (Some(key), Some(operator), Some(value)) = (&key, &operator, &value) else {
        return Err(failed(format!(
            "malformed comparison: {shown}; got {target}({}) {} {}",
            quote(key.as_deref().unwrap_or_default()),
            operator.unwrap_or_default(),
            quote(value.as_deref().unwrap_or_default()),
        )));
    };
    let number = || {
        let value = parse_int(&String::from_utf8_lossy(value), 10);
        value.map_err(|_| failed(format!("invalid txn compare request: {shown}")))
    };
    let (target, union) = match target.as_str() {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number()?)),
        "c" | "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number()?)),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number()?)),
        "val" | "value" => (CompareTarget::Value, TargetUnion::Value(value.clone().into())),
        // Go's etcdctl crashes on a condition about a lease.
        "lease" => {
            let lease = parse_int(&String::from_utf8_lossy(value), 16);
            let lease =
                lease.map_err(|_| failed(format!("invalid txn compare request: {shown}")))?;
            (CompareTarget::Lease, TargetUnion::Lease(lease))
        }
        other => {
            let message = format!("malformed comparison: {shown} (unknown target {other})");
            return Err(failed(message));
        }
    };
    let result = match operator.as_str() {
        "=" => CompareResult::Equal,
        "!=" => CompareResult::NotEqual,
        ">" => CompareResult::Greater,
        "<" => CompareResult::Less,
        // Where Go's etcdctl crashes, with the exit code of a crash.
        _ => {
            return Err(Failure::new(BAD_CONNECTION, format_args!("unknown operator: {operator}")));
        }
    };
    Ok(Compare {
        result: result.into(),
        target: target.into(),
        key: Bytes::from(key.clone()),
        target_union: Some(union),
        range_end: Bytes::new(),
    })
}

/// What stands behind the opening parenthesis of a condition, as far as it can be read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    key: Option<Vec<u8>>,
    operator: Option<String>,
    value: Option<Vec<u8>>,
}

impl Parts {
    fn read(text: &[u8]) -> Self {
        let mut parts = Self::default();
        let Some((key, rest)) = unquote(text.trim_ascii_start()) else { return parts };
        parts.key = Some(key);
        let Some(rest) = rest.strip_prefix(b")") else { return parts };
        if !rest.first().is_none_or(u8::is_ascii_whitespace) {
            return parts;
        }
        let rest = rest.trim_ascii_start();
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        if end == 0 {
            return parts;
        }
        parts.operator = Some(String::from_utf8_lossy(&rest[..end]).into_owned());
        parts.value = unquote(rest[end..].trim_ascii_start()).map(|(value, _)| value);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let compare = parse_compare(br#"mod("a b") != "12""#).unwrap();
        assert_eq!(compare.key, &b"a b"[..]);
        assert_eq!(compare.result(), CompareResult::NotEqual);
        assert_eq!(compare.target(), CompareTarget::Mod);
        assert_eq!(compare.target_union, Some(TargetUnion::ModRevision(12)));
        let compare = parse_compare(br#"lease("a") = "1f""#).unwrap();
        assert_eq!(compare.target_union, Some(TargetUnion::Lease(31)));
    }

    #[test]
    fn what_is_wrong_with_a_condition_is_said_as_go_says_it() {
        let cases = [
            ("nonsense", "malformed comparison: nonsense"),
            (r#"value("a" = "1""#, r#"malformed comparison: value("a" = "1"; got value("a")  """#),
            (r#"value("a")="1""#, r#"malformed comparison: value("a")="1"; got value("a")  """#),
            (
                r#"size("a") = "1""#,
                r#"malformed comparison: size("a") = "1" (unknown target size)"#,
            ),
            (r#"mod("a") = "x""#, r#"invalid txn compare request: mod("a") = "x""#),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_compare(line.as_bytes()).unwrap_err().message(), expected);
        }
    }

    #[test]
    fn requests_are_read_like_command_lines() {
        let request = parse_request(br#"get "a b" --prefix --limit=2"#).unwrap().request;
        let Some(Request::RequestRange(range)) = request else { panic!("no range") };
        assert_eq!(
            (&range.key[..], &range.range_end[..], range.limit),
            (&b"a b"[..], &b"a c"[..], 2)
        );
        let cases = [
            ("get", "invalid txn compare request: get"),
            ("frobnicate x", "invalid txn request: frobnicate x"),
            ("get a --nope", "invalid txn request: get a --nope"),
            (
                "get a b --prefix",
                "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_request(line.as_bytes()).unwrap_err().message(), expected);
        }
    }
}
