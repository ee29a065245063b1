//! `v3electionpb.Election`.

use api::Service;
use proto::v3electionpb as pb;
use tonic::{Request, Response, Status};

use crate::adapter::{Adapter, unary};
use crate::grpc::v3electionpb::election_server::Election;
use crate::metadata;
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
        let caller = metadata::caller(request.metadata().as_ref());
        let mut call = self.calls.observe.begin();
        call.received();
        self.service.admit_stream(&caller).map_err(|error| call.failed(error))?;
        let replies = self.service.observe(&caller, request.into_inner()).await;
        let replies = replies.map_err(|error| call.failed(error))?;
        Ok(Response::new(ReplyStream::new(replies, &self.service, caller, call)))
    }
}
