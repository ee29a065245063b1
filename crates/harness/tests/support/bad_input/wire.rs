//! Broken messages, frames, headers and paths.

use super::messages::{Case, Expect};
use super::raw::{Raw, frame};
use bytes::Bytes;
use prost::Message as _;
use proto::etcdserverpb::RangeRequest;

const RANGE: &str = "/etcdserverpb.KV/Range";

fn case(name: &str, raw: Raw) -> Case {
    Case { name: name.to_owned(), raw, expect: Expect::Same }
}

fn good() -> Vec<u8> {
    RangeRequest { key: "a".into(), ..RangeRequest::default() }.encode_to_vec()
}

/// What gRPC calls a failure of decoding; the words differ from library to library.
const UNDECODABLE: &[&str] = &["13: *", "3: *", "12: *", "2: *", "broken"];

/// A field of another type: unknown, and passed over, from 3.7 on; an error before.
const ANOTHER_TYPE: &[&str] = &["0: ", "13: *"];

/// A stream or connection that is refused.
const REFUSED: &[&str] =
    &["broken", "13: *", "8: *", "3: *", "http 431", "http 400", "http 415", "http 405", "0: "];

const TOO_LATE: &[&str] = &["4: context deadline exceeded"];

pub fn cases() -> Vec<Case> {
    [messages(), frames(), headers(), paths()].into_iter().flatten().collect()
}

fn loosely(name: &str, raw: Raw, answers: &'static [&'static str]) -> Case {
    Case { name: name.to_owned(), raw, expect: Expect::Only(answers) }
}

fn deadly(name: &str, raw: Raw, answers: &'static [&'static str]) -> Case {
    Case { name: name.to_owned(), raw, expect: Expect::Deadly(answers) }
}

fn messages() -> Vec<Case> {
    let with = |tail: &[u8]| Raw::call(RANGE, &[&good()[..], tail].concat());
    vec![
        case("unknown field", with(b"\xf8\x3f\x07")),
        case("unknown long field", with(&[&b"\xfa\x3f\x05"[..], b"hello"].concat())),
        loosely(
            "varint of eleven bytes",
            with(&[[0x20].as_slice(), &[0xff; 11]].concat()),
            UNDECODABLE,
        ),
        loosely("length beyond the end", with(b"\x0a\xff\xff\xff\x7f"), UNDECODABLE),
        loosely(
            "length near 2^64",
            with(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            UNDECODABLE,
        ),
        loosely("number where bytes belong", with(b"\x08\x01"), ANOTHER_TYPE),
        loosely("field number zero", with(b"\x00\x01"), UNDECODABLE),
        loosely("group that ends nowhere", with(b"\x0b"), UNDECODABLE),
        loosely("random bytes", Raw::call(RANGE, &[0xde, 0xad, 0xbe, 0xef, 0xff]), UNDECODABLE),
    ]
}

fn frames() -> Vec<Case> {
    let body = |body: Bytes| Raw { body, ..Raw::call(RANGE, b"") };
    let short = frame(0, &good()).slice(..4);
    let mut long = frame(0, &good()).to_vec();
    long[1] = 0x7f;
    vec![
        loosely("compressed without saying how", body(frame(1, &good())), UNDECODABLE),
        loosely(
            "gzip that is none",
            body(frame(1, b"not gzip")).header("grpc-encoding", b"gzip"),
            &["13: *"],
        ),
        loosely("gzip bomb", body(frame(1, &bomb())).header("grpc-encoding", b"gzip"), &["8: *"]),
        case("gzip", body(frame(1, &gzip(&good()))).header("grpc-encoding", b"gzip")),
        loosely(
            "unknown encoding",
            body(frame(1, b"x")).header("grpc-encoding", b"brotli-like"),
            &["12: *"],
        ),
        loosely("half a frame", body(short), UNDECODABLE),
        case("frame of 2 GiB", body(long.into())),
        deadly("no message", body(Bytes::new()), UNDECODABLE),
    ]
}

/// 64 MiB of zeros, made small.
fn bomb() -> Vec<u8> {
    gzip(&vec![0; 64 << 20])
}

/// What the machine's own gzip makes of it.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let run = harness::Run {
        command: std::process::Command::new("gzip"),
        stdin: bytes.to_vec(),
        deadline: std::time::Duration::from_secs(60),
    };
    let done = harness::run(run).unwrap();
    assert_eq!(done.code, 0, "{}", done.err());
    done.stdout
}

fn headers() -> Vec<Case> {
    let call = || Raw::call(RANGE, &good());
    vec![
        case("token: empty", call().header("token", b"")),
        case("token: junk", call().header("token", b"junk.1")),
        case("token: Bearer", call().header("authorization", b"Bearer ")),
        case("token: twice", call().header("token", b"a.1").header("token", b"b.2")),
        case("token: not text", call().header("token", b"\xff\xfe")),
        case("hasleader", call().header("hasleader", b"true")),
        case("hasleader: junk", call().header("hasleader", b"\x80maybe")),
        deadly(
            "client-api-version: not text",
            call().header("client-api-version", b"\xff\xfe"),
            &["0: ", "3: etcdserver: invalid client api version", "broken"],
        ),
        loosely(
            "binary header that is not base64",
            call().header("x-junk-bin", b"!!!!"),
            &["13: malformed binary metadata \"!!!!\" in header \"x-junk-bin\"*"],
        ),
        loosely("header of 1 MiB", call().header("x-long", &vec![b'x'; 1 << 20]), REFUSED),
        // Go ends the stream with or without saying so.
        loosely("timeout of zero", call().header("grpc-timeout", b"0n"), TOO_LATE),
        loosely("timeout below zero", call().header("grpc-timeout", b"-1S"), TOO_LATE),
        case("timeout that is none", call().header("grpc-timeout", b"soon")),
        case("timeout without a unit", call().header("grpc-timeout", b"5")),
        case("timeout of an unknown unit", call().header("grpc-timeout", b"5s")),
        case("timeout that is too long", call().header("grpc-timeout", b"123456789S")),
        case("timeout of centuries", call().header("grpc-timeout", b"99999999H")),
    ]
}

fn paths() -> Vec<Case> {
    let at = |path: &str| Raw::call(path, &good());
    let typed = |content_type| Raw { content_type, ..at(RANGE) };
    vec![
        case("unknown method", at("/etcdserverpb.KV/Nope")),
        case("unknown service", at("/nope.KV/Range")),
        case("path without method", at("/etcdserverpb.KV")),
        case("path with nothing for a method", at("/etcdserverpb.KV/")),
        case("path with two slashes", at("//etcdserverpb.KV/Range")),
        case("path with three parts", at("/etcdserverpb.KV/Range/x")),
        case("path with a query", at("/etcdserverpb.KV/Range?x=y")),
        case("path in other case", at("/etcdserverpb.kv/range")),
        case("path that goes up", at("/etcdserverpb.KV/../etcdserverpb.KV/Range")),
        case("root", at("/")),
        loosely("content type: text", typed("text/plain"), &["http 404", "3: *"]),
        loosely("content type: nearly", typed("application/grpcx"), &["http 404", "3: *"]),
    ]
}
