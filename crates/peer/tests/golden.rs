//! The traffic of real clusters (`testdata/golden`, archives `*-wire`): every stream reads, and is
//! written again as it was.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use harness::{Folder, workspace_folder};
use peer::{Chunks, append_stream, message_stream};
use proto::raftpb::{Message, MessageType};
use types::MemberId;

/// What was found in an archive.
#[derive(Default, Debug)]
struct Found {
    streams: usize,
    heartbeats: usize,
    short_appends: usize,
    whole_appends: usize,
    messages: usize,
    posts: usize,
    snapshots: usize,
}

/// Which form a release writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Zero fields are there.
    Gogo,
    /// Zero fields are left out.
    Google,
}

fn unpack(archive: &str) -> Folder {
    let folder = Folder::new("wire").unwrap();
    let file = workspace_folder().join("testdata/golden").join(format!("{archive}.tar.gz"));
    let mut tar = Command::new("tar");
    let status = tar.arg("-xzf").arg(file).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success());
    folder
}

/// The HTTP messages of one direction: first line, and body, which may end early.
fn http_messages(mut bytes: &[u8]) -> Vec<(String, Bytes)> {
    let mut messages = Vec::new();
    while let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        bytes = &bytes[end + 4..];
        let header = |name: &str| {
            let mut lines = head.lines().map(str::to_ascii_lowercase);
            lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
        };
        let body = if header("transfer-encoding:").as_deref() == Some("chunked") {
            dechunk(&mut bytes)
        } else {
            let length = header("content-length:").map_or(0, |length| length.parse().unwrap());
            let (body, rest) = bytes.split_at(bytes.len().min(length));
            bytes = rest;
            body.to_vec()
        };
        let first = head.lines().next().unwrap_or_default().to_owned();
        messages.push((first, Bytes::from(body)));
    }
    messages
}

fn dechunk(bytes: &mut &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let chunk = &bytes[end + 2..];
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        *bytes = &chunk[chunk.len().min(size + 2)..];
        if size == 0 {
            break;
        }
    }
    body
}

/// Our bytes for a message.
fn encoded(encode: impl FnOnce(&mut Chunks)) -> Vec<u8> {
    let mut out = Chunks::default();
    encode(&mut out);
    std::iter::from_fn(|| out.pop()).collect::<Vec<Bytes>>().concat()
}

fn check_append_stream(mut body: Bytes, form: Form, found: &mut Found) {
    let (local, remote) = (MemberId(2), MemberId(1));
    let mut decoder = append_stream::Decoder::new(local, remote);
    let mut encoder = append_stream::Encoder::default();
    found.streams += 1;
    loop {
        let mut rest = body.clone();
        let Some(message) = decoder.decode(&mut rest).unwrap() else { break };
        let frame = body.split_to(body.len() - rest.len());
        let ours = encoded(|out| encoder.encode(&message, out));
        assert_eq!(ours[0], frame[0], "another kind of frame for {message:?}");
        match frame[0] {
            0 => found.heartbeats += 1,
            1 => found.short_appends += 1,
            _ => found.whole_appends += 1,
        }
        if frame[0] < 2 && form == Form::Gogo {
            assert_eq!(ours, frame);
        }
        let mut again = append_stream::Decoder::new(local, remote);
        if frame[0] != 1 {
            let read = again.decode(&mut Bytes::from(ours)).unwrap();
            assert_eq!(read, Some(message));
        }
    }
}

fn check_message_stream(mut body: Bytes, found: &mut Found) {
    let mut decoder = message_stream::Decoder::new();
    found.streams += 1;
    while let Some(message) = decoder.decode(&mut body).unwrap() {
        let mut ours = Bytes::from(encoded(|out| message_stream::encode(&message, out)));
        let read = message_stream::Decoder::new().decode(&mut ours).unwrap();
        match message_stream::is_link_heartbeat(&message) {
            true => found.heartbeats += 1,
            false => found.messages += 1,
        }
        assert_eq!(read, Some(message));
    }
}

fn check_connection(wire: &Path, name: &str, form: Form, found: &mut Found) {
    let read = |suffix: &str| std::fs::read(wire.join(format!("{name}.{suffix}"))).unwrap();
    let requests = http_messages(&read("c2s"));
    let answers = http_messages(&read("s2c"));
    for (position, (request, body)) in requests.into_iter().enumerate() {
        let answer = answers.get(position).cloned().unwrap_or_default();
        let is_good = answer.0.contains("200") || answer.0.contains("204");
        if request.starts_with("GET /raft/stream/msgapp/") && is_good {
            check_append_stream(answer.1, form, found);
        } else if request.starts_with("GET /raft/stream/message/") && is_good {
            check_message_stream(answer.1, found);
        } else if request.starts_with("POST /raft ") && is_good {
            let message = Message::decode(body).unwrap();
            assert_eq!(Message::decode(message.encode_to_vec()).unwrap(), message);
            found.posts += 1;
        } else if request.starts_with("POST /raft/snapshot ") {
            let mut body = body;
            let mut decoder = message_stream::Decoder::new();
            let message = decoder.decode(&mut body).unwrap().unwrap();
            assert_eq!(message.message_type, MessageType::Snap);
            assert!(message.snapshot.is_some());
            // A bolt file's first page bears its magic number.
            assert_eq!(body[16..20], 0xed0c_daed_u32.to_le_bytes());
            found.snapshots += 1;
        }
    }
}

fn check(archive: &str, form: Form) -> Found {
    let folder = unpack(archive);
    let wire = folder.path().join("wire");
    let mut found = Found::default();
    let mut names: Vec<String> = std::fs::read_dir(&wire)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in names.iter().filter_map(|name| name.strip_suffix(".c2s")) {
        check_connection(&wire, name, form, &mut found);
    }
    found
}

#[test]
fn the_traffic_of_3_5_is_read_and_written_as_it_was() {
    for archive in ["traffic-wire", "cluster3-wire"] {
        let found = check(archive, Form::Gogo);
        assert!(found.short_appends > 20 && found.whole_appends > 1, "{archive}: {found:?}");
        assert!(found.heartbeats > 20 && found.messages > 20, "{archive}: {found:?}");
        assert_eq!(found.snapshots > 0, archive == "traffic-wire", "{archive}: {found:?}");
    }
}

#[test]
fn the_traffic_of_3_7_is_read() {
    for archive in ["v3.7.1/traffic-wire", "v3.7.1/cluster3-wire"] {
        let found = check(archive, Form::Google);
        assert!(found.short_appends > 20 && found.whole_appends > 1, "{archive}: {found:?}");
        assert!(found.heartbeats > 20 && found.messages > 20, "{archive}: {found:?}");
        assert_eq!(found.snapshots > 0, archive.contains("traffic"), "{archive}: {found:?}");
    }
}
