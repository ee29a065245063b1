//! `v3electionpb.Election`.

use api::Service;
use proto::v3electionpb as pb;
use tonic::{Request, Response, Status};

use crate::adapter::{Adapter, unary};
use crate::grpc::v3electionpb::election_server::Election;
use crate::metadata;
use crate::status::status;
use crate::stream::ReplyStream;

#[tonic::async_trait]
impl<S: Service> Election for Adapter<S> {
    type ObserveStream = ReplyStream<pb::LeaderResponse>;

    unary! {
        campaign(pb::CampaignRequest) -> pb::CampaignResponse;
        proclaim(pb::ProclaimRequest) -> pb::ProclaimResponse;
        leader(pb::LeaderRequest) -> pb::LeaderResponse;
        resign(pb::ResignRequest) -> pb::ResignResponse;
    }

    async fn observe(
        &self,
        request: Request<pb::LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let caller = metadata::caller(request.metadata());
        self.0.admit_stream(&caller).map_err(status)?;
        let replies = self.0.observe(&caller, request.into_inner()).await.map_err(status)?;
        Ok(Response::new(ReplyStream::new(replies, &self.0, caller)))
    }
}
