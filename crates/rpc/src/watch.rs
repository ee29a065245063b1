//! `etcdserverpb.Watch`.

use std::sync::Arc;

use api::{Requests, Service};
use proto::etcdserverpb as pb;
use proto::twin;
use telemetry::Counter;
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::{Request, Response, Status, Streaming};

use crate::adapter::Adapter;
use crate::edge::reworded;
use crate::grpc::etcdserverpb::watch_server::Watch;
use crate::metadata;
use crate::stream::ReplyStream;
use crate::traffic::Traffic;

#[tonic::async_trait]
impl<S: Service> Watch for Adapter<S> {
    type WatchStream = ReplyStream<twin::WatchResponse>;

    async fn watch(
        &self,
        request: Request<Streaming<pb::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let caller = metadata::caller(request.metadata().as_ref());
        let mut call = self.calls.watch.begin();
        self.service.admit_stream(&caller).map_err(|error| call.failed(error))?;
        let opened = self.service.watch(&caller).await;
        let (requests, replies) = opened.map_err(|error| call.failed(error))?;
        let (broken, is_broken) = oneshot::channel();
        let incoming = Incoming {
            stream: request.into_inner(),
            receipts: call.receipts(),
            traffic: Arc::clone(&self.traffic),
        };
        tokio::spawn(forward(incoming, requests, broken));
        let replies = ReplyStream::new(replies, &self.service, caller, call);
        Ok(Response::new(replies.or_broken(is_broken)))
    }
}

/// The caller's messages, counted.
struct Incoming {
    stream: Streaming<pb::WatchRequest>,
    receipts: Counter,
    traffic: Arc<Traffic>,
}

/// Hands the caller's messages on until either side ends. That the caller has no more to say ends
/// nothing: its watches go on.
async fn forward(
    mut incoming: Incoming,
    requests: Requests<pb::WatchRequest>,
    broken: oneshot::Sender<Status>,
) {
    while let Some(request) = incoming.stream.next().await {
        match request {
            Ok(request) => {
                incoming.receipts.inc();
                if !requests.send(request).await {
                    return;
                }
            }
            Err(status) => {
                incoming.traffic.receive_failed(&status, "watch");
                // The caller may be gone.
                let _ = broken.send(reworded(status));
                return;
            }
        }
    }
    requests.closed().await;
}
