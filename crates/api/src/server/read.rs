//! Reads from views: with the caller's rights, and off the network threads when they are large.
//!
//! Invariants: permission is asked of the view that is read; no view outlives a read, and none is
//! held across an await; at most [`LARGE_READS_AT_ONCE`] large reads are under way.

use std::sync::Arc;

use ::auth::Identity;
use mvcc::{Counts, ReadView};
use node::{Node, ReadKind};
use proto::access::{Access, Kind, Op, accesses};
use proto::error::{Code, Error as Known};
use proto::etcdserverpb::RangeRequest;
use proto::etcdserverpb::range_request::SortTarget;
use tokio::sync::Semaphore;
use types::KeyRange;

use crate::Error;
use crate::server::Server;
use crate::server::admit::Admitted;

/// How many large reads are carried out at the same time: each may hold a large answer.
pub(crate) const LARGE_READS_AT_ONCE: usize = 16;
/// How many keys a read may look at on a network thread.
const KEYS_INLINE_MAX: i64 = 1000;

/// What reads a request from a view, with the store's operations that it took.
type Run<R, T> = fn(&ReadView, &R) -> mvcc::Result<(T, Counts)>;

impl Server {
    /// Answers a request that only reads, from the newest view.
    pub(crate) async fn read<R, T>(
        &self,
        who: &Admitted,
        kind: ReadKind,
        request: &Arc<R>,
        run: Run<R, T>,
    ) -> Result<T, Error>
    where
        R: Send + Sync + 'static,
        T: Send + 'static,
        for<'a> Op<'a>: From<&'a R>,
    {
        let is_large = is_large(&self.node.view().read, Op::from(&**request));
        let answer = if is_large {
            let (server, identity) = (self.clone(), who.identity.clone());
            let request = Arc::clone(request);
            self.aside(move || read_now(&server, &identity, kind, &*request, run)).await?
        } else {
            read_now(self, &who.identity, kind, &**request, run)
        };
        self.check_unchanged(who)?;
        answer
    }

    /// Reads from the store, and counts what that took.
    pub(crate) fn timed<T>(
        &self,
        kind: ReadKind,
        read: impl FnOnce() -> mvcc::Result<(T, Counts)>,
    ) -> mvcc::Result<T> {
        let start = self.node.now();
        let answer = read();
        let metrics = self.node.metrics();
        if kind == ReadKind::Range {
            metrics.requests.ranged(self.node.now().since(start), answer.is_ok());
        }
        let (answer, counts) = answer?;
        metrics.store.count(counts);
        Ok(answer)
    }

    /// Runs a large read off the network threads, with a limited number of others.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        blocking(&self.node, &self.large_reads, work).await
    }

    /// What was read is not shown if users or roles changed meanwhile: it may not be the caller's
    /// to see any more.
    pub(crate) fn check_unchanged(&self, who: &Admitted) -> Result<(), Error> {
        let known = who.identity.revision;
        if known != 0 && known != self.node.view().auth.revision() {
            return Err(Known::AuthOldRevision.into());
        }
        Ok(())
    }
}

/// Runs what takes its time on a thread of its own, once there is a place for it. The place stays
/// taken until the work is done, also when nobody waits for it any more.
pub(crate) async fn blocking<T: Send + 'static>(
    node: &Node,
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(|_| Error::from(Known::Stopped))?;
    let working = node.blocking(move || {
        let result = work();
        drop(place);
        result
    });
    // Without a result the runtime is going down.
    working.await.ok_or_else(|| Known::Stopped.into())
}

fn read_now<R, T>(
    server: &Server,
    who: &Identity,
    kind: ReadKind,
    request: &R,
    run: Run<R, T>,
) -> Result<T, Error>
where
    for<'a> Op<'a>: From<&'a R>,
{
    let view = server.node.view();
    let op = Op::from(request);
    view.auth.check_op(who, op, |lease| view.leases.keys(lease)).map_err(Known::from)?;
    server.timed(kind, || run(&view.read, request)).map_err(|error| failed(&server.node, error))
}

/// The answer to a read that failed: the caller's mistake, or a file that cannot be read.
pub(crate) fn failed(node: &Node, error: mvcc::Error) -> Error {
    match error.answer() {
        Some(known) => known.into(),
        None => unreadable(node, &error),
    }
}

/// The answer when the database cannot be read, which ends the member: what it would answer to the
/// next one is not known, and others of its cluster have the data.
pub(crate) fn unreadable(node: &Node, error: &dyn std::error::Error) -> Error {
    node.fail(format!("read the database: {error}"));
    Error::new(Code::Unknown, error.to_string())
}

/// Whether a request looks at too many keys for a thread that others wait for.
fn is_large(view: &ReadView, op: Op<'_>) -> bool {
    let mut keys = 0;
    accesses(op).any(|access| {
        keys += keys_visited(view, &access);
        keys > KEYS_INLINE_MAX
    })
}

/// At most so many keys are looked at.
fn keys_visited(view: &ReadView, access: &Access<'_>) -> i64 {
    if matches!(access.range, KeyRange::Key(_)) {
        return 1;
    }
    let (revision, limit) = match access.kind {
        Kind::Range(range) => (range.revision, limit(range)),
        _ => (0, None),
    };
    if 0 < revision && revision < view.revision() {
        // How many keys there were cannot be told without looking at those that changed since.
        return KEYS_INLINE_MAX + 1;
    }
    // A revision that cannot be read is refused before anything is looked at.
    let keys = view.count(&access.range, revision).unwrap_or(0);
    limit.map_or(keys, |limit| keys.min(limit))
}

/// How many keys are enough for a range; `None` if all have to be looked at.
fn limit(range: &RangeRequest) -> Option<i64> {
    if range.count_only {
        return Some(1);
    }
    let filters = [
        range.min_mod_revision,
        range.max_mod_revision,
        range.min_create_revision,
        range.max_create_revision,
    ];
    let in_order = range.sort_target() == SortTarget::Key && filters == [0; 4];
    (in_order && range.limit > 0).then_some(range.limit)
}
