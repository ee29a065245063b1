//! `etcdserverpb.KV`.

use api::Service;
use proto::etcdserverpb as pb;
use proto::twin;
use tonic::{Request, Response, Status};

use crate::adapter::{Adapter, unary};
use crate::grpc::etcdserverpb::kv_server::Kv;
use crate::metadata;
use crate::stream::ReplyStream;

#[tonic::async_trait]
impl<S: Service> Kv for Adapter<S> {
    type RangeStreamStream = ReplyStream<twin::RangeStreamResponse>;

    unary! {
        range(pb::RangeRequest) -> twin::RangeResponse;
        put(pb::PutRequest) -> twin::PutResponse;
        delete_range(pb::DeleteRangeRequest) -> twin::DeleteRangeResponse;
        txn(pb::TxnRequest) -> twin::TxnResponse;
        compact(pb::CompactionRequest) -> pb::CompactionResponse;
    }

    async fn range_stream(
        &self,
        request: Request<pb::RangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        let caller = metadata::caller(request.metadata().as_ref());
        let mut call = self.calls.range_stream.begin();
        call.received();
        self.service.admit_stream(&caller).map_err(|error| call.failed(error))?;
        let replies = self.service.range_stream(&caller, request.into_inner()).await;
        let replies = replies.map_err(|error| call.failed(error))?;
        Ok(Response::new(ReplyStream::new(replies, &self.service, caller, call)))
    }
}
