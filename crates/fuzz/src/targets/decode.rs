//! The decoders of messages: what is read is written, and what is written is read as the same.

use bytes::Bytes;
use prost::{Message, Name};
use proto::{authpb, etcdserverpb as pb, leasepb, membershippb, mvccpb, raftpb, snappb, walpb};
use proto::{v3electionpb, v3lockpb};

use crate::features::Features;
use crate::target::Target;

pub(super) const TARGETS: &[Target] = &[
    Target::new("proto", messages, message_seeds, 4000),
    Target::new("proto-request", requests, request_seeds, 2000),
    Target::new("raft-proto", raft_messages, raft_seeds, 4000),
    Target::new("rows", rows, row_seeds, 3000),
];

/// Reads a message both ways, and holds it against what is written of it.
fn whole<M: Message + Name + Default + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Features {
    let mut features = Features::default();
    let bytes = Bytes::copy_from_slice(bytes);
    let read = proto::decode::<M>(bytes.clone());
    let lenient = proto::decode_request::<M>(bytes.clone());
    match &read {
        Ok(message) => {
            assert!(lenient.is_ok_and(|lenient| lenient == *message));
            let written = message.encode_to_vec();
            assert_eq!(written.len(), message.encoded_len());
            let again = proto::decode::<M>(written.clone()).expect("what was written can be read");
            assert!(again == *message, "{message:?} was written and read as {again:?}");
            assert_eq!(again.encode_to_vec(), written);
            features.size(written.len());
            features.size(bytes.len() - written.len().min(bytes.len()));
        }
        Err(error) => {
            features.text(&error.to_string());
            features.note(u64::from(lenient.is_ok()));
        }
    }
    features
}

type Decoder = fn(&[u8]) -> Features;

macro_rules! decoders {
    ($($module:ident: $($message:ident)*;)*) => {
        &[$($(whole::<$module::$message>,)*)*]
    };
}

/// Every generated message.
const MESSAGES: &[Decoder] = decoders! {
    authpb: UserAddOptions User Permission Role;
    leasepb: Lease LeaseInternalRequest LeaseInternalResponse;
    membershippb: RaftAttributes Attributes Member ClusterVersionSetRequest
        ClusterMemberAttrSetRequest DowngradeInfoSetRequest;
    mvccpb: KeyValue Event;
    v3electionpb: CampaignRequest CampaignResponse LeaderKey LeaderRequest LeaderResponse
        ResignRequest ResignResponse ProclaimRequest ProclaimResponse;
    v3lockpb: LockRequest LockResponse UnlockRequest UnlockResponse;
    pb: InternalRaftRequest ResponseHeader AuthEnableRequest AuthEnableResponse AuthDisableRequest
        AuthDisableResponse AuthStatusRequest AuthStatusResponse AuthenticateRequest
        AuthenticateResponse AuthUserAddRequest AuthUserAddResponse AuthUserGetRequest
        AuthUserGetResponse AuthUserListRequest AuthUserListResponse AuthUserDeleteRequest
        AuthUserDeleteResponse AuthUserChangePasswordRequest AuthUserChangePasswordResponse
        AuthUserGrantRoleRequest AuthUserGrantRoleResponse AuthUserRevokeRoleRequest
        AuthUserRevokeRoleResponse AuthRoleAddRequest AuthRoleAddResponse AuthRoleGetRequest
        AuthRoleGetResponse AuthRoleListRequest AuthRoleListResponse AuthRoleDeleteRequest
        AuthRoleDeleteResponse AuthRoleGrantPermissionRequest AuthRoleGrantPermissionResponse
        AuthRoleRevokePermissionRequest AuthRoleRevokePermissionResponse Member MemberAddRequest
        MemberAddResponse MemberRemoveRequest MemberRemoveResponse MemberUpdateRequest
        MemberUpdateResponse MemberListRequest MemberListResponse MemberPromoteRequest
        MemberPromoteResponse Request Metadata RangeRequest RangeResponse RangeStreamResponse
        PutRequest PutResponse DeleteRangeRequest DeleteRangeResponse RequestOp ResponseOp Compare
        TxnRequest TxnResponse CompactionRequest CompactionResponse LeaseGrantRequest
        LeaseGrantResponse LeaseRevokeRequest LeaseRevokeResponse LeaseCheckpoint
        LeaseCheckpointRequest LeaseCheckpointResponse LeaseKeepAliveRequest LeaseKeepAliveResponse
        LeaseTimeToLiveRequest LeaseTimeToLiveResponse LeaseLeasesRequest LeaseStatus
        LeaseLeasesResponse AlarmRequest AlarmMember AlarmResponse StatusRequest StatusResponse
        DowngradeInfo DefragmentRequest DefragmentResponse HashRequest HashResponse HashKvRequest
        HashKvResponse SnapshotRequest SnapshotResponse MoveLeaderRequest MoveLeaderResponse
        DowngradeRequest DowngradeResponse DowngradeVersionTestRequest RequestHeader EmptyResponse
        InternalAuthenticateRequest WatchRequest WatchCreateRequest WatchCancelRequest
        WatchProgressRequest WatchResponse;
};

/// The first byte chooses the message.
fn messages(input: &[u8]) -> u64 {
    let Some((kind, bytes)) = input.split_first() else { return 0 };
    let kind = usize::from(*kind) % MESSAGES.len();
    let mut features = MESSAGES[kind](bytes);
    features.note(kind as u64);
    features.number()
}

fn message_seeds() -> Vec<Vec<u8>> {
    let request = request().encode_to_vec();
    (0..MESSAGES.len() as u8).map(|kind| [&[kind][..], &request].concat()).collect()
}

/// A transaction with every kind of operation in it, in an entry's request.
pub(super) fn request() -> pb::InternalRaftRequest {
    use pb::request_op::Request;
    let op = |request| pb::RequestOp { request: Some(request) };
    let put = pb::PutRequest { key: "k".into(), value: "v".into(), lease: 7, ..Default::default() };
    let range = pb::RangeRequest { key: "a".into(), range_end: "z".into(), ..Default::default() };
    let delete = pb::DeleteRangeRequest { key: "k".into(), prev_kv: true, ..Default::default() };
    let inner = pb::TxnRequest {
        success: vec![op(Request::RequestPut(put.clone()))],
        ..Default::default()
    };
    let compare = pb::Compare {
        result: 1,
        target: 3,
        key: "k".into(),
        target_union: Some(pb::compare::TargetUnion::Value("v".into())),
        ..Default::default()
    };
    let txn = pb::TxnRequest {
        compare: vec![compare],
        success: vec![
            op(Request::RequestPut(put)),
            op(Request::RequestRange(range)),
            op(Request::RequestTxn(inner)),
        ],
        failure: vec![op(Request::RequestDeleteRange(delete))],
    };
    let header = pb::RequestHeader { id: 5, username: "root".into(), auth_revision: 3 };
    pb::InternalRaftRequest { header: Some(header), txn: Some(txn), ..Default::default() }
}

/// What is asked of requests before they are carried out.
fn requests(input: &[u8]) -> u64 {
    let mut features = whole::<pb::InternalRaftRequest>(input);
    let Ok(request) = proto::decode::<pb::InternalRaftRequest>(input.to_vec()) else {
        return features.number();
    };
    features.text(proto::RequestKind::of(&request).name());
    if let Some(op) = proto::access::Op::in_entry(&request) {
        let (mut count, mut writes) = (0, 0);
        for access in proto::access::accesses(op) {
            count += 1;
            writes += usize::from(access.is_write());
        }
        features.size(count);
        features.size(writes);
        features.size(proto::access::op_count(op));
        assert!(writes > 0 || !proto::access::accesses(op).any(|access| access.is_write()));
    }
    let shown = proto::shown::Shown::shown(&request);
    features.size(shown.len());
    features.number()
}

fn request_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![request().encode_to_vec()];
    let mut nested = request().txn.unwrap_or_default();
    for _ in 0..20 {
        let op = pb::request_op::Request::RequestTxn(nested);
        nested = pb::TxnRequest {
            success: vec![pb::RequestOp { request: Some(op) }],
            ..Default::default()
        };
    }
    let deep = pb::InternalRaftRequest { txn: Some(nested), ..Default::default() };
    seeds.push(deep.encode_to_vec());
    seeds
}

macro_rules! raft_codec {
    ($features:ident, $bytes:ident, $message:ty) => {
        match <$message>::decode($bytes.clone()) {
            Ok(message) => {
                let written = message.encode_to_vec();
                assert_eq!(written.len(), message.encoded_len());
                let again = <$message>::decode(written).expect("what was written can be read");
                assert_eq!(again, message);
                $features.size(message.encoded_len());
            }
            Err(error) => $features.text(&error.to_string()),
        }
    };
}

/// The messages with codecs by hand.
fn raft_messages(input: &[u8]) -> u64 {
    let Some((kind, bytes)) = input.split_first() else { return 0 };
    let mut features = Features::default();
    let bytes = Bytes::copy_from_slice(bytes);
    match kind % 12 {
        0 => raft_codec!(features, bytes, raftpb::Entry),
        1 => raft_codec!(features, bytes, raftpb::HardState),
        2 => raft_codec!(features, bytes, raftpb::ConfState),
        3 => raft_codec!(features, bytes, raftpb::SnapshotMetadata),
        4 => raft_codec!(features, bytes, raftpb::Snapshot),
        5 => raft_codec!(features, bytes, raftpb::ConfChange),
        6 => raft_codec!(features, bytes, raftpb::ConfChangeSingle),
        7 => raft_codec!(features, bytes, raftpb::ConfChangeV2),
        8 => raft_codec!(features, bytes, walpb::Record),
        9 => raft_codec!(features, bytes, walpb::Snapshot),
        10 => raft_codec!(features, bytes, snappb::Snapshot),
        _ => {
            raft_codec!(features, bytes, raftpb::Message);
            if let Ok(message) = raftpb::Message::decode(bytes) {
                features.size(raft::describe::message(&message).len());
            }
        }
    }
    features.note(u64::from(kind % 12));
    features.number()
}

fn raft_seeds() -> Vec<Vec<u8>> {
    let message = super::raft_message().encode_to_vec();
    (0..12).map(|kind| [&[kind][..], &message].concat()).collect()
}

/// The rows of the database that are not keys: a key and a value, the first byte chooses which.
fn rows(input: &[u8]) -> u64 {
    use backend::schema;
    let mut input = crate::input::Input::new(input);
    let kind = input.below(11);
    let key = input.bytes();
    let value = input.rest();
    let mut features = Features::default();
    features.note(kind as u64);
    // Numbers and errors tell the input.
    fn note<T, E>(features: &mut Features, read: Result<T, E>) {
        features.note(u64::from(read.is_ok()));
    }
    match kind {
        0 => note(&mut features, schema::alarm::decode(key)),
        1 => note(&mut features, schema::auth::decode_enabled(Some(value))),
        2 => note(&mut features, schema::auth::decode_revision(Some(value))),
        3 => note(&mut features, schema::compact_revision::decode(key, value)),
        4 => {
            let read = schema::conf_state::decode(value);
            if let Ok(state) = &read {
                let written = schema::conf_state::encode(state);
                let again = schema::conf_state::decode(&written).expect("what was written");
                assert_eq!(again, *state);
                features.size(state.voters.len());
            }
            note(&mut features, read);
        }
        5 => note(&mut features, schema::consistent_index::decode(value)),
        6 => note(&mut features, schema::lease::decode(key, value)),
        7 => note(&mut features, schema::role::decode(key, value)),
        8 => features.note(u64::from(schema::storage_version::decode(value).is_some())),
        9 => note(&mut features, schema::user::decode(key, value)),
        _ => {
            note(&mut features, schema::term::decode(value));
            note(&mut features, schema::member::decode_key(backend::Bucket::Members, key));
        }
    }
    features.number()
}

fn row_seeds() -> Vec<Vec<u8>> {
    use backend::schema;
    let state = raftpb::ConfState { voters: vec![1, 2], ..Default::default() };
    let role = authpb::Role { name: "r".into(), ..Default::default() };
    let user = authpb::User { name: "u".into(), roles: vec!["r".into()], ..Default::default() };
    let lease = leasepb::Lease { id: 7, ttl: 60, remaining_ttl: 3 };
    let row =
        |kind: u8, key: &[u8], value: &[u8]| [&[kind, key.len() as u8][..], key, value].concat();
    vec![
        row(0, &schema::alarm::key(&pb::AlarmMember { member_id: 9, alarm: 1 }), b""),
        row(1, b"", &[1]),
        row(2, b"", &[0, 0, 0, 0, 0, 0, 0, 1]),
        row(3, b"finishedCompactRev", &schema::compact_revision::encode(9)),
        row(4, b"", &schema::conf_state::encode(&state)),
        row(5, b"", &[0, 0, 0, 0, 0, 0, 0, 9]),
        row(6, &7_i64.to_be_bytes(), &schema::lease::encode(&lease)),
        row(7, b"r", &schema::role::encode(&role)),
        row(8, b"", b"3.6.0"),
        row(9, b"u", &schema::user::encode(&user)),
        row(10, &schema::member::key(types::MemberId(9)), &[0, 0, 0, 0, 0, 0, 0, 9]),
    ]
}
