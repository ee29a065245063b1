//! `etcdserverpb.Lease`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::{Caller, Service};
use proto::etcdserverpb as pb;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::adapter::{Adapter, unary};
use crate::edge::reworded;
use crate::grpc::etcdserverpb::lease_server::Lease;
use crate::metadata;
use crate::status::status;
use crate::stream::cut;

/// Answers that wait for a slow reader before its next keep-alive is read.
const KEEP_ALIVES_MAX: usize = 16;

#[tonic::async_trait]
impl<S: Service> Lease for Adapter<S> {
    type LeaseKeepAliveStream = KeepAlives;

    unary! {
        lease_grant(pb::LeaseGrantRequest) -> pb::LeaseGrantResponse;
        lease_revoke(pb::LeaseRevokeRequest) -> pb::LeaseRevokeResponse;
        lease_time_to_live(pb::LeaseTimeToLiveRequest) -> pb::LeaseTimeToLiveResponse;
        lease_leases(pb::LeaseLeasesRequest) -> pb::LeaseLeasesResponse;
    }

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<pb::LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let caller = metadata::caller(request.metadata());
        self.0.admit_stream(&caller).map_err(status)?;
        let (sender, receiver) = mpsc::channel(KEEP_ALIVES_MAX);
        tokio::spawn(keep_alive(Arc::clone(&self.0), caller, request.into_inner(), sender));
        Ok(Response::new(KeepAlives(receiver)))
    }
}

/// Answers as tonic takes them.
pub(crate) struct KeepAlives(mpsc::Receiver<Result<pb::LeaseKeepAliveResponse, Status>>);

impl Stream for KeepAlives {
    type Item = Result<pb::LeaseKeepAliveResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

async fn keep_alive<S: Service>(
    service: Arc<S>,
    caller: Caller,
    mut requests: Streaming<pb::LeaseKeepAliveRequest>,
    answers: mpsc::Sender<Result<pb::LeaseKeepAliveResponse, Status>>,
) {
    let mut cut = cut(&service, caller.clone());
    loop {
        let request = tokio::select! {
            request = requests.next() => request,
            status = &mut cut => Some(Err(status)),
            () = answers.closed() => return,
        };
        let answer = match request {
            None => return,
            Some(Err(status)) => Err(reworded(status)),
            Some(Ok(request)) => service.lease_keep_alive(&caller, request).await.map_err(status),
        };
        let failed = answer.is_err();
        if answers.send(answer).await.is_err() || failed {
            return;
        }
    }
}
