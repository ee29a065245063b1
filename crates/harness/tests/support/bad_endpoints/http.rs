//! HTTP/1 from bytes that are not always HTTP, and what comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::cases::Case;

/// How long a server may be silent before it counts as having no more to say.
const SILENCE: Duration = Duration::from_secs(5);

/// How much of a body is compared.
const BODY_SHOWN_MAX: usize = 300;

/// Headers that are compared.
const HEADERS: [&str; 4] = ["allow", "content-type", "location", "x-content-type-options"];
/// A header whose value is a server's own; whether it is there is compared.
const CLUSTER_ID: &str = "x-etcd-cluster-id";

/// Where a request goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    Clients,
    Metrics,
    Peers,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// Asks for a path.
pub fn get(port: u16, path: &str) -> Reply {
    get_within(port, path, Duration::from_secs(20))
}

/// As [`get`], with this much patience for every byte.
pub fn get_within(port: u16, path: &str, patience: Duration) -> Reply {
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let bytes = exchange(port, head.as_bytes(), false, patience, |bytes| is_whole(bytes, false));
    replies(&bytes, false).pop().unwrap_or_default()
}

/// Sends a case; what comes back, as it is compared.
pub fn send(port: u16, case: &Case) -> String {
    let has_all = |bytes: &[u8]| {
        replies(bytes, case.is_head).len() >= case.replies && is_whole(bytes, case.is_head)
    };
    let bytes = exchange(port, &case.bytes, case.ends, SILENCE, has_all);
    let shown: Vec<String> = replies(&bytes, case.is_head).iter().map(show).collect();
    if shown.is_empty() { "refused".to_owned() } else { shown.join(" | ") }
}

fn exchange(
    port: u16,
    bytes: &[u8],
    ends: bool,
    patience: Duration,
    is_done: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    // A server may have refused what it saw of it before all is sent.
    let sent = stream.write_all(bytes);
    if ends && sent.is_ok() {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let (mut received, mut part) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if is_done(&received) {
            break;
        }
    }
    received
}

/// Whether the last answer has come to its end; one that ends with the connection never has.
fn is_whole(bytes: &[u8], is_head: bool) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let start = text.rfind("HTTP/1.").unwrap_or(0);
    let Some((head, body)) = text[start..].split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length.and_then(|length| length.trim().parse::<usize>().ok()) {
        _ if is_head => true,
        Some(length) => body.len() >= length,
        None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
        None => head.contains(" 204 ") || head.contains(" 304 "),
    }
}

/// The answers in what came back.
fn replies(bytes: &[u8], is_head: bool) -> Vec<Reply> {
    let text = String::from_utf8_lossy(bytes);
    let mut starts: Vec<usize> = text.match_indices("HTTP/1.").map(|(at, _)| at).collect();
    starts.push(text.len());
    let mut replies = Vec::new();
    for range in starts.windows(2) {
        let Some((head, body)) = text[range[0]..range[1]].split_once("\r\n\r\n") else { continue };
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let body = if is_head { "" } else { body };
        replies.push(Reply {
            status: status.unwrap_or_default(),
            headers: headers.collect(),
            body: body.to_owned(),
        });
    }
    replies
}

/// An answer as it is compared. A server's own refusals differ in their words, and some close the
/// connection without any.
fn show(reply: &Reply) -> String {
    let words = ["", "400 Bad", "431 ", "501 ", "505 ", "Unsupported transfer", "request body too"];
    let is_own = words.iter().skip(1).any(|start| reply.body.starts_with(start));
    if matches!(reply.status, 400 | 413 | 431 | 501 | 505) && (is_own || reply.body.is_empty()) {
        return "refused".to_owned();
    }
    let mut shown = reply.status.to_string();
    for name in HEADERS {
        let values = reply.headers.iter().filter(|(other, _)| other == name);
        shown.extend(values.map(|(_, value)| format!(" {name}={value}")));
    }
    if reply.headers.iter().any(|(name, _)| name == CLUSTER_ID) {
        shown += " of a cluster";
    }
    if reply.body.contains("# HELP ") {
        return shown + " metrics";
    }
    if reply.body.contains("\"raft.status\": {\"id\":") {
        return shown + " variables";
    }
    let body: String = reply.body.chars().take(BODY_SHOWN_MAX).collect();
    format!("{shown} {:?}", without_numbers(&body))
}

/// Versions, ids and times are a server's own.
fn without_numbers(text: &str) -> String {
    let mut masked = String::new();
    for character in text.chars() {
        if !character.is_ascii_digit() {
            masked.push(character);
        } else if !masked.ends_with('N') {
            masked.push('N');
        }
    }
    masked
}
