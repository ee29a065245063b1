//! Well-formed messages with values out of range or at odds with each other.

use super::raw::Raw;
use prost::Message;
use proto::authpb::Permission;
use proto::etcdserverpb::*;

/// What the answer has to be.
#[derive(Clone, Debug)]
pub enum Expect {
    /// The real etcd's answer.
    Same,
    /// One of these, which are not words of etcd's own; `*` stands for any end.
    Only(&'static [&'static str]),
    /// One of these, and the real etcd 3.5 dies of it or never answers.
    Deadly(&'static [&'static str]),
}

pub struct Case {
    pub name: String,
    pub raw: Raw,
    pub expect: Expect,
}

fn same(name: impl Into<String>, method: &str, message: &impl Message) -> Case {
    let raw = Raw::call(method, &message.encode_to_vec());
    Case { name: name.into(), raw, expect: Expect::Same }
}

fn deadly(case: Case, answers: &'static [&'static str]) -> Case {
    Case { expect: Expect::Deadly(answers), ..case }
}

const RANGE: &str = "/etcdserverpb.KV/Range";
const PUT: &str = "/etcdserverpb.KV/Put";
const TXN: &str = "/etcdserverpb.KV/Txn";

/// `i64`s at their ends and around zero.
const EXTREMES: [i64; 4] = [i64::MIN, -1, i64::MAX - 1, i64::MAX];

/// All of them.
pub fn cases() -> Vec<Case> {
    [ranges(), writes(), transactions(), leases(), cluster(), auth()]
        .into_iter()
        .flatten()
        .collect()
}

fn range(key: &[u8], end: &[u8]) -> RangeRequest {
    RangeRequest {
        key: key.to_vec().into(),
        range_end: end.to_vec().into(),
        ..RangeRequest::default()
    }
}

fn ranges() -> Vec<Case> {
    let mut cases = vec![
        same("range: empty key", RANGE, &range(b"", b"")),
        same("range: empty key with an end", RANGE, &range(b"", b"\0")),
        same("range: inverted", RANGE, &range(b"z", b"a")),
        same("range: zero byte as key", RANGE, &range(b"\0", b"")),
        same("range: from the smallest key", RANGE, &range(b"\0", b"\0")),
        same("range: from a key", RANGE, &range(b"zz", b"\0")),
        same("range: zero byte in a key", RANGE, &range(b"a\0b", b"a\0c")),
        same("range: key that is not text", RANGE, &range(b"\xff\xfe\0", b"\xff\xff")),
        same("range: long key", RANGE, &range(&vec![b'k'; 1 << 20], b"")),
    ];
    for number in EXTREMES {
        let base = range(b"a", b"");
        let all = [
            RangeRequest { revision: number, ..base.clone() },
            RangeRequest { limit: number, ..base.clone() },
            RangeRequest { min_mod_revision: number, ..base.clone() },
            RangeRequest { max_create_revision: number, ..base },
        ];
        for request in all {
            cases.push(same(format!("range: {number} in {request:?}"), RANGE, &request));
        }
        let request = HashKvRequest { revision: number };
        cases.push(same(format!("hash at {number}"), "/etcdserverpb.Maintenance/HashKV", &request));
        let request = CompactionRequest { revision: number, physical: false };
        cases.push(same(format!("compaction at {number}"), "/etcdserverpb.KV/Compact", &request));
    }
    for number in [99, -1] {
        let order = RangeRequest { sort_order: number, ..range(b"a", b"b") };
        let target = RangeRequest { sort_order: 1, sort_target: number, ..range(b"a", b"b") };
        for request in [order, target] {
            let case = same(format!("range: unknown {request:?}"), RANGE, &request);
            cases.push(deadly(case, &["3: etcdserver: invalid sort option"]));
        }
    }
    cases
}

fn put(key: &[u8], value: &[u8]) -> PutRequest {
    PutRequest { key: key.to_vec().into(), value: value.to_vec().into(), ..PutRequest::default() }
}

fn writes() -> Vec<Case> {
    let keep = PutRequest { ignore_value: true, ..put(b"absent", b"") };
    let keep_lease = PutRequest { ignore_lease: true, ..put(b"absent", b"v") };
    let mut cases = vec![
        same("put: empty key", PUT, &put(b"", b"v")),
        same("put: value kept and given", PUT, &PutRequest { value: "v".into(), ..keep.clone() }),
        same("put: lease kept and given", PUT, &PutRequest { lease: 1, ..keep_lease.clone() }),
        same("put: value kept of no key", PUT, &keep),
        same("put: lease kept of no key", PUT, &keep_lease),
        same("put: key with zero bytes", PUT, &put(b"\0a\0", b"\0")),
        same("put: key that is not text", PUT, &put(b"\xff\xc0\x80", b"\xff")),
        same("put: 1.4 MiB", PUT, &put(b"big", &vec![0; 1_400_000])),
        same("put: too large", PUT, &put(b"big", &vec![0; 1_600_000])),
        same("put: larger than a message may be", PUT, &put(b"big", &vec![0; 3 << 20])),
        same("put: key of 1.5 MiB", PUT, &put(&vec![b'k'; 3 << 19], b"")),
    ];
    for lease in EXTREMES {
        let request = PutRequest { lease, ..put(b"a", b"") };
        cases.push(same(format!("put: lease {lease}"), PUT, &request));
    }
    let delete = |key: &[u8], end: &[u8]| DeleteRangeRequest {
        key: key.to_vec().into(),
        range_end: end.to_vec().into(),
        ..DeleteRangeRequest::default()
    };
    let method = "/etcdserverpb.KV/DeleteRange";
    cases.push(same("delete: empty key", method, &delete(b"", b"")));
    cases.push(same("delete: inverted", method, &delete(b"z", b"y")));
    cases
}

fn op(request: request_op::Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn put_op(key: &str) -> RequestOp {
    op(request_op::Request::RequestPut(put(key.as_bytes(), b"")))
}

/// A transaction in a transaction and so on, encoded from the inside out: deep values would need a
/// deep stack here.
fn nested(levels: usize) -> Case {
    let mut txn = TxnRequest { success: vec![put_op("deep")], ..<_>::default() }.encode_to_vec();
    for _ in 1..levels {
        let op = field(4, &txn);
        txn = field(2, &op);
    }
    let name = format!("txn: nested {levels}");
    Case { name, raw: Raw::call(TXN, &txn), expect: Expect::Same }
}

/// A field that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend_from_slice(bytes);
    field
}

fn transactions() -> Vec<Case> {
    let puts = |count: usize| (0..count).map(|i| put_op(&format!("t{i}"))).collect::<Vec<_>>();
    let success = |success| TxnRequest { success, ..TxnRequest::default() };
    let compare = |compare| TxnRequest { compare: vec![compare], ..TxnRequest::default() };
    let with = |compare: Compare| Compare { key: "a".into(), ..compare };
    let from_key = DeleteRangeRequest {
        key: "a".into(),
        range_end: vec![0].into(),
        ..DeleteRangeRequest::default()
    };
    let delete = |delete| op(request_op::Request::RequestDeleteRange(delete));
    let keep = PutRequest { ignore_lease: true, ..put(b"kept", b"v") };
    let keep = op(request_op::Request::RequestPut(keep));
    let version = |number| compare::TargetUnion::Version(number);
    let inner = op(request_op::Request::RequestTxn(success(vec![put_op("x")])));
    let both = TxnRequest { success: puts(3), failure: puts(3), ..TxnRequest::default() };
    let mut cases = vec![
        same("txn: empty", TXN, &TxnRequest::default()),
        same("txn: 128 operations", TXN, &success(puts(128))),
        same("txn: 129 operations", TXN, &success(puts(129))),
        same(
            "txn: 129 compares",
            TXN,
            &TxnRequest { compare: vec![with(Compare::default()); 129], ..TxnRequest::default() },
        ),
        same("txn: unset operation", TXN, &success(vec![RequestOp::default()])),
        same("txn: unset compare", TXN, &compare(with(Compare::default()))),
        same("txn: compare without key", TXN, &compare(Compare::default())),
        same("txn: unknown target", TXN, &compare(with(Compare { target: 99, ..<_>::default() }))),
        same("txn: unknown result", TXN, &compare(with(Compare { result: -9, ..<_>::default() }))),
        same(
            "txn: inverted compare",
            TXN,
            &compare(with(Compare { range_end: "A".into(), ..<_>::default() })),
        ),
        same(
            "txn: compare from a key",
            TXN,
            &compare(with(Compare { range_end: vec![0].into(), ..<_>::default() })),
        ),
        same(
            "txn: target and value at odds",
            TXN,
            &compare(with(Compare { target: 3, target_union: Some(version(1)), ..<_>::default() })),
        ),
        same("txn: a key twice", TXN, &success(vec![put_op("x"), put_op("x")])),
        same("txn: the same in both branches", TXN, &both),
        same(
            "txn: delete and put of a key",
            TXN,
            &success(vec![delete(from_key.clone()), put_op("x")]),
        ),
        same("txn: a key twice, one of them deeper", TXN, &success(vec![put_op("x"), inner])),
        nested(2),
        nested(127),
        nested(128),
        nested(5000),
        same("put: to be kept", PUT, &put(b"kept", b"v")),
        // Go 3.5 and 3.7 don't see the overlap, and die of it.
        deadly(
            same("txn: deletes and keeps", TXN, &success(vec![delete(from_key), keep])),
            &["3: etcdserver: key not found", "3: etcdserver: duplicate key given in txn request"],
        ),
    ];
    for number in EXTREMES {
        let union = compare::TargetUnion::ModRevision(number);
        let compared = with(Compare { target: 2, target_union: Some(union), ..<_>::default() });
        cases.push(same(format!("txn: compare with {number}"), TXN, &compare(compared)));
    }
    cases
}

fn leases() -> Vec<Case> {
    let mut cases = Vec::new();
    let grant = "/etcdserverpb.Lease/LeaseGrant";
    for number in [i64::MIN, -1, 0, 9_000_000_001, i64::MAX] {
        let request = LeaseGrantRequest { ttl: number, id: 0 };
        cases.push(same(format!("grant: TTL {number}"), grant, &request));
    }
    for number in EXTREMES {
        let request = LeaseGrantRequest { ttl: 1000, id: number };
        cases.push(same(format!("grant: id {number}"), grant, &request));
        cases.push(same(format!("grant: id {number} again"), grant, &request));
    }
    for id in [0, 12_345, -77] {
        let request = LeaseRevokeRequest { id };
        cases.push(same(format!("revoke {id}"), "/etcdserverpb.Lease/LeaseRevoke", &request));
        let request = LeaseTimeToLiveRequest { id, keys: true };
        let method = "/etcdserverpb.Lease/LeaseTimeToLive";
        cases.push(same(format!("time to live of {id}"), method, &request));
    }
    cases
}

fn cluster() -> Vec<Case> {
    let add = "/etcdserverpb.Cluster/MemberAdd";
    let urls = |urls: &[&str]| MemberAddRequest {
        peer_urls: urls.iter().map(|&url| url.to_owned()).collect(),
        ..MemberAddRequest::default()
    };
    let alarm = "/etcdserverpb.Maintenance/Alarm";
    let mut cases = vec![
        same("add: no URL", add, &urls(&[])),
        same("add: no scheme", add, &urls(&["127.0.0.1:1"])),
        same("add: not a URL", add, &urls(&["http://[", "\u{1}"])),
        same("add: with a path", add, &urls(&["http://127.0.0.1:1/path"])),
        same("add: without a port", add, &urls(&["http://127.0.0.1"])),
        deadly(
            same("alarm: unknown action", alarm, &AlarmRequest { action: 99, ..<_>::default() }),
            &["0: ", "2: *", "3: *"],
        ),
        deadly(
            same("alarm: negative action", alarm, &AlarmRequest { action: -1, ..<_>::default() }),
            &["0: ", "2: *", "3: *"],
        ),
        same(
            "alarm: unknown alarm off",
            alarm,
            &AlarmRequest { action: 2, member_id: 5, alarm: 99 },
        ),
        deadly(
            same(
                "alarm: unknown alarm on",
                alarm,
                &AlarmRequest { action: 1, member_id: 5, alarm: 99 },
            ),
            &["0: "],
        ),
        deadly(
            same(
                "alarm: unknown alarm off again",
                alarm,
                &AlarmRequest { action: 2, member_id: 5, alarm: 99 },
            ),
            &["0: "],
        ),
        same(
            "move leader to nobody",
            "/etcdserverpb.Maintenance/MoveLeader",
            &MoveLeaderRequest { target_id: 0 },
        ),
    ];
    for id in [0, 1, u64::MAX] {
        let remove = MemberRemoveRequest { id };
        cases.push(same(format!("remove {id}"), "/etcdserverpb.Cluster/MemberRemove", &remove));
        let promote = MemberPromoteRequest { id };
        cases.push(same(format!("promote {id}"), "/etcdserverpb.Cluster/MemberPromote", &promote));
        let peer_urls = vec!["http://127.0.0.1:1".to_owned()];
        let update = MemberUpdateRequest { id, peer_urls };
        cases.push(same(format!("update {id}"), "/etcdserverpb.Cluster/MemberUpdate", &update));
    }
    for (action, version) in
        [(0, ""), (0, "x"), (0, "3.99.0"), (0, "9999999999999999999.1.0"), (99, "3.5.0")]
    {
        let request = DowngradeRequest { action, version: version.to_owned() };
        let name = format!("downgrade: action {action} to {version:?}");
        cases.push(same(name, "/etcdserverpb.Maintenance/Downgrade", &request));
    }
    cases
}

fn auth() -> Vec<Case> {
    let user = |name: &str, password: &str| AuthUserAddRequest {
        name: name.to_owned(),
        password: password.to_owned(),
        ..AuthUserAddRequest::default()
    };
    let login = AuthenticateRequest { name: "x".repeat(10_000), password: "y".repeat(10_000) };
    let grant = |name: &str, perm| AuthRoleGrantPermissionRequest { name: name.to_owned(), perm };
    let perm = |perm_type| Permission { perm_type, key: "k".into(), ..Permission::default() };
    let role = "/etcdserverpb.Auth/RoleAdd";
    let permission = "/etcdserverpb.Auth/RoleGrantPermission";
    vec![
        same("user: empty", "/etcdserverpb.Auth/UserAdd", &user("", "p")),
        same("user: no password", "/etcdserverpb.Auth/UserAdd", &user("u", "")),
        same(
            "user: password of 100 bytes",
            "/etcdserverpb.Auth/UserAdd",
            &user("long", &"p".repeat(100)),
        ),
        same("role: empty", role, &AuthRoleAddRequest::default()),
        same("role: is there", role, &AuthRoleAddRequest { name: "r".to_owned() }),
        same("role: is there, again", role, &AuthRoleAddRequest { name: "r".to_owned() }),
        same("permission: none", permission, &grant("r", None)),
        same("permission: unknown type", permission, &grant("r", Some(perm(99)))),
        same("permission: unknown role", permission, &grant("nobody", Some(perm(0)))),
        same("permission: empty key", permission, &grant("r", Some(Permission::default()))),
        same("enable without root", "/etcdserverpb.Auth/AuthEnable", &AuthEnableRequest {}),
        same("log in while off", "/etcdserverpb.Auth/Authenticate", &login),
        same(
            "user get: unknown",
            "/etcdserverpb.Auth/UserGet",
            &AuthUserGetRequest { name: "nobody".to_owned() },
        ),
    ]
}
