//! The responses that a stream carries. Headers hold the revision alone.

use bytes::Bytes;
use proto::etcdserverpb::ResponseHeader;
use proto::twin::WatchResponse;

/// The id in answers that concern no single watch.
pub(crate) const NO_WATCH: i64 = -1;

fn response(revision: i64, watch_id: i64) -> WatchResponse {
    let header = ResponseHeader { revision, ..ResponseHeader::default() };
    WatchResponse { header: Some(header), watch_id, ..WatchResponse::default() }
}

pub(crate) fn created(revision: i64, watch_id: i64) -> WatchResponse {
    WatchResponse { created: true, ..response(revision, watch_id) }
}

pub(crate) fn refused(revision: i64, reason: String) -> WatchResponse {
    WatchResponse {
        created: true,
        canceled: true,
        cancel_reason: reason,
        ..response(revision, NO_WATCH)
    }
}

pub(crate) fn canceled(revision: i64, watch_id: i64) -> WatchResponse {
    WatchResponse { canceled: true, ..response(revision, watch_id) }
}

/// Its header has no revision, as in etcd: only `compact_revision` tells where to go on.
pub(crate) fn compacted(watch_id: i64, compact_revision: i64) -> WatchResponse {
    WatchResponse { canceled: true, compact_revision, ..response(0, watch_id) }
}

pub(crate) fn progress(revision: i64, watch_id: i64) -> WatchResponse {
    response(revision, watch_id)
}

pub(crate) fn events(revision: i64, watch_id: i64, events: Vec<Bytes>) -> WatchResponse {
    WatchResponse { events, ..response(revision, watch_id) }
}
