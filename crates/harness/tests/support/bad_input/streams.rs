//! Streams at odds with what a client does: watches with any id, half-closed streams, and floods
//! whose sender reads nothing.

use crate::support::Api;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{
    LeaseKeepAliveRequest, LeaseKeepAliveResponse, WatchCancelRequest, WatchCreateRequest,
    WatchProgressRequest, WatchRequest, WatchResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// A stream of watches.
pub struct Watches {
    requests: mpsc::Sender<WatchRequest>,
    responses: Streaming<WatchResponse>,
    marks: i64,
}

/// Watches that mark a place in the stream have ids above this.
const MARK: i64 = 1 << 40;

pub fn create(create: WatchCreateRequest) -> WatchRequest {
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

pub fn cancel(watch_id: i64) -> WatchRequest {
    let cancel = WatchCancelRequest { watch_id };
    WatchRequest { request_union: Some(RequestUnion::CancelRequest(cancel)) }
}

pub fn progress() -> WatchRequest {
    WatchRequest { request_union: Some(RequestUnion::ProgressRequest(WatchProgressRequest {})) }
}

pub fn on_key(key: &str) -> WatchCreateRequest {
    WatchCreateRequest { key: key.to_owned().into(), ..WatchCreateRequest::default() }
}

impl Watches {
    pub async fn open(api: &Api) -> Self {
        let (requests, receiver) = mpsc::channel(16);
        // Streams open with the first message.
        let opening = async {
            api.watch.clone().watch(ReceiverStream::new(receiver)).await.unwrap().into_inner()
        };
        let first = requests.send(create(on_key("the first")));
        let (responses, sent) = tokio::join!(opening, first);
        sent.unwrap();
        let mut opened = Self { requests, responses, marks: 0 };
        assert!(opened.next().await.unwrap().created);
        opened
    }

    /// Sends a message; `false` when the stream has ended.
    pub async fn send(&self, request: WatchRequest) -> bool {
        self.requests.send(request).await.is_ok()
    }

    /// The next response. A stream does not end well by itself.
    pub async fn next(&mut self) -> Result<WatchResponse, Status> {
        let next = self.responses.message().await?;
        next.ok_or_else(|| Status::aborted("the stream has ended"))
    }

    /// What a message is answered with, before anything that is sent later is.
    pub async fn answers(&mut self, request: WatchRequest) -> Vec<WatchResponse> {
        self.marks += 1;
        let watch_id = MARK + self.marks;
        let mark = WatchCreateRequest { watch_id, ..on_key("a mark") };
        assert!(self.send(request).await && self.send(create(mark)).await);
        let mut responses = Vec::new();
        loop {
            let response = self.next().await.unwrap();
            if response.created && response.watch_id == watch_id {
                return responses;
            }
            responses.push(response);
        }
    }

    /// Says that there is no more to say.
    pub fn half_close(self) -> Streaming<WatchResponse> {
        self.responses
    }
}

/// A response in words, without what differs from server to server.
pub fn in_words(response: &WatchResponse) -> String {
    let WatchResponse { watch_id, created, canceled, compact_revision, .. } = response;
    format!(
        "watch {watch_id}: created {created}, canceled {canceled} for {:?} at {compact_revision}, \
         {} events, header at {}",
        response.cancel_reason,
        response.events.len(),
        response.header.as_ref().map_or(0, |header| header.revision),
    )
}

/// Messages that a stream of watches should not carry, in the order in which they are sent.
pub fn watch_cases() -> Vec<(&'static str, WatchRequest)> {
    let id = |watch_id| create(WatchCreateRequest { watch_id, ..on_key("id") });
    let range = |key: &[u8], end: &[u8]| {
        create(WatchCreateRequest {
            key: key.to_vec().into(),
            range_end: end.to_vec().into(),
            ..WatchCreateRequest::default()
        })
    };
    let filters = |filters| create(WatchCreateRequest { filters, ..on_key("filtered") });
    let start = |start_revision| create(WatchCreateRequest { start_revision, ..on_key("start") });
    vec![
        ("any id", id(0)),
        ("an id", id(7)),
        ("the same id again", id(7)),
        ("id -1", id(-1)),
        ("id -1 again", id(-1)),
        ("the smallest id", id(i64::MIN)),
        ("the largest id", id(i64::MAX)),
        ("cancel an id", cancel(7)),
        ("cancel it again", cancel(7)),
        ("cancel an id that never was", cancel(999)),
        ("cancel -1", cancel(-1)),
        ("cancel 0", cancel(0)),
        ("the id again", id(7)),
        ("nothing", WatchRequest::default()),
        ("no key", range(b"", b"")),
        ("all", range(b"", b"\0")),
        ("zero byte as key", range(b"\0", b"")),
        ("inverted", range(b"z", b"a")),
        ("not text", range(b"\xff", b"\xff\xff")),
        ("long key", range(&vec![b'k'; 1 << 20], b"")),
        ("unknown filter", filters(vec![99])),
        ("negative filter", filters(vec![-1, 0])),
        ("all filters", filters(vec![0, 1, 0, 1])),
        ("the last revision there can be", start(i64::MAX)),
        ("a future revision", start(1000)),
    ]
}

/// Renewals of these leases, one after the other, and then no more from the sender; what comes back.
pub async fn renewals(api: &Api, ids: &[i64]) -> Result<Vec<LeaseKeepAliveResponse>, Status> {
    let requests: Vec<_> = ids.iter().map(|&id| LeaseKeepAliveRequest { id }).collect();
    let stream = tokio_stream::iter(requests);
    let mut answers = api.lease.clone().lease_keep_alive(stream).await?.into_inner();
    let mut responses = Vec::new();
    while let Some(answer) = answers.message().await? {
        responses.push(answer);
    }
    Ok(responses)
}
