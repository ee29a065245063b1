//! `Maintenance.Snapshot`: a consistent copy of the database file in chunks, its SHA-256 last.
//!
//! Invariants: the chunks are exactly the file of one committed state; a caller who does not read
//! for [`PROGRESS_MAX`] keeps nothing of the file from being used again.

use std::time::Duration;

use backend::Image;
use backend::schema::{Bucket, storage_version as row};
use bytes::{Bytes, BytesMut};
use proto::error::Code;
use proto::etcdserverpb as pb;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::server::Server;
use crate::server::admit::Admitted;
use crate::server::read::unreadable;
use crate::{Error, Replies, stream};

/// Bytes of a message (etcd's `snapshotSendBufferSize`).
const CHUNK_BYTES: usize = 32 << 10;
/// Bytes that are read at a time.
const READ_BYTES: usize = 4 * CHUNK_BYTES;
/// Messages that wait for the caller.
const MESSAGES_MAX: usize = 4;
/// How long a caller may take to read a message.
const PROGRESS_MAX: Duration = Duration::from_secs(60);

type Sender = mpsc::Sender<Result<pb::SnapshotResponse, Error>>;

pub(crate) async fn open(
    server: &Server,
    _: &Admitted,
    _: pb::SnapshotRequest,
) -> Result<Replies<pb::SnapshotResponse>, Error> {
    let state = server.node.ticket().await?.state;
    let stored = state.get(Bucket::Meta, row::KEY);
    let stored = stored.map_err(|error| unreadable(&server.node, &error))?;
    let version = stored.and_then(|stored| row::decode(&stored));
    let version = version.map_or_else(String::new, |version| version.to_string());
    let server = server.clone();
    let copy = Copy { server, image: state.image(), digest: Sha256::new(), version };
    let (sender, replies) = stream::replies_of(MESSAGES_MAX);
    tokio::spawn(async move {
        if let Err(error) = copy.send(&sender).await {
            tracing::warn!(%error, "failed to send database snapshot to client");
            // The file is let go already; this waits for a caller who may never come back.
            let _ = sender.send(Err(error)).await;
        }
    });
    Ok(replies)
}

/// A copy under way.
struct Copy {
    server: Server,
    image: Image,
    digest: Sha256,
    version: String,
}

impl Copy {
    async fn send(self, sender: &Sender) -> Result<(), Error> {
        let start = self.server.node.now();
        let version = self.version.clone();
        let total = self.image.len();
        tracing::info!("total-bytes" = total, "storage-version" = %version,
            "sending database snapshot to client");
        let mut copy = self;
        let mut left = total;
        while left > 0 {
            let block;
            (copy, block) = copy.read().await?;
            for blob in chunks(block) {
                left -= blob.len() as u64;
                if send(sender, &version, left, blob).await? == Caller::Gone {
                    return Ok(());
                }
            }
        }
        let digest = copy.digest.finalize();
        send(sender, &version, 0, Bytes::copy_from_slice(&digest)).await?;
        let node = &copy.server.node;
        node.metrics().storage.snapshot_sent(node.now().since(start));
        tracing::info!("total-bytes" = total, "storage-version" = %version,
            "successfully sent database snapshot to client");
        Ok(())
    }

    /// The next bytes of the file; never none.
    async fn read(mut self) -> Result<(Self, Bytes), Error> {
        let server = self.server.clone();
        // Made where it is let go of: the allocator keeps for a thread what others give back.
        let mut block = BytesMut::zeroed(READ_BYTES);
        let reading = move || {
            let filled = self.image.read(&mut block);
            let filled = filled.map_err(|error| unreadable(&self.server.node, &error))?;
            block.truncate(filled);
            self.digest.update(&block);
            Ok::<_, Error>((self, block.freeze()))
        };
        let (copy, block) = server.aside(reading).await??;
        if block.is_empty() {
            return Err(Error::new(Code::Internal, "the database ended before its length"));
        }
        Ok((copy, block))
    }
}

/// Whether somebody still reads.
#[derive(PartialEq, Eq)]
enum Caller {
    There,
    Gone,
}

async fn send(
    sender: &Sender,
    version: &str,
    remaining_bytes: u64,
    blob: Bytes,
) -> Result<Caller, Error> {
    let version = version.to_owned();
    let message = pb::SnapshotResponse { header: None, remaining_bytes, blob, version };
    match tokio::time::timeout(PROGRESS_MAX, sender.send(Ok(message))).await {
        Ok(Ok(())) => Ok(Caller::There),
        Ok(Err(_)) => Ok(Caller::Gone),
        Err(_) => Err(Error::new(Code::DeadlineExceeded, "the snapshot is read too slowly")),
    }
}

/// A block in messages.
fn chunks(mut block: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let size = block.len().min(CHUNK_BYTES);
        (size > 0).then(|| block.split_to(size))
    })
}
