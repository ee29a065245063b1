//! `etcdserverpb.Watch`: a caller's messages to the hub, the hub's responses to the caller.
//!
//! Invariants: a watch is begun only with permission to read its range; responses leave in the
//! order of the hub; at most [`CREATES_MAX`] wishes for a watch are unanswered, and at most
//! [`RESPONSES_MAX`] responses are taken from the hub and not yet read by the caller.

use std::sync::Arc;

use bytes::Bytes;
use node::{Sent, WatchRequests, WatchStream};
use proto::error::Error as Known;
use proto::etcdserverpb::watch_create_request::FilterType;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{WatchCreateRequest, WatchRequest};
use proto::twin::WatchResponse;
use tokio::sync::{Semaphore, mpsc};
use types::KeyRange;
use watch::{Create, Filter};

use crate::server::Server;
use crate::server::admit::Rule;
use crate::{Caller, Error, Replies, Requests, stream};

/// How many responses may wait for the caller beyond those that the hub counts. One may weigh a few
/// megabytes.
const RESPONSES_MAX: usize = 4;
/// How many wishes for a watch may be unanswered before more are read.
const CREATES_MAX: usize = 1024;

type Sender = mpsc::Sender<Result<WatchResponse, Error>>;

pub(crate) fn open(
    server: &Server,
    caller: &Caller,
) -> Result<(Requests<WatchRequest>, Replies<WatchResponse>), Error> {
    server.check_member(caller, Rule::Stream)?;
    let (requests, incoming) = stream::requests();
    let (sender, replies) = stream::replies_of(RESPONSES_MAX);
    let (hub, responses) = server.node.open_watch();
    let creates = Arc::new(Semaphore::new(CREATES_MAX));
    let reader = Reader {
        server: server.clone(),
        caller: caller.clone(),
        hub,
        creates: Arc::clone(&creates),
    };
    let reading = tokio::spawn(reader.run(incoming));
    let server = server.clone();
    tokio::spawn(async move {
        forward(&server, responses, &creates, &sender).await;
        // Nobody answers any more, so nothing more is taken.
        reading.abort();
    });
    Ok((requests, replies))
}

/// Hands responses on, until the caller is gone or the hub ends the stream.
async fn forward(
    server: &Server,
    mut responses: WatchStream,
    creates: &Semaphore,
    sender: &Sender,
) {
    loop {
        // Without a slot the hub keeps, and counts, what comes next.
        let Ok(slot) = sender.reserve().await else { return };
        let response = tokio::select! {
            response = responses.next() => response,
            () = sender.closed() => return,
        };
        let Some(mut response) = response else {
            return slot.send(Err(why_ended(server).await));
        };
        if response.created {
            creates.add_permits(1);
        }
        let start = server.node.now();
        let kind = kind_of(&response);
        // As the hub has it: the answer to a watch of what is compacted has no revision.
        let revision = response.header.map_or(0, |header| header.revision);
        response.header = server.header(revision);
        slot.send(Ok(response));
        server.node.metrics().watches.sent(kind, server.node.now().since(start));
    }
}

fn kind_of(response: &WatchResponse) -> Sent {
    match response.events.len() {
        0 if response.created || response.canceled => Sent::Control,
        0 => Sent::Progress,
        events => Sent::Events(events),
    }
}

/// Why the hub gave a stream up.
async fn why_ended(server: &Server) -> Error {
    tokio::select! {
        biased;
        () = server.node.stopped() => Known::Stopped.into(),
        // The caller let answers pile up.
        () = std::future::ready(()) => Known::WatchCanceled.into(),
    }
}

/// What takes the caller's messages.
struct Reader {
    server: Server,
    caller: Caller,
    hub: WatchRequests,
    /// One for each wish for a watch that may still be made.
    creates: Arc<Semaphore>,
}

impl Reader {
    async fn run(self, mut incoming: mpsc::Receiver<WatchRequest>) {
        while let Some(request) = incoming.recv().await {
            match request.request_union {
                Some(RequestUnion::CreateRequest(create)) => {
                    let Ok(place) = self.creates.acquire().await else { return };
                    place.forget();
                    self.create(create).await;
                }
                Some(RequestUnion::CancelRequest(cancel)) => self.hub.cancel(cancel.watch_id),
                Some(RequestUnion::ProgressRequest(_)) => self.hub.progress(),
                None => tracing::info!("passed over an empty watch request"),
            }
        }
    }

    async fn create(&self, request: WatchCreateRequest) {
        if request.start_revision < 0 {
            return self.hub.refuse(Known::Compacted.text().to_owned());
        }
        let create = to_create(request);
        match self.permit(&create.range).await {
            Ok(()) => self.hub.create(create),
            Err(refusal) => self.hub.refuse(Error::from(refusal).to_string()),
        }
    }

    /// Whether the caller may read a range, asked anew for each watch, as in Go.
    async fn permit(&self, range: &KeyRange) -> Result<(), Known> {
        let permitted = async {
            let identity = self.server.identity(&self.caller).await?;
            self.server.node.view().auth.access(&identity).read(range)
        };
        permitted.await.map_err(|refusal| match refusal {
            auth::Error::InvalidAuthToken => Known::InvalidAuthToken,
            auth::Error::AuthOldRevision => Known::AuthOldRevision,
            auth::Error::UserEmpty => Known::UserEmpty,
            _ => Known::PermissionDenied,
        })
    }
}

/// The wish as the hub takes it. No key stands for the smallest there is.
fn to_create(request: WatchCreateRequest) -> Create {
    let key: &[u8] = if request.key.is_empty() { b"\0" } else { &request.key };
    // A watch lives longer than the message that its range came with.
    let own = Bytes::copy_from_slice;
    let filter = |filter: i32| match FilterType::try_from(filter) {
        Ok(FilterType::Noput) => Some(Filter::NoPut),
        Ok(FilterType::Nodelete) => Some(Filter::NoDelete),
        Err(_) => None,
    };
    Create {
        watch_id: request.watch_id,
        range: KeyRange::parse(own(key), own(&request.range_end)),
        start_revision: request.start_revision,
        filters: request.filters.into_iter().filter_map(filter).collect(),
        prev_kv: request.prev_kv,
        progress_notify: request.progress_notify,
        fragment: request.fragment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(key: &'static str, range_end: &'static str) -> KeyRange {
        let (key, range_end) = (key.into(), range_end.into());
        to_create(WatchCreateRequest { key, range_end, ..WatchCreateRequest::default() }).range
    }

    #[test]
    fn ranges_of_watches() {
        assert_eq!(range("", ""), KeyRange::Key("\0".into()));
        assert_eq!(range("", "\0"), KeyRange::All);
        assert_eq!(range("a", "\0"), KeyRange::From("a".into()));
        assert_eq!(range("", "b"), KeyRange::Range("\0".into(), "b".into()));
        assert_eq!(range("a", ""), KeyRange::Key("a".into()));
    }

    #[test]
    fn unknown_filters_filter_nothing() {
        let request = WatchCreateRequest { filters: vec![1, 7, 0], ..Default::default() };
        assert_eq!(to_create(request).filters, [Filter::NoDelete, Filter::NoPut]);
    }
}
