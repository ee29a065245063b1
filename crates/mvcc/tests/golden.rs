//! What the real etcd wrote and answered.
#![allow(clippy::unwrap_used)]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mvcc::{KvHash, Ranges, ReadView};
use prost::Message;
use proto::etcdserverpb::compare::{CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use proto::mvccpb::KeyValue;
use serde_json::Value;
use support::Stand;
use support::golden::{self, Archive};
use types::{LeaseId, RecordKey, Revision};

/// The archives with one member.
const SINGLE: [&str; 10] = [
    "single-sigterm",
    "single-sigkill",
    "single-sigkill-lagging",
    "single-sigterm-nosnap",
    "v3.6.14/single-sigterm",
    "v3.6.14/single-sigkill-lagging",
    "v3.7.1/single-sigterm",
    "v3.7.1/single-sigkill",
    "v3.7.1/single-sigkill-lagging",
    "v3.7.1/single-sigterm-nosnap",
];

fn database(archive: &Archive) -> Stand {
    Stand::with_file(archive.file("data/member/snap/db"))
}

fn everything(view: &ReadView, revision: i64) -> Vec<KeyValue> {
    let request = RangeRequest {
        key: "\0".into(),
        range_end: "\0".into(),
        revision,
        ..RangeRequest::default()
    };
    let kvs = view.range(&request).unwrap().kvs;
    kvs.into_iter().map(|kv| KeyValue::decode(kv).unwrap()).collect()
}

fn base64(value: &Value) -> Bytes {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap().into()
}

/// The pairs of an answer in `etcdctl -w json`.
fn pairs(answer: &Value) -> Vec<KeyValue> {
    let pair = |kv: &Value| KeyValue {
        key: base64(&kv["key"]),
        create_revision: kv["create_revision"].as_i64().unwrap_or(0),
        mod_revision: kv["mod_revision"].as_i64().unwrap_or(0),
        version: kv["version"].as_i64().unwrap_or(0),
        value: base64(&kv["value"]),
        lease: kv["lease"].as_i64().unwrap_or(0),
    };
    answer["kvs"].as_array().unwrap().iter().map(pair).collect()
}

/// Checks a file against the contents that were recorded; returns how many revisions it could be
/// asked for.
fn check_contents(stand: &Stand, archive: &Archive) -> usize {
    let view = stand.view();
    let mut checked = 0;
    for name in archive.names("expected") {
        let Some(rest) = name.strip_prefix("get-all.") else { continue };
        let answer = archive.json(&format!("expected/{name}"));
        let revision = match rest.strip_prefix("rev").and_then(|rest| rest.strip_suffix(".json")) {
            Some(revision) => revision.parse().unwrap(),
            None => answer["header"]["revision"].as_i64().unwrap(),
        };
        if revision <= view.revision() {
            assert_eq!(everything(&view, revision), pairs(&answer), "{name}");
            checked += 1;
        }
    }
    checked
}

/// Checks a file against the hashes that were recorded; returns how many.
fn check_hashes(stand: &Stand, recorded: &Value) -> usize {
    let view = stand.view();
    let mut checked = 0;
    for entry in recorded.as_array().unwrap() {
        for member in entry["resp"].as_array().unwrap() {
            let answer = &member["HashKV"];
            let header = answer["header"]["revision"].as_i64().unwrap();
            let revision = entry["revision"].as_i64().filter(|at| *at > 0).unwrap_or(header);
            if revision > view.revision() {
                continue;
            }
            let hash = u32::try_from(answer["hash"].as_u64().unwrap()).unwrap();
            let compact_revision = answer["compact_revision"].as_i64().unwrap();
            let expected = KvHash { hash, compact_revision, revision };
            assert_eq!(view.hash(revision).unwrap(), expected, "at {revision}");
            checked += 1;
        }
    }
    checked
}

#[test]
fn hashes_of_single_members() {
    for name in SINGLE {
        let archive = Archive::open(name);
        let stand = database(&archive);
        let hashes = check_hashes(&stand, &archive.json("expected/hashkv.json"));
        assert!(hashes >= 4, "{name}: {hashes}");
        assert!(stand.compactions.is_empty());
        if !name.contains("lagging") {
            assert_eq!((stand.store.revision(), stand.store.compact_revision()), (117, 30));
        }
    }
}

#[test]
fn contents_at_every_revision_recorded() {
    let archive = Archive::open("v3.7.1/single-sigterm");
    assert_eq!(check_contents(&database(&archive), &archive), 8);
}

#[test]
fn contents_and_hashes_of_cluster_members() {
    for version in ["", "v3.7.1/"] {
        let expected = Archive::open(&format!("{version}cluster3-expected"));
        for member in 1..=3 {
            let name = format!("{version}cluster3-m{member}");
            let stand = Stand::with_file(Archive::open(&name).file("member/snap/db"));
            assert!(check_hashes(&stand, &expected.json("hashkv.json")) >= 4, "{name}");
            let answer = expected.json("get-all.json");
            assert_eq!(everything(&stand.view(), 0), pairs(&answer), "{name}");
        }
    }
}

#[test]
fn snapshots_and_restored_directories() {
    let saved = Stand::with_file(golden::compressed("etcdctl-snapshot-save.db.gz"));
    let answer = Archive::open("single-sigterm").json("expected/get-all.json");
    assert_eq!(everything(&saved.view(), 0), pairs(&answer));
    let restored = database(&Archive::open("etcdutl-restored-before-first-boot"));
    assert_eq!(everything(&restored.view(), 0), pairs(&answer));
}

#[test]
fn leases_are_found_again() {
    let stand = database(&Archive::open("v3.7.1/single-sigterm"));
    let with_lease = everything(&stand.view(), 0).into_iter().filter(|kv| kv.lease != 0);
    let expected: Vec<_> = with_lease.map(|kv| (kv.key, LeaseId(kv.lease))).collect();
    assert_eq!(stand.leases, expected);
    assert_eq!(expected.len(), 2);
}

fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() }
}

fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

/// The transaction of revision 48.
fn script_txn() -> TxnRequest {
    let range =
        RangeRequest { key: "k/".into(), range_end: "k0".into(), ..RangeRequest::default() };
    let delete = DeleteRangeRequest { key: "k/01".into(), ..DeleteRangeRequest::default() };
    TxnRequest {
        compare: vec![Compare {
            target: CompareTarget::Value as i32,
            key: "k/00".into(),
            target_union: Some(TargetUnion::Value("w0".into())),
            ..Compare::default()
        }],
        success: vec![
            op(Request::RequestPut(put("txn/a", "1"))),
            op(Request::RequestPut(put("txn/b", "2"))),
            op(Request::RequestDeleteRange(delete)),
            op(Request::RequestPut(put("k/02", "from-txn"))),
            op(Request::RequestRange(range)),
        ],
        failure: vec![op(Request::RequestPut(put("txn/failed", "x")))],
    }
}

/// The writes that the golden directories were made with, the compaction at 30 among them.
fn run_script(stand: &mut Stand, big: Bytes, binary: Bytes) {
    let write = |stand: &mut Stand, request: PutRequest| {
        stand.store.put(&mut stand.backend, &request, &|_| true).unwrap();
    };
    write(stand, put("empty", ""));
    write(stand, put("big", big));
    write(stand, put("bin", binary));
    write(stand, put(&b"\x00\x01\xffbinkey"[..], "binary key"));
    for letter in ["v", "w"] {
        for at in 0..20 {
            write(stand, put(format!("k/{at:02}"), format!("{letter}{at}")));
        }
    }
    let ten_to_fifteen =
        DeleteRangeRequest { key: "k/10".into(), range_end: "k/15".into(), prev_kv: false };
    stand.store.delete_range(&mut stand.backend, &ten_to_fifteen).unwrap();
    write(stand, put("k/12", "reborn"));
    let missing = DeleteRangeRequest { key: "nosuchkey".into(), ..DeleteRangeRequest::default() };
    stand.store.delete_range(&mut stand.backend, &missing).unwrap();
    let applied =
        stand.store.txn(&mut stand.backend, &script_txn(), &|_| true, Ranges::Skip).unwrap();
    assert!(applied.response.succeeded);
    let leased =
        |key: &'static str, value: &'static str, lease| PutRequest { lease, ..put(key, value) };
    write(stand, leased("lease/a", "la", 0x1111));
    write(stand, leased("lease/b", "lb", 0x1111));
    write(stand, leased("lease/c", "lc", 0x2222));
    write(stand, leased("lease/c", "lc2", 0x7fff_ffff_ffff_ff01));
    write(stand, PutRequest { ignore_lease: true, ..put("lease/a", "la2") });
    write(stand, PutRequest { ignore_value: true, ..put("lease/b", "") });
    stand.compact(30).unwrap();
    stand.finish_compactions();
    for at in 0..60 {
        write(stand, put(format!("loop/{:03}", at % 7), format!("loop{at}")));
    }
    write(stand, put("asroot", "rootval"));
    write(stand, put("only", "aliceval"));
    write(stand, put("fromstdin", "stdin\0value"));
}

fn records(stand: &Stand) -> Vec<(RecordKey, Bytes)> {
    let (from, to) = (Revision::default(), Revision::new(i64::MAX, 0));
    stand.backend.view().records(from, to).map(Result::unwrap).collect()
}

#[test]
fn the_same_writes_make_the_same_records_and_the_same_compaction_hash() {
    let archive = Archive::open("v3.7.1/single-sigterm");
    let real = database(&archive);
    let value = |key: &[u8]| {
        let kv = real.view().get(key, 0).unwrap().unwrap();
        KeyValue::decode(kv).unwrap().value
    };
    let mut stand = Stand::new();
    run_script(&mut stand, value(b"big"), value(b"bin"));
    let (ours, theirs) = (records(&stand), records(&real));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    // The server logged it: "storing new hash".
    let log = String::from_utf8(archive.file("etcd.log")).unwrap();
    let line = log.lines().find(|line| line.contains("storing new hash")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    let hash = u32::try_from(line["hash"].as_u64().unwrap()).unwrap();
    let compact_revision = line["compact-revision"].as_i64().unwrap();
    let revision = line["revision"].as_i64().unwrap();
    assert_eq!(stand.hashes.get(30), Some(KvHash { hash, compact_revision, revision }));
}
