//! `etcdserverpb.Cluster`.

use api::Service;
use proto::etcdserverpb as pb;

use crate::adapter::{Adapter, unary};
use crate::grpc::etcdserverpb::cluster_server::Cluster;

#[tonic::async_trait]
impl<S: Service> Cluster for Adapter<S> {
    unary! {
        member_list(pb::MemberListRequest) -> pb::MemberListResponse;
        member_add(pb::MemberAddRequest) -> pb::MemberAddResponse;
        member_remove(pb::MemberRemoveRequest) -> pb::MemberRemoveResponse;
        member_update(pb::MemberUpdateRequest) -> pb::MemberUpdateResponse;
        member_promote(pb::MemberPromoteRequest) -> pb::MemberPromoteResponse;
    }
}
