//! Entries: whatever a log holds, members agree about it; and what the API lets through costs what
//! its parts cost.

use std::path::Path;
use std::sync::Arc;

use api::check;
use apply::{Applier, NestedCost, Parts, Quota, Settings, Waiter};
use mvcc::Slice;
use prost::Message;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::request_op::Request;
use proto::raftpb::{ConfState, Entry, EntryType};
use simenv::SimDisk;
use types::MemberId;

use crate::features::Features;
use crate::input::Input;
use crate::target::{Target, choices};

pub(super) const TARGETS: &[Target] =
    &[Target::new("entries", entries, entry_seeds, 60), Target::new("txn", txn, choices, 500)];

fn settings(member: u64) -> Settings {
    let quota = Quota::Unlimited;
    Settings { member: MemberId(member), quota, persist_checkpoints: false, learners_max: 1 }
}

/// A member's state with nothing in it.
fn applier(member: u64) -> Applier {
    let disk = SimDisk::new();
    disk.put_dir(Path::new("/data"));
    let options = backend::Options::new("/data/db");
    let (mut backend, _) = backend::open(Arc::new(disk), options).expect("a new file opens");
    let leases = lease::Leases::open(&backend, 2).expect("a new file has no leases");
    let restored = mvcc::Store::restore(backend.last_committed()).expect("a new file is empty");
    let auth = auth::Store::open(&mut backend).expect("a new file has no users");
    let members = membership::Store::open(&backend).expect("a new file has no members");
    let conf_state = ConfState { voters: vec![1], ..ConfState::default() };
    let parts = Parts { backend, store: restored.store, leases, auth, members, conf_state };
    Applier::new(parts, settings(member)).expect("a new file has no alarms")
}

/// Entries, each with its length in two bytes before it: the first byte is its kind. Two members
/// carry them out, one of which waits for the answers; both have the same then.
fn entries(input: &[u8]) -> u64 {
    let mut features = Features::default();
    let (mut one, mut two) = (applier(1), applier(2));
    let (mut rest, mut index) = (input, 1);
    while let [low, high, kind, tail @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (data, behind) = tail.split_at(length);
        rest = behind;
        let entry_type = match kind % 8 {
            0 => EntryType::ConfChange,
            1 => EntryType::ConfChangeV2,
            _ => EntryType::Normal,
        };
        let data = bytes::Bytes::copy_from_slice(data);
        let entry = Entry { entry_type, term: 1, index, data };
        let (first, second) =
            (one.apply(&entry, |_| Waiter::Present), two.apply(&entry, |_| Waiter::Absent));
        let (first, second) = match (first, second) {
            (Ok(first), Ok(second)) => (first, second),
            // Nobody writes such an entry: the process ends with the reason.
            (Err(first), Err(second)) => {
                assert_eq!(first.to_string(), second.to_string());
                features.text(&first.to_string());
                break;
            }
            (first, second) => {
                panic!("{:?} and {:?}", first.map(|_| ()), second.map(|_| ()));
            }
        };
        index += 1;
        assert_eq!(first.revision, second.revision);
        match &first.outcome {
            Ok(response) => features.size(response.encoded_len().unwrap_or(7)),
            Err(refusal) => features.text(refusal.text()),
        }
        for (applier, applied) in [(&mut one, first), (&mut two, second)] {
            for effect in applied.effects {
                if let apply::Effect::Compact(order) = effect {
                    while applier.compact_index(&order, 10) == Slice::More {}
                }
            }
        }
    }
    let (first, second) = (one.view(), two.view());
    let hash = |view: &apply::View| view.read.hash(0).map(|hash| hash.hash).ok();
    assert_eq!(hash(&first), hash(&second));
    assert_eq!(first.auth.status(), second.auth.status());
    assert!(first.leases.iter().eq(second.leases.iter()));
    assert!(first.cluster.members().eq(second.cluster.members()));
    assert_eq!(one.conf_state(), two.conf_state());
    features.size(index as usize);
    features.number()
}

fn framed(requests: &[pb::InternalRaftRequest]) -> Vec<u8> {
    let mut seed = Vec::new();
    for request in requests {
        let bytes = request.encode_to_vec();
        seed.extend((bytes.len() as u16).to_le_bytes());
        seed.push(7);
        seed.extend(bytes);
    }
    seed
}

fn entry_seeds() -> Vec<Vec<u8>> {
    let with = |set: &dyn Fn(&mut pb::InternalRaftRequest)| {
        let header = pb::RequestHeader { id: 5, ..Default::default() };
        let mut request = pb::InternalRaftRequest { header: Some(header), ..Default::default() };
        set(&mut request);
        request
    };
    let put = |key: &str, lease| pb::PutRequest {
        key: key.to_owned().into(),
        value: "v".into(),
        lease,
        ..Default::default()
    };
    let user = || pb::AuthUserAddRequest {
        name: "root".into(),
        hashed_password: "aGFzaA==".into(),
        ..Default::default()
    };
    let role = || pb::AuthUserGrantRoleRequest { user: "root".into(), role: "root".into() };
    let keys = [
        with(&|request| request.lease_grant = Some(pb::LeaseGrantRequest { ttl: 9, id: 7 })),
        with(&|request| request.put = Some(put("a", 7))),
        with(&|request| request.put = Some(put("b", 0))),
        super::decode::request(),
        with(&|request| {
            let delete = pb::DeleteRangeRequest { key: "a".into(), ..Default::default() };
            request.delete_range = Some(delete);
        }),
        with(&|request| {
            request.compaction = Some(pb::CompactionRequest { revision: 2, physical: false });
        }),
        with(&|request| request.lease_revoke = Some(pb::LeaseRevokeRequest { id: 7 })),
        with(&|request| {
            let alarm = pb::AlarmRequest { action: 1, member_id: 1, alarm: 1 };
            request.alarm = Some(alarm);
        }),
    ];
    let users = [
        with(&|request| request.auth_user_add = Some(user())),
        with(&|request| request.auth_user_grant_role = Some(role())),
        with(&|request| request.auth_enable = Some(pb::AuthEnableRequest {})),
        with(&|request| request.put = Some(put("a", 0))),
        with(&|request| {
            let login = pb::InternalAuthenticateRequest {
                name: "root".into(),
                simple_token: "t".into(),
                ..Default::default()
            };
            request.authenticate = Some(login);
        }),
    ];
    let member = membership::Member {
        id: MemberId(5),
        peer_urls: vec!["http://a:1".to_owned()],
        ..membership::Member::default()
    };
    let changes = [
        membership::Change::Add(member),
        membership::Change::Update { id: MemberId(5), peer_urls: vec!["http://b:1".to_owned()] },
        membership::Change::Remove(MemberId(5)),
    ];
    let mut of_members = Vec::new();
    for change in changes {
        let bytes = change.to_conf_change(3).encode_to_vec();
        of_members.extend((bytes.len() as u16).to_le_bytes());
        of_members.push(0);
        of_members.extend(bytes);
    }
    vec![framed(&keys), framed(&users), of_members]
}

fn put(input: &mut Input<'_>) -> pb::PutRequest {
    pb::PutRequest { key: input.key(), value: input.shared(), ..Default::default() }
}

fn any_txn(input: &mut Input<'_>, depth: usize) -> pb::TxnRequest {
    let ops = |input: &mut Input<'_>| {
        let count = input.below(4);
        (0..count).map(|_| any_op(input, depth)).collect()
    };
    let (success, failure) = (ops(input), ops(input));
    let compare = (0..input.below(3))
        .map(|_| pb::Compare {
            key: input.key(),
            range_end: input.range_end(),
            ..Default::default()
        })
        .collect();
    pb::TxnRequest { compare, success, failure }
}

fn any_op(input: &mut Input<'_>, depth: usize) -> pb::RequestOp {
    let (key, range_end) = (input.key(), input.range_end());
    let request = match input.below(8) {
        0 => Some(Request::RequestRange(pb::RangeRequest { key, range_end, ..Default::default() })),
        1 => {
            let delete = pb::DeleteRangeRequest { key, range_end, ..Default::default() };
            Some(Request::RequestDeleteRange(delete))
        }
        2 | 3 if depth > 0 => Some(Request::RequestTxn(any_txn(input, depth - 1))),
        4 if input.one_in(8) => None,
        _ => Some(Request::RequestPut(put(input))),
    };
    pb::RequestOp { request }
}

/// What a transaction costs, added up by hand.
fn cost(txn: &pb::TxnRequest) -> u64 {
    let of = |ops: &[pb::RequestOp]| -> u64 {
        let costs = ops.iter().map(|op| match &op.request {
            Some(Request::RequestPut(put)) => apply::put_cost(put),
            Some(Request::RequestTxn(inner)) => cost(inner),
            _ => 0,
        });
        costs.sum()
    };
    of(&txn.success).max(of(&txn.failure))
}

/// Every key that a branch may put, through all branches of what lies in it.
fn puts(ops: &[pb::RequestOp], keys: &mut Vec<bytes::Bytes>) {
    for op in ops {
        match &op.request {
            Some(Request::RequestPut(put)) => keys.push(put.key.clone()),
            Some(Request::RequestTxn(inner)) => {
                // Only one of the two is carried out.
                puts(&inner.success, keys);
            }
            _ => {}
        }
    }
}

/// Transactions: what the check lets through is carried out or refused with a reason, and puts no
/// key twice.
fn txn(input: &[u8]) -> u64 {
    let mut input = Input::new(input);
    let mut features = Features::default();
    let request = any_txn(&mut input, 4);
    assert_eq!(apply::txn_cost(&request, NestedCost::Counted), cost(&request));
    assert!(apply::txn_cost(&request, NestedCost::Free) <= cost(&request));
    let ops_max = [128, 8, 2][input.below(3)];
    if let Err(refusal) = check::txn(&request, ops_max) {
        features.text(refusal.text());
        return features.number();
    }
    let mut keys = Vec::new();
    puts(&request.success, &mut keys);
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count, "a key is put twice: {request:?}");
    let mut state = applier(1);
    let entry_of = |request: &pb::TxnRequest| {
        let request = pb::InternalRaftRequest { txn: Some(request.clone()), ..Default::default() };
        bytes::Bytes::from(request.encode_to_vec())
    };
    let entry = Entry { term: 1, index: 1, data: entry_of(&request), ..Entry::default() };
    let applied = state.apply(&entry, |_| Waiter::Present).expect("it was checked");
    let before = applied.revision;
    match applied.outcome {
        Ok(response) => features.size(response.encoded_len().unwrap_or_default()),
        Err(refusal) => features.text(refusal.text()),
    }
    features.size(before as usize);
    features.number()
}
