//! `etcdserverpb.Maintenance`.

use api::Service;
use proto::etcdserverpb as pb;
use tonic::{Request, Response, Status};

use crate::adapter::{Adapter, unary};
use crate::grpc::etcdserverpb::maintenance_server::Maintenance;
use crate::metadata;
use crate::stream::ReplyStream;

#[tonic::async_trait]
impl<S: Service> Maintenance for Adapter<S> {
    type SnapshotStream = ReplyStream<pb::SnapshotResponse>;

    unary! {
        alarm(pb::AlarmRequest) -> pb::AlarmResponse;
        status(pb::StatusRequest) -> pb::StatusResponse;
        defragment(pb::DefragmentRequest) -> pb::DefragmentResponse;
        hash(pb::HashRequest) -> pb::HashResponse;
        hash_kv(pb::HashKvRequest) -> pb::HashKvResponse;
        move_leader(pb::MoveLeaderRequest) -> pb::MoveLeaderResponse;
        downgrade(pb::DowngradeRequest) -> pb::DowngradeResponse;
    }

    async fn snapshot(
        &self,
        request: Request<pb::SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let caller = metadata::caller(request.metadata().as_ref());
        let mut call = self.calls.snapshot.begin();
        call.received();
        let replies = self.service.snapshot(&caller, request.into_inner()).await;
        let replies = replies.map_err(|error| call.failed(error))?;
        Ok(Response::new(ReplyStream::new(replies, &self.service, caller, call)))
    }
}
