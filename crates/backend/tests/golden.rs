//! The real etcd's files, read here.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use backend::{Backend, Bucket, Committed, DefragProgress, Options, Position, schema};
use bytes::Bytes;
use env::{Rng, SeededRng};
use simenv::SimDisk;
use support::golden::{self, Archive};
use types::Revision;

const PATH: &str = "/data/member/snap/db";

const DATABASE: &str = "data/member/snap/db";
const DUMP: &str = "expected/bolt.txt";
const HASH: &str = "expected/backend-hash.json";

#[test]
fn every_file_of_etcd_s_is_read_as_etcd_reads_it() {
    for name in golden::SINGLE {
        println!("{name}");
        let archive = Archive::unpack(name, &[DATABASE, DUMP, HASH]);
        let disk = support::disk_with(&archive.file(DATABASE));
        let (backend, _) = backend::open(Arc::new(disk.clone()), Options::new(PATH)).expect("open");
        assert_eq!(disk.writes(), [], "opening wrote something");
        check_rows(backend.last_committed(), &archive.file(DUMP));
        check_codecs(&backend);
        check_meta(name, &backend);
        check_hash(backend.last_committed(), &archive.file(HASH));
    }
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    let name = "single-sigterm";
    let content = Archive::unpack(name, &[DATABASE]).file(DATABASE);
    let mut refused = 0;
    for seed in 0..100 {
        let mut rng = SeededRng::new(seed);
        let mut damaged = content.clone();
        for _ in 0..1 + rng.below(4) {
            // The last pages are the trees'; those before hold one long value.
            let pages = damaged.len() as u64 / 4096;
            let page = match rng.below(4) {
                0 => rng.below(2),
                _ => pages - 1 - rng.below(11),
            };
            let reach = if rng.below(2) == 0 { 64 } else { 2000 };
            let at = page * 4096 + rng.below(reach);
            damaged[at as usize] ^= 1 << rng.below(8);
        }
        let disk = support::disk_with(&damaged);
        refused += u32::from(read_all(disk).is_err());
    }
    assert!(refused > 20, "{refused} of 100 were refused");
}

/// Reads whatever there is to read, and commits.
fn read_all(disk: SimDisk) -> backend::Result<()> {
    let (mut backend, mut committer) = backend::open(Arc::new(disk), Options::new(PATH))?;
    let state = backend.last_committed().clone();
    state.scan_records(|_, _| Ok(()))?;
    state.hash()?;
    for bucket in Bucket::ALL.into_iter().filter(|bucket| *bucket != Bucket::Key) {
        state.rows(bucket)?;
    }
    let end = Revision::new(i64::MAX, 0);
    backend.view().records(Revision::default(), end).try_for_each(|record| record.map(|_| ()))?;
    backend.put(Bucket::Cluster, &b"row"[..], &b"value"[..]);
    let index = state.position().index;
    let position = Position { index, ..Position::default() };
    committer.prepare(backend.freeze(position))?;
    committer.finish()?;
    let mut defrag = committer.start_defrag()?;
    while defrag.step()? == DefragProgress::More {}
    committer.finish_defrag(defrag)?;
    Ok(())
}

/// One line of the text dump: a key, and the beginning of a value as far as it is printed.
struct Line {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// The dump made by the independent reader in Python: rows by bucket.
fn dump(text: &[u8]) -> BTreeMap<String, Vec<Line>> {
    let text = std::str::from_utf8(text).expect("a text dump");
    let mut buckets: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("bucket '") {
            name = rest[..rest.find('\'').expect("a quotation mark")].to_owned();
            buckets.entry(name.clone()).or_default();
        } else if let Some((key, value)) = line.trim_start().split_once(" = ")
            && line.starts_with("   ")
        {
            let line = Line { key: dumped_key(key), value: dumped_value(value) };
            buckets.get_mut(&name).expect("a bucket").push(line);
        }
    }
    buckets
}

/// Keys are printed as a revision's digits, as Python bytes, or as digits in quotation marks.
fn dumped_key(text: &str) -> Vec<u8> {
    if let Some(python) = text.strip_prefix('b') {
        let inside = python.trim_matches(python.chars().next().expect("a quotation mark"));
        return unescape(inside);
    }
    unhex(text.trim_matches('\''))
}

/// Values are printed as digits, cut off when long; records as what they decode to.
fn dumped_value(text: &str) -> Option<Vec<u8>> {
    if text.starts_with('{') {
        return None;
    }
    let digits: String = text.chars().take_while(char::is_ascii_hexdigit).collect();
    Some(unhex(&digits))
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len() / 2).map(|at| digit(2 * at)).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(digits) = rest.strip_prefix("\\x") {
            bytes.extend(unhex(&digits[..2]));
            rest = &digits[2..];
        } else if let Some(behind) = rest.strip_prefix('\\') {
            let escaped = behind.chars().next().expect("an escaped character");
            bytes.push(match escaped {
                'n' => b'\n',
                't' => b'\t',
                'r' => b'\r',
                other => other as u8,
            });
            rest = &behind[1..];
        } else {
            bytes.push(first as u8);
            rest = &rest[1..];
        }
    }
    bytes
}

/// Every row is there, and no other.
fn check_rows(state: &Committed, text: &[u8]) {
    let mut found = 0;
    for (name, lines) in dump(text) {
        let bucket = Bucket::ALL.into_iter().find(|bucket| bucket.name() == name);
        let rows = match bucket.expect("a known bucket") {
            Bucket::Key => records(state),
            other => state.rows(other).expect("rows"),
        };
        assert_eq!(rows.len(), lines.len(), "bucket {name}");
        for ((key, value), line) in rows.iter().zip(&lines) {
            assert_eq!(key[..], line.key[..], "bucket {name}");
            let printed = line.value.as_ref();
            assert!(printed.is_none_or(|head| value.starts_with(head)), "bucket {name}");
            found += 1;
        }
    }
    assert!(found > 100, "{found} rows");
}

fn records(state: &Committed) -> Vec<(Bytes, Bytes)> {
    let mut rows = Vec::new();
    state
        .scan_records(|key, value| {
            let bytes = key.to_bytes();
            let key = Bytes::copy_from_slice(&bytes[..key.len()]);
            rows.push((key, Bytes::copy_from_slice(value)));
            Ok(())
        })
        .expect("scan");
    rows
}

/// Every row's codec gives the stored bytes back.
fn check_codecs(backend: &Backend) {
    let rows = |bucket| backend.rows(bucket).expect("rows");
    for (key, value) in rows(Bucket::Lease) {
        let lease = schema::lease::decode(&key, &value).expect("a lease");
        assert_eq!(schema::lease::key(types::LeaseId(lease.id)), key[..]);
        assert_eq!(schema::lease::encode(&lease), value);
    }
    for (key, value) in rows(Bucket::AuthUsers) {
        let user = schema::user::decode(&key, &value).expect("a user");
        assert_eq!(schema::user::encode(&user), value);
    }
    for (key, value) in rows(Bucket::AuthRoles) {
        let role = schema::role::decode(&key, &value).expect("a role");
        assert_eq!(schema::role::encode(&role), value);
    }
    for (key, value) in rows(Bucket::Alarm) {
        let alarm = schema::alarm::decode(&key).expect("an alarm");
        assert_eq!((schema::alarm::key(&alarm), value.len()), (key.to_vec(), 0));
    }
    for (key, _) in rows(Bucket::Members) {
        let id = schema::member::decode_key(Bucket::Members, &key).expect("a member's id");
        assert_eq!(schema::member::key(id), key);
    }
}

fn check_meta(archive: &str, backend: &Backend) {
    let row = |key: &[u8]| backend.get(Bucket::Meta, key).expect("a row");
    let position = backend.last_committed().position();
    let conf_state = row(schema::conf_state::KEY).expect("confState");
    assert_eq!(schema::conf_state::encode(&position.conf_state), conf_state, "{archive}");
    assert_eq!(position.conf_state.voters.len(), 1);
    let index = row(schema::consistent_index::KEY).expect("consistent_index");
    assert_eq!(schema::consistent_index::encode(position.index), index[..]);
    assert_eq!(position.term, types::Term(2), "{archive}");
    let finished = row(schema::compact_revision::FINISHED).expect("finishedCompactRev");
    let key = schema::compact_revision::FINISHED;
    assert_eq!(schema::compact_revision::decode(key, &finished), Ok(30), "{archive}");
    assert_eq!(schema::compact_revision::encode(30), finished[..]);
    let auth = |key| backend.get(Bucket::Auth, key).expect("a row");
    let enabled = auth(schema::auth::ENABLED);
    assert_eq!(schema::auth::decode_enabled(enabled.as_deref()), Ok(true), "{archive}");
    let revision = auth(schema::auth::REVISION);
    assert_eq!(schema::auth::decode_revision(revision.as_deref()), Ok(0x12), "{archive}");
    let version = backend.schema_version().expect("rows").expect("a version").to_string();
    let stored = row(schema::storage_version::KEY).is_some();
    let expected = match archive.split_once('/') {
        Some(("v3.6.14", _)) if stored => "3.6.0",
        Some(("v3.7.1", _)) if stored => "3.7.0",
        _ => "3.5.0",
    };
    assert_eq!(version, expected, "{archive}");
}

fn check_hash(state: &Committed, answers: &[u8]) {
    let answers: serde_json::Value = serde_json::from_slice(answers).expect("JSON");
    let expected = answers[0]["resp"]["hash"].as_u64().expect("a hash");
    assert_eq!(u64::from(state.hash().expect("hash")), expected);
}
