//! The API as one trait: a method for each RPC.
//!
//! `rpc` puts gRPC in front of it, `httpd` plain HTTP; a member implements it over `node`, a proxy
//! would over a client.

use std::future::Future;

use proto::etcdserverpb as pb;
use proto::twin;
use proto::{v3electionpb, v3lockpb};

use crate::Error;
use crate::caller::Caller;
use crate::health::{Health, Read, Versions};
use crate::stream::{Replies, Requests};

macro_rules! service {
    ($( $(#[$doc:meta])* $name:ident($request:ty) -> $reply:ty; )*) => {
        /// Every RPC that a member of etcd serves. Each checks the request, asks whether the caller
        /// may, and answers with a filled header or with etcd's own code and text.
        pub trait Service: Send + Sync + 'static {
            $(
                $(#[$doc])*
                fn $name(
                    &self,
                    caller: &Caller,
                    request: $request,
                ) -> impl Future<Output = Result<$reply, Error>> + Send;
            )*

            /// `Watch.Watch`: creates, cancels and progress requests go in, answers and events come
            /// out until the caller drops the replies.
            fn watch(
                &self,
                caller: &Caller,
            ) -> impl Future<
                Output = Result<(Requests<pb::WatchRequest>, Replies<twin::WatchResponse>), Error>,
            > + Send;

            /// Refuses a new stream of a caller that wants a leader while there is none.
            ///
            /// # Errors
            /// `etcdserver: no leader`, `etcdserver: rpc not supported for learner`.
            fn admit_stream(&self, caller: &Caller) -> Result<(), Error>;

            /// Resolves when a stream of this caller has to be cut: three election timeouts without
            /// a leader if the caller wants one, or the server stops.
            fn cut(&self, caller: &Caller) -> impl Future<Output = Error> + Send;

            /// The member's state, for the health endpoints.
            fn health(&self) -> Health;

            /// Tries a read, with the rights of root, for the health endpoints.
            fn try_read(&self, read: Read) -> impl Future<Output = Result<(), Error>> + Send;

            /// For `/version`.
            fn versions(&self) -> Versions;

            /// Raft's state as JSON, for `/debug/vars`; `None` while the member stops.
            fn raft_json(&self) -> impl Future<Output = Option<String>> + Send;
        }
    };
}

service! {
    /// `KV.Range`.
    range(pb::RangeRequest) -> twin::RangeResponse;
    /// `KV.RangeStream`.
    range_stream(pb::RangeRequest) -> Replies<twin::RangeStreamResponse>;
    /// `KV.Put`.
    put(pb::PutRequest) -> twin::PutResponse;
    /// `KV.DeleteRange`.
    delete_range(pb::DeleteRangeRequest) -> twin::DeleteRangeResponse;
    /// `KV.Txn`.
    txn(pb::TxnRequest) -> twin::TxnResponse;
    /// `KV.Compact`.
    compact(pb::CompactionRequest) -> pb::CompactionResponse;

    /// `Lease.LeaseGrant`.
    lease_grant(pb::LeaseGrantRequest) -> pb::LeaseGrantResponse;
    /// `Lease.LeaseRevoke`.
    lease_revoke(pb::LeaseRevokeRequest) -> pb::LeaseRevokeResponse;
    /// One message of `Lease.LeaseKeepAlive`: a lease that is gone is answered with a TTL of 0.
    lease_keep_alive(pb::LeaseKeepAliveRequest) -> pb::LeaseKeepAliveResponse;
    /// `Lease.LeaseTimeToLive`.
    lease_time_to_live(pb::LeaseTimeToLiveRequest) -> pb::LeaseTimeToLiveResponse;
    /// `Lease.LeaseLeases`.
    lease_leases(pb::LeaseLeasesRequest) -> pb::LeaseLeasesResponse;

    /// `Cluster.MemberList`.
    member_list(pb::MemberListRequest) -> pb::MemberListResponse;
    /// `Cluster.MemberAdd`.
    member_add(pb::MemberAddRequest) -> pb::MemberAddResponse;
    /// `Cluster.MemberRemove`.
    member_remove(pb::MemberRemoveRequest) -> pb::MemberRemoveResponse;
    /// `Cluster.MemberUpdate`.
    member_update(pb::MemberUpdateRequest) -> pb::MemberUpdateResponse;
    /// `Cluster.MemberPromote`.
    member_promote(pb::MemberPromoteRequest) -> pb::MemberPromoteResponse;

    /// `Maintenance.Alarm`.
    alarm(pb::AlarmRequest) -> pb::AlarmResponse;
    /// `Maintenance.Status`.
    status(pb::StatusRequest) -> pb::StatusResponse;
    /// `Maintenance.Defragment`.
    defragment(pb::DefragmentRequest) -> pb::DefragmentResponse;
    /// `Maintenance.Hash`.
    hash(pb::HashRequest) -> pb::HashResponse;
    /// `Maintenance.HashKV`.
    hash_kv(pb::HashKvRequest) -> pb::HashKvResponse;
    /// `Maintenance.Snapshot`: the file in chunks, its sha256 last.
    snapshot(pb::SnapshotRequest) -> Replies<pb::SnapshotResponse>;
    /// `Maintenance.MoveLeader`.
    move_leader(pb::MoveLeaderRequest) -> pb::MoveLeaderResponse;
    /// `Maintenance.Downgrade`.
    downgrade(pb::DowngradeRequest) -> pb::DowngradeResponse;

    /// `Auth.AuthEnable`.
    auth_enable(pb::AuthEnableRequest) -> pb::AuthEnableResponse;
    /// `Auth.AuthDisable`.
    auth_disable(pb::AuthDisableRequest) -> pb::AuthDisableResponse;
    /// `Auth.AuthStatus`.
    auth_status(pb::AuthStatusRequest) -> pb::AuthStatusResponse;
    /// `Auth.Authenticate`.
    authenticate(pb::AuthenticateRequest) -> pb::AuthenticateResponse;
    /// `Auth.UserAdd`.
    user_add(pb::AuthUserAddRequest) -> pb::AuthUserAddResponse;
    /// `Auth.UserGet`.
    user_get(pb::AuthUserGetRequest) -> pb::AuthUserGetResponse;
    /// `Auth.UserList`.
    user_list(pb::AuthUserListRequest) -> pb::AuthUserListResponse;
    /// `Auth.UserDelete`.
    user_delete(pb::AuthUserDeleteRequest) -> pb::AuthUserDeleteResponse;
    /// `Auth.UserChangePassword`.
    user_change_password(pb::AuthUserChangePasswordRequest) -> pb::AuthUserChangePasswordResponse;
    /// `Auth.UserGrantRole`.
    user_grant_role(pb::AuthUserGrantRoleRequest) -> pb::AuthUserGrantRoleResponse;
    /// `Auth.UserRevokeRole`.
    user_revoke_role(pb::AuthUserRevokeRoleRequest) -> pb::AuthUserRevokeRoleResponse;
    /// `Auth.RoleAdd`.
    role_add(pb::AuthRoleAddRequest) -> pb::AuthRoleAddResponse;
    /// `Auth.RoleGet`.
    role_get(pb::AuthRoleGetRequest) -> pb::AuthRoleGetResponse;
    /// `Auth.RoleList`.
    role_list(pb::AuthRoleListRequest) -> pb::AuthRoleListResponse;
    /// `Auth.RoleDelete`.
    role_delete(pb::AuthRoleDeleteRequest) -> pb::AuthRoleDeleteResponse;
    /// `Auth.RoleGrantPermission`.
    role_grant_permission(pb::AuthRoleGrantPermissionRequest)
        -> pb::AuthRoleGrantPermissionResponse;
    /// `Auth.RoleRevokePermission`.
    role_revoke_permission(pb::AuthRoleRevokePermissionRequest)
        -> pb::AuthRoleRevokePermissionResponse;

    /// `v3lockpb.Lock.Lock`.
    lock(v3lockpb::LockRequest) -> v3lockpb::LockResponse;
    /// `v3lockpb.Lock.Unlock`.
    unlock(v3lockpb::UnlockRequest) -> v3lockpb::UnlockResponse;
    /// `v3electionpb.Election.Campaign`.
    campaign(v3electionpb::CampaignRequest) -> v3electionpb::CampaignResponse;
    /// `v3electionpb.Election.Proclaim`.
    proclaim(v3electionpb::ProclaimRequest) -> v3electionpb::ProclaimResponse;
    /// `v3electionpb.Election.Leader`.
    leader(v3electionpb::LeaderRequest) -> v3electionpb::LeaderResponse;
    /// `v3electionpb.Election.Observe`.
    observe(v3electionpb::LeaderRequest) -> Replies<v3electionpb::LeaderResponse>;
    /// `v3electionpb.Election.Resign`.
    resign(v3electionpb::ResignRequest) -> v3electionpb::ResignResponse;
}
