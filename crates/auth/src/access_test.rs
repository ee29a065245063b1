//! Who may do what: tables of rules, and random transactions against a plain recursive check.

use bytes::Bytes;
use env::{Rng, SeededRng};
use proto::authpb::permission::Type;
use proto::authpb::{Permission, Role, User};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::{
    AuthEnableRequest, AuthRoleGetRequest, AuthRoleListRequest, AuthStatusRequest,
    AuthUserGetRequest, AuthUserListRequest, Compare, DeleteRangeRequest, PutRequest, RangeRequest,
    RequestOp, TxnRequest,
};
use std::sync::Arc;

use super::*;
use crate::ROOT;
use crate::view::State;

const REVISION: u64 = 7;

fn permission(kind: Type, key: &str, range_end: &str) -> Permission {
    let (key, range_end) = (key.to_owned().into(), range_end.to_owned().into());
    Permission { perm_type: kind.into(), key, range_end }
}

/// Users: `root`; `reader` of [a, c); `writer` of [b, d); `owner` of both; `bare` without a role.
fn view() -> View {
    let mut state = State { enabled: true, revision: REVISION, ..State::default() };
    for (name, permissions) in [
        ("read", vec![permission(Type::Read, "a", "c")]),
        ("write", vec![permission(Type::Write, "b", "d")]),
        (ROOT, Vec::new()),
    ] {
        let role = Role { name: name.into(), key_permission: permissions };
        state.set_role(name, Some(role));
    }
    for (name, roles) in [
        (ROOT, vec![ROOT]),
        ("reader", vec!["read"]),
        ("writer", vec!["write"]),
        ("owner", vec!["read", "write"]),
        ("bare", vec![]),
    ] {
        let roles = roles.into_iter().map(str::to_owned).collect();
        let password = Bytes::new();
        state.set_user(User { name: name.into(), password, roles, options: None });
    }
    View { state: Arc::new(state) }
}

fn who(user: &str) -> Identity {
    Identity { user: user.to_owned(), revision: REVISION }
}

fn key(key: &str) -> KeyRange {
    KeyRange::Key(key.to_owned().into())
}

#[test]
fn nothing_is_refused_while_authentication_is_off() {
    let off = View::default();
    let nobody = Identity::default();
    assert_eq!(off.access(&nobody).write(&KeyRange::All), Ok(()));
    assert_eq!(off.check_admin(&nobody), Ok(()));
    let request =
        InternalRaftRequest { auth_user_list: Some(AuthUserListRequest {}), ..Default::default() };
    assert_eq!(off.check_request(&nobody, &request), Ok(()));
    assert_eq!(off.check_lease(&nobody, ["z"]), Ok(()));
}

#[test]
fn the_revision_comes_first_then_the_user_then_the_keys() {
    let view = view();
    let read = |identity: &Identity| view.access(identity).read(&key("a"));
    assert_eq!(read(&Identity::default()), Err(Error::UserEmpty));
    let old = |user: &str| Identity { user: user.to_owned(), revision: REVISION - 1 };
    assert_eq!(read(&old("reader")), Err(Error::AuthOldRevision));
    assert_eq!(read(&old(ROOT)), Err(Error::AuthOldRevision));
    assert_eq!(read(&old("nobody")), Err(Error::AuthOldRevision));
    assert_eq!(read(&who("nobody")), Err(Error::PermissionDenied));
    assert_eq!(read(&who("bare")), Err(Error::PermissionDenied));
    assert_eq!(read(&who("reader")), Ok(()));
    assert_eq!(read(&who(ROOT)), Ok(()));
    let newer = Identity { revision: REVISION + 1, ..who("reader") };
    assert_eq!(read(&newer), Ok(()));
    assert_eq!(read(&Identity::root(REVISION)), Ok(()));
}

#[test]
fn reads_and_writes_of_each_user() {
    let view = view();
    let allowed = |user: &str, text: &str| {
        let access = view.access(&who(user));
        (access.read(&key(text)).is_ok(), access.write(&key(text)).is_ok())
    };
    assert_eq!(allowed("reader", "b"), (true, false));
    assert_eq!(allowed("writer", "b"), (false, true));
    assert_eq!(allowed("owner", "b"), (true, true));
    assert_eq!(allowed("owner", "c"), (false, true));
    assert_eq!(allowed("owner", "d"), (false, false));
    assert_eq!(allowed(ROOT, "d"), (true, true));
}

#[test]
fn what_is_for_administrators() {
    let view = view();
    assert_eq!(view.check_admin(&Identity::default()), Err(Error::UserEmpty));
    assert_eq!(view.check_admin(&who("nobody")), Err(Error::UserNotFound));
    assert_eq!(view.check_admin(&who("owner")), Err(Error::PermissionDenied));
    assert_eq!(view.check_admin(&who(ROOT)), Ok(()));
    let old = Identity { revision: 1, ..who(ROOT) };
    assert_eq!(view.check_admin(&old), Ok(()), "whatever the revision");
    let admin = [
        InternalRaftRequest { auth_enable: Some(AuthEnableRequest {}), ..Default::default() },
        InternalRaftRequest { auth_user_list: Some(AuthUserListRequest {}), ..Default::default() },
        InternalRaftRequest { auth_role_list: Some(AuthRoleListRequest {}), ..Default::default() },
    ];
    for request in admin {
        assert_eq!(view.check_request(&who("owner"), &request), Err(Error::PermissionDenied));
        assert_eq!(view.check_request(&who(ROOT), &request), Ok(()));
    }
    let status =
        InternalRaftRequest { auth_status: Some(AuthStatusRequest {}), ..Default::default() };
    assert_eq!(view.check_request(&Identity::default(), &status), Ok(()));
}

#[test]
fn everyone_may_see_himself_and_his_roles() {
    let view = view();
    let user = |name: &str| InternalRaftRequest {
        auth_user_get: Some(AuthUserGetRequest { name: name.to_owned() }),
        ..Default::default()
    };
    let role = |role: &str| InternalRaftRequest {
        auth_role_get: Some(AuthRoleGetRequest { role: role.to_owned() }),
        ..Default::default()
    };
    let check = |name: &str, request| view.check_request(&who(name), &request);
    assert_eq!(check("reader", user("reader")), Ok(()));
    assert_eq!(check("reader", user("writer")), Err(Error::PermissionDenied));
    assert_eq!(check(ROOT, user("writer")), Ok(()));
    assert_eq!(check("reader", role("read")), Ok(()));
    assert_eq!(check("reader", role("write")), Err(Error::PermissionDenied));
    assert_eq!(check("nobody", role("write")), Err(Error::UserNotFound));
    let nobody = Identity::default();
    assert_eq!(view.check_request(&nobody, &role("read")), Err(Error::UserEmpty));
}

#[test]
fn a_lease_is_for_those_who_may_write_all_its_keys() {
    let view = view();
    assert_eq!(view.check_lease(&who("writer"), ["b", "bz", "c"]), Ok(()));
    assert_eq!(view.check_lease(&who("writer"), ["b", "d"]), Err(Error::PermissionDenied));
    assert_eq!(view.check_lease(&who("reader"), ["b"]), Err(Error::PermissionDenied));
    assert_eq!(view.check_lease(&who(ROOT), ["zzz"]), Ok(()));
    assert_eq!(view.check_lease::<&str>(&who("nobody"), []), Ok(()), "no keys, no harm");
    let old = Identity { revision: 1, ..who("writer") };
    assert_eq!(view.check_lease(&old, ["b"]), Err(Error::AuthOldRevision));
}

fn put(key: &str, lease: i64, prev_kv: bool) -> PutRequest {
    PutRequest { key: key.to_owned().into(), lease, prev_kv, ..PutRequest::default() }
}

#[test]
fn puts_show_what_they_replace_and_join_a_lease() {
    let view = view();
    let keys = |lease: LeaseId| match lease {
        LeaseId(1) => vec!["b"],
        LeaseId(2) => vec!["b", "z"],
        _ => vec![],
    };
    let check = |user: &str, request: &PutRequest| view.check_op(&who(user), request, keys);
    assert_eq!(check("writer", &put("b", 0, false)), Ok(()));
    assert_eq!(check("writer", &put("b", 0, true)), Err(Error::PermissionDenied));
    assert_eq!(check("owner", &put("b", 0, true)), Ok(()));
    assert_eq!(check("writer", &put("b", 1, false)), Ok(()));
    assert_eq!(check("writer", &put("b", 2, false)), Err(Error::PermissionDenied));
    assert_eq!(check("writer", &put("b", 3, false)), Ok(()), "no such lease is not for us to say");
    assert_eq!(check(ROOT, &put("b", 2, true)), Ok(()));
}

#[test]
fn a_transaction_without_keys_is_for_everyone() {
    let none = |_| Vec::<&str>::new();
    let empty = TxnRequest::default();
    assert_eq!(view().check_op(&Identity::default(), &empty, none), Ok(()));
}

/// The same question as `check_op`, asked by walking down the messages.
fn allowed(
    view: &View,
    who: &Identity,
    txn: &TxnRequest,
    leases: &dyn Fn(i64) -> Vec<String>,
) -> bool {
    let access = view.access(who);
    let range = |key: &Bytes, end: &Bytes| KeyRange::parse(key.clone(), end.clone());
    let op = |op: &RequestOp| match &op.request {
        Some(Request::RequestRange(read)) => {
            access.read(&range(&read.key, &read.range_end)).is_ok()
        }
        Some(Request::RequestPut(put)) => {
            let key = KeyRange::Key(put.key.clone());
            let lease = leases(put.lease);
            access.write(&key).is_ok()
                && (!put.prev_kv || access.read(&key).is_ok())
                && lease.iter().all(|key| access.write_key(key.as_bytes()).is_ok())
        }
        Some(Request::RequestDeleteRange(delete)) => {
            let range = range(&delete.key, &delete.range_end);
            access.write(&range).is_ok() && (!delete.prev_kv || access.read(&range).is_ok())
        }
        Some(Request::RequestTxn(nested)) => allowed(view, who, nested, leases),
        None => true,
    };
    txn.compare.iter().all(|c| access.read(&range(&c.key, &c.range_end)).is_ok())
        && txn.success.iter().all(op)
        && txn.failure.iter().all(op)
}

fn random_txn(rng: &mut SeededRng, depth: u64) -> TxnRequest {
    let texts = ["a", "b", "bb", "bc", "c"];
    let bytes = |rng: &mut SeededRng| Bytes::from(texts[rng.below(5) as usize]);
    let end = |rng: &mut SeededRng| match rng.below(3) {
        0 => bytes(rng),
        _ => Bytes::new(),
    };
    let op = |rng: &mut SeededRng| {
        let request = match rng.below(if depth == 0 { 6 } else { 8 }) {
            0 | 1 => Request::RequestRange(RangeRequest {
                key: bytes(rng),
                range_end: end(rng),
                ..RangeRequest::default()
            }),
            2..=4 => Request::RequestPut(PutRequest {
                key: bytes(rng),
                prev_kv: rng.below(4) == 0,
                lease: rng.below(3) as i64,
                ..PutRequest::default()
            }),
            5 => Request::RequestDeleteRange(DeleteRangeRequest {
                key: bytes(rng),
                range_end: end(rng),
                prev_kv: rng.below(4) == 0,
            }),
            _ => Request::RequestTxn(random_txn(rng, depth - 1)),
        };
        RequestOp { request: Some(request) }
    };
    let compare = |rng: &mut SeededRng| Compare {
        key: bytes(rng),
        range_end: end(rng),
        ..Compare::default()
    };
    TxnRequest {
        compare: (0..rng.below(2)).map(|_| compare(rng)).collect(),
        success: (0..rng.below(3)).map(|_| op(rng)).collect(),
        failure: (0..rng.below(2)).map(|_| op(rng)).collect(),
    }
}

#[test]
fn random_nested_transactions_agree_with_a_plain_walk() {
    let view = view();
    let rounds = std::env::var("AUTH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds = rounds.unwrap_or(20_000_u64);
    let mut permitted = 0;
    for seed in 0..rounds {
        let mut rng = SeededRng::new(seed);
        let txn = random_txn(&mut rng, 3);
        let user = who(["reader", "writer", "owner", ROOT, "bare"][rng.below(5) as usize]);
        let leases = |lease: i64| match lease {
            1 => vec!["b".to_owned()],
            2 => vec!["bz".to_owned(), "d".to_owned()],
            _ => vec![],
        };
        let found = view.check_op(&user, &txn, |lease| leases(lease.0));
        let expected = allowed(&view, &user, &txn, &leases);
        assert_eq!(found.is_ok(), expected, "seed {seed}, {user:?}, {txn:?}");
        permitted += u64::from(expected);
    }
    assert!(permitted > rounds / 4 && permitted < rounds * 3 / 4, "{permitted} of {rounds}");
}
