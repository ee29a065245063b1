//! `etcdserverpb.Lease`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::{Caller, Service};
use proto::etcdserverpb as pb;
use telemetry::Counter;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::adapter::{Adapter, unary};
use crate::calls::Call;
use crate::edge::reworded;
use crate::grpc::etcdserverpb::lease_server::Lease;
use crate::metadata;
use crate::status::status;
use crate::stream::cut;
use crate::traffic::Traffic;

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
        let caller = metadata::caller(request.metadata().as_ref());
        let mut call = self.calls.lease_keep_alive.begin();
        self.service.admit_stream(&caller).map_err(|error| call.failed(error))?;
        let (sender, answers) = mpsc::channel(KEEP_ALIVES_MAX);
        let requests = Requests {
            stream: request.into_inner(),
            receipts: call.receipts(),
            traffic: Arc::clone(&self.traffic),
        };
        tokio::spawn(keep_alive(Arc::clone(&self.service), caller, requests, sender));
        Ok(Response::new(KeepAlives { answers, call }))
    }
}

/// Answers as tonic takes them.
pub(crate) struct KeepAlives {
    answers: mpsc::Receiver<Result<pb::LeaseKeepAliveResponse, Status>>,
    call: Call,
}

/// The caller's messages, counted.
struct Requests {
    stream: Streaming<pb::LeaseKeepAliveRequest>,
    receipts: Counter,
    traffic: Arc<Traffic>,
}

impl Requests {
    async fn next(&mut self) -> Option<Result<pb::LeaseKeepAliveRequest, Status>> {
        let request = self.stream.next().await;
        match &request {
            Some(Ok(_)) => self.receipts.inc(),
            Some(Err(status)) => self.traffic.receive_failed(status, "lease-keepalive"),
            None => {}
        }
        request
    }
}

impl Stream for KeepAlives {
    type Item = Result<pb::LeaseKeepAliveResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let answer = self.answers.poll_recv(context);
        Poll::Ready(match std::task::ready!(answer) {
            Some(Ok(answer)) => {
                self.call.sent();
                Some(Ok(answer))
            }
            Some(Err(status)) => Some(Err(self.call.refused(status))),
            None => {
                self.call.succeeded();
                None
            }
        })
    }
}

async fn keep_alive<S: Service>(
    service: Arc<S>,
    caller: Caller,
    mut requests: Requests,
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
