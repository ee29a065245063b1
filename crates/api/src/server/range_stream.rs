//! `KV.RangeStream`: a range in chunks, each from the view that is current when there is room for
//! it.
//!
//! Invariant: at most [`CHUNKS_MAX`] chunks wait for the caller; a chunk is made only when it can
//! leave at once.

use mvcc::{Counts, RangeStream};
use node::ReadKind;
use proto::access::Op;
use proto::error::Error as Known;
use proto::etcdserverpb as pb;
use proto::twin;
use tokio::sync::mpsc;
use types::KeyRange;

use crate::server::Server;
use crate::server::admit::Admitted;
use crate::server::read::failed;
use crate::{Error, Replies, check, stream};

/// How many chunks may wait for the caller. One may weigh a few times `--max-request-bytes`.
const CHUNKS_MAX: usize = 2;

type Slots = mpsc::Sender<Result<twin::RangeStreamResponse, Error>>;

pub(crate) async fn open(
    server: &Server,
    who: &Admitted,
    request: pb::RangeRequest,
) -> Result<Replies<twin::RangeStreamResponse>, Error> {
    check::range_stream(&request)?;
    if !request.serializable {
        server.node.linearize().await?;
    }
    let view = server.node.view();
    let op = Op::from(&request);
    view.auth.check_op(&who.identity, op, |lease| view.leases.keys(lease)).map_err(Known::from)?;
    drop(view);
    let keys = KeyRange::parse(request.key.clone(), request.range_end.clone());
    let chunks = RangeStream::new(request, server.settings.request_bytes_max);
    let (slots, replies) = stream::replies_of(CHUNKS_MAX);
    let ranging = Ranging { server: server.clone(), who: who.clone(), keys, chunks };
    tokio::spawn(ranging.run(slots));
    Ok(replies)
}

/// A stream under way.
struct Ranging {
    server: Server,
    who: Admitted,
    keys: KeyRange,
    chunks: RangeStream,
}

impl Ranging {
    async fn run(mut self, slots: Slots) {
        // Nobody reads any more when there is no slot to be had.
        while let Ok(slot) = slots.reserve().await {
            let chunk;
            (self, chunk) = match self.next().await {
                Ok(next) => next,
                Err(error) => return slot.send(Err(error)),
            };
            match chunk {
                Err(error) => return slot.send(Err(error)),
                Ok(None) => break,
                Ok(Some(chunk)) => slot.send(Ok(self.reply(chunk))),
            }
        }
    }

    /// The next chunk, if the caller may still see it.
    async fn next(mut self) -> Result<(Self, Result<Option<twin::RangeResponse>, Error>), Error> {
        let server = self.server.clone();
        let reading = move || {
            let view = self.server.node.view();
            let access = view.auth.access(&self.who.identity);
            let chunk = match access.read(&self.keys) {
                Ok(()) => {
                    let chunks = &mut self.chunks;
                    let chunk = self.server.timed(ReadKind::Range, || {
                        let chunk = chunks.next(&view.read)?;
                        let ranges = u64::from(chunk.is_some());
                        Ok((chunk, Counts { ranges, ..Counts::default() }))
                    });
                    chunk.map_err(|error| failed(&self.server.node, error))
                }
                Err(refusal) => Err(Known::from(refusal).into()),
            };
            (self, chunk)
        };
        server.aside(reading).await
    }

    /// The last chunk alone has a header, with the revision that all are of.
    fn reply(&self, mut chunk: twin::RangeResponse) -> twin::RangeStreamResponse {
        if let Some(header) = &mut chunk.header {
            *header = pb::ResponseHeader { revision: header.revision, ..self.server.bare_header() };
        }
        twin::RangeStreamResponse { range_response: Some(chunk) }
    }
}
