//! The API over a member.
//!
//! [`Service`] is implemented by one table: each RPC with the rule that its caller has to meet
//! before anything is done, and the function that carries it out. A method without a row does not
//! compile, so nothing is served without a rule.

mod admit;
mod auth;
mod cluster;
mod downgrade;
mod header;
mod kv;
mod lease;
mod maintenance;
mod quota;
mod range_stream;
mod read;
mod recipes;
mod snapshot;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ::auth::password::Cost;
use node::Node;
use proto::etcdserverpb as pb;
use proto::twin;
use proto::{v3electionpb, v3lockpb};

use crate::server::admit::Rule;
use crate::{Caller, Error, Health, Read, Replies, Requests, Service, Versions};

/// What the flags decide about the API.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `--max-txn-ops`.
    pub txn_ops_max: usize,
    /// `--max-request-bytes`.
    pub request_bytes_max: usize,
    /// `--bcrypt-cost`.
    pub bcrypt_cost: Cost,
    /// An election timeout.
    pub election: Duration,
}

/// A member's API. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    node: Node,
    settings: Settings,
    /// Logins whose passwords are being compared: they take a core each.
    logins: Arc<tokio::sync::Semaphore>,
    /// Those that wait for it, too.
    login_places: Arc<tokio::sync::Semaphore>,
    /// Reads that are too large for the network threads.
    large_reads: Arc<tokio::sync::Semaphore>,
}

impl Server {
    /// The API over a member.
    #[must_use]
    pub fn new(node: Node, settings: Settings) -> Self {
        let logins = Arc::new(tokio::sync::Semaphore::new(auth::LOGINS_AT_ONCE));
        let login_places = Arc::new(tokio::sync::Semaphore::new(auth::LOGINS_MAX));
        let large_reads = Arc::new(tokio::sync::Semaphore::new(read::LARGE_READS_AT_ONCE));
        Self { node, settings, logins, login_places, large_reads }
    }
}

macro_rules! serve {
    ($( $name:ident($request:ty) -> $reply:ty: $rule:ident, $function:path; )*) => {
        impl Service for Server {
            $(
                async fn $name(&self, caller: &Caller, request: $request) -> Result<$reply, Error> {
                    let caller = self.admit(caller, Rule::$rule).await?;
                    $function(self, &caller, request).await
                }
            )*

            async fn watch(
                &self,
                caller: &Caller,
            ) -> Result<(Requests<pb::WatchRequest>, Replies<twin::WatchResponse>), Error> {
                watch::open(self, caller)
            }

            fn admit_stream(&self, caller: &Caller) -> Result<(), Error> {
                self.check_member(caller, Rule::Stream)
            }

            async fn cut(&self, caller: &Caller) -> Error {
                self.cut_off(caller).await
            }

            fn health(&self) -> Health {
                maintenance::health(self)
            }

            async fn try_read(&self, read: Read) -> Result<(), Error> {
                kv::try_read(self, read).await
            }

            fn versions(&self) -> Versions {
                maintenance::versions(self)
            }

            async fn raft_json(&self) -> Option<String> {
                self.node.raft_json().await
            }
        }
    };
}

serve! {
    range(pb::RangeRequest) -> twin::RangeResponse: LearnerToo, kv::range;
    range_stream(pb::RangeRequest) -> Replies<twin::RangeStreamResponse>: Keys, range_stream::open;
    put(pb::PutRequest) -> twin::PutResponse: Keys, kv::put;
    delete_range(pb::DeleteRangeRequest) -> twin::DeleteRangeResponse: Keys, kv::delete_range;
    txn(pb::TxnRequest) -> twin::TxnResponse: Keys, kv::txn;
    compact(pb::CompactionRequest) -> pb::CompactionResponse: Root, kv::compact;

    lease_grant(pb::LeaseGrantRequest) -> pb::LeaseGrantResponse: User, lease::grant;
    lease_revoke(pb::LeaseRevokeRequest) -> pb::LeaseRevokeResponse: User, lease::revoke;
    lease_keep_alive(pb::LeaseKeepAliveRequest) -> pb::LeaseKeepAliveResponse:
        User, lease::keep_alive;
    lease_time_to_live(pb::LeaseTimeToLiveRequest) -> pb::LeaseTimeToLiveResponse:
        User, lease::time_to_live;
    lease_leases(pb::LeaseLeasesRequest) -> pb::LeaseLeasesResponse: User, lease::leases;

    member_list(pb::MemberListRequest) -> pb::MemberListResponse: User, cluster::list;
    member_add(pb::MemberAddRequest) -> pb::MemberAddResponse: Root, cluster::add;
    member_remove(pb::MemberRemoveRequest) -> pb::MemberRemoveResponse: Root, cluster::remove;
    member_update(pb::MemberUpdateRequest) -> pb::MemberUpdateResponse: Root, cluster::update;
    member_promote(pb::MemberPromoteRequest) -> pb::MemberPromoteResponse: Root, cluster::promote;

    alarm(pb::AlarmRequest) -> pb::AlarmResponse: User, maintenance::alarm;
    status(pb::StatusRequest) -> pb::StatusResponse: LearnerToo, maintenance::status;
    defragment(pb::DefragmentRequest) -> pb::DefragmentResponse: Root, maintenance::defragment;
    hash(pb::HashRequest) -> pb::HashResponse: Root, maintenance::hash;
    hash_kv(pb::HashKvRequest) -> pb::HashKvResponse: Root, maintenance::hash_kv;
    snapshot(pb::SnapshotRequest) -> Replies<pb::SnapshotResponse>:
        LearnerRoot, snapshot::open;
    move_leader(pb::MoveLeaderRequest) -> pb::MoveLeaderResponse: Root, maintenance::move_leader;
    downgrade(pb::DowngradeRequest) -> pb::DowngradeResponse: Root, downgrade::downgrade;

    auth_enable(pb::AuthEnableRequest) -> pb::AuthEnableResponse: Root, auth::enable;
    auth_disable(pb::AuthDisableRequest) -> pb::AuthDisableResponse: Root, auth::disable;
    auth_status(pb::AuthStatusRequest) -> pb::AuthStatusResponse: Guest, auth::status;
    authenticate(pb::AuthenticateRequest) -> pb::AuthenticateResponse: Open, auth::authenticate;
    user_add(pb::AuthUserAddRequest) -> pb::AuthUserAddResponse: Root, auth::user_add;
    user_get(pb::AuthUserGetRequest) -> pb::AuthUserGetResponse: User, auth::user_get;
    user_list(pb::AuthUserListRequest) -> pb::AuthUserListResponse: Root, auth::user_list;
    user_delete(pb::AuthUserDeleteRequest) -> pb::AuthUserDeleteResponse: Root, auth::user_delete;
    user_change_password(pb::AuthUserChangePasswordRequest) -> pb::AuthUserChangePasswordResponse:
        Root, auth::user_change_password;
    user_grant_role(pb::AuthUserGrantRoleRequest) -> pb::AuthUserGrantRoleResponse:
        Root, auth::user_grant_role;
    user_revoke_role(pb::AuthUserRevokeRoleRequest) -> pb::AuthUserRevokeRoleResponse:
        Root, auth::user_revoke_role;
    role_add(pb::AuthRoleAddRequest) -> pb::AuthRoleAddResponse: Root, auth::role_add;
    role_get(pb::AuthRoleGetRequest) -> pb::AuthRoleGetResponse: User, auth::role_get;
    role_list(pb::AuthRoleListRequest) -> pb::AuthRoleListResponse: Root, auth::role_list;
    role_delete(pb::AuthRoleDeleteRequest) -> pb::AuthRoleDeleteResponse: Root, auth::role_delete;
    role_grant_permission(pb::AuthRoleGrantPermissionRequest)
        -> pb::AuthRoleGrantPermissionResponse: Root, auth::role_grant_permission;
    role_revoke_permission(pb::AuthRoleRevokePermissionRequest)
        -> pb::AuthRoleRevokePermissionResponse: Root, auth::role_revoke_permission;

    lock(v3lockpb::LockRequest) -> v3lockpb::LockResponse: Recipe, recipes::lock;
    unlock(v3lockpb::UnlockRequest) -> v3lockpb::UnlockResponse: Recipe, recipes::unlock;
    campaign(v3electionpb::CampaignRequest) -> v3electionpb::CampaignResponse:
        Recipe, recipes::campaign;
    proclaim(v3electionpb::ProclaimRequest) -> v3electionpb::ProclaimResponse:
        Recipe, recipes::proclaim;
    leader(v3electionpb::LeaderRequest) -> v3electionpb::LeaderResponse: Recipe, recipes::leader;
    observe(v3electionpb::LeaderRequest) -> Replies<v3electionpb::LeaderResponse>:
        Recipe, recipes::observe;
    resign(v3electionpb::ResignRequest) -> v3electionpb::ResignResponse: Recipe, recipes::resign;
}
