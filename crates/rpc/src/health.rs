//! `grpc.health.v1.Health`: whether the member serves, for the whole server and for each service.

use std::collections::BTreeMap;

use api::Service;
use proto::grpc::health::v1 as pb;
use proto::grpc::health::v1::health_check_response::ServingStatus;
use tonic::{Request, Response, Status};

use crate::adapter::Adapter;
use crate::grpc::health::health_server::Health;
use crate::stream::ReplyStream;

/// The names that are known: the server as a whole. Go's etcd registers this one alone.
const WHOLE_SERVER: &str = "";

#[tonic::async_trait]
impl<S: Service> Health for Adapter<S> {
    type WatchStream = ReplyStream<pb::HealthCheckResponse>;

    async fn check(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<pb::HealthCheckResponse>, Status> {
        let mut call = self.calls.health_check.begin();
        call.received();
        if request.get_ref().service != WHOLE_SERVER {
            return Err(call.refused(Status::not_found("unknown service")));
        }
        call.sent();
        call.succeeded();
        Ok(Response::new(self.serving()))
    }

    async fn list(
        &self,
        _: Request<pb::HealthListRequest>,
    ) -> Result<Response<pb::HealthListResponse>, Status> {
        let mut call = self.calls.health_list.begin();
        call.received();
        call.sent();
        call.succeeded();
        let statuses = BTreeMap::from([(WHOLE_SERVER.to_owned(), self.serving())]);
        Ok(Response::new(pb::HealthListResponse { statuses }))
    }

    async fn watch(
        &self,
        request: Request<pb::HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let caller = crate::metadata::caller(request.metadata().as_ref());
        let call = self.calls.health_watch.begin();
        call.received();
        let known = request.get_ref().service == WHOLE_SERVER;
        let (sender, replies) = api::replies();
        let first = if known {
            self.serving()
        } else {
            pb::HealthCheckResponse { status: ServingStatus::ServiceUnknown.into() }
        };
        // The only change is the end of the server, which cuts the stream; until then the sender
        // keeps it open.
        tokio::spawn(async move {
            if sender.send(Ok(first)).await.is_ok() {
                sender.closed().await;
            }
        });
        Ok(Response::new(ReplyStream::new(replies, &self.service, caller, call)))
    }
}

impl<S: Service> Adapter<S> {
    fn serving(&self) -> pb::HealthCheckResponse {
        let status = if self.service.health().is_defragmenting {
            ServingStatus::NotServing
        } else {
            ServingStatus::Serving
        };
        pb::HealthCheckResponse { status: status.into() }
    }
}
