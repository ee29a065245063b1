//! A range answered in chunks, each from the view that is current when it is made, all at one
//! revision (the RPC RangeStream).
//!
//! Knows no stream: its caller asks for the next chunk when the last has left. Holds no view.
//!
//! Invariants: every key of a chunk is above those of the chunks before it; `sent <= limit`; the
//! header's revision is that of the first view.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use proto::etcdserverpb::{RangeRequest, ResponseHeader};
use proto::twin::RangeResponse;
use types::KeyRange;

use crate::range::Count;
use crate::record::Record;
use crate::{ReadView, Result};

/// How many keys the first chunk has at most.
const FIRST_CHUNK_KEYS: i64 = 10;

/// Where a stream of chunks stands.
#[derive(Clone, Debug)]
pub struct RangeStream {
    /// What is still to be read; the limit is the next chunk's.
    request: RangeRequest,
    limit: i64,
    sent: i64,
    /// The first view's revision, once there was one.
    header_revision: Option<i64>,
    chunk_bytes: usize,
    done: bool,
}

impl RangeStream {
    /// Begins a stream. Its request has neither an order nor filters: both are ignored. A target
    /// without an order sorts each chunk by itself, as in Go. Chunks grow and shrink by halves and
    /// doubles towards `chunk_bytes` (`--max-request-bytes`).
    #[must_use]
    pub fn new(request: RangeRequest, chunk_bytes: usize) -> Self {
        let limit = if request.limit > 0 { request.limit } else { i64::MAX };
        let request = RangeRequest {
            limit: FIRST_CHUNK_KEYS.min(limit),
            sort_order: 0,
            min_mod_revision: 0,
            max_mod_revision: 0,
            min_create_revision: 0,
            max_create_revision: 0,
            ..request
        };
        Self { request, limit, sent: 0, header_revision: None, chunk_bytes, done: false }
    }

    /// The next chunk, from the view that is current now; `None` when the last was given. Only the
    /// last one has a header (its revision only), `more` and `count`.
    ///
    /// # Errors
    /// As [`ReadView::range`]: what was not compacted at the last chunk may be now.
    pub fn next(&mut self, view: &ReadView) -> Result<Option<RangeResponse>> {
        if self.done {
            return Ok(None);
        }
        if self.request.count_only {
            self.done = true;
            return view.range_counting(&self.request, Count::All).map(Some);
        }
        env::fail_point!("beforeRangeStreamChunk");
        let chunk = view.range_counting(&self.request, Count::Visited)?;
        let header_revision = *self.header_revision.get_or_insert(view.revision());
        if self.request.revision <= 0 {
            self.request.revision = header_revision;
        }
        let chunk_bytes = chunk.encoded_len();
        let RangeResponse { kvs, more, .. } = chunk;
        self.sent += kvs.len() as i64;
        if let Some(last) = kvs.iter().map(|kv| key(kv)).max().filter(|_| more) {
            self.request.key = after(last);
        }
        self.done = !more || self.sent == self.limit;
        let mut answer = RangeResponse { kvs, ..RangeResponse::default() };
        if self.done {
            answer.header =
                Some(ResponseHeader { revision: header_revision, ..ResponseHeader::default() });
            answer.more = more;
            answer.count = self.sent + if more { self.remaining(view)? } else { 0 };
        } else {
            self.request.limit = self.next_limit(chunk_bytes);
        }
        Ok(Some(answer))
    }

    /// How many keys come behind what was sent.
    fn remaining(&self, view: &ReadView) -> Result<i64> {
        let RangeRequest { key, range_end, revision, .. } = &self.request;
        view.count(&KeyRange::parse(key.clone(), range_end.clone()), *revision)
    }

    /// The next chunk's limit: doubled or halved only when the last was off by more than a factor of
    /// two, so that it does not swing.
    fn next_limit(&self, chunk_bytes: usize) -> i64 {
        let last = self.request.limit;
        let next = if chunk_bytes < self.chunk_bytes / 2 {
            last.saturating_mul(2)
        } else if chunk_bytes > self.chunk_bytes.saturating_mul(2) {
            last / 2
        } else {
            last
        };
        next.max(1).min(self.limit - self.sent)
    }
}

/// A record's key.
fn key(kv: &[u8]) -> &[u8] {
    Record::parse(kv).expect("a range gives records that were read").key
}

/// The key right after another.
fn after(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}
