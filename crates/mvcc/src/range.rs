//! Ranges: a request with every option, answered from a view as Go 3.7 answers it.
//!
//! Only records that are in the answer are read: filters, orders other than by value, counts and
//! `keys_only` need the index alone.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use bytes::Bytes;
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::{RangeRequest, ResponseHeader};
use proto::twin::RangeResponse;
use types::{KeyRange, LeaseId, RecordKey};

use crate::index::{Direction, Entry};
use crate::record::Record;
use crate::view::Found;
use crate::{ReadView, Result};

/// What an answer's `count` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Count {
    /// All keys of the range, whatever the limit.
    All,
    /// The keys that were looked at: the limit and one more at most. For a stream, which counts in
    /// the end, and whose chunks are cut in the order of keys and sorted after.
    Visited,
}

impl ReadView {
    /// Answers a range.
    ///
    /// `count` is the number of keys in the range at that revision, whatever limit and filters say;
    /// `more` tells that the limit cut something off. `keys_only` gives no leases, but for the sort
    /// target VALUE. Keys that are equal under a sort stay in the order of keys.
    ///
    /// # Errors
    /// [`Error::FutureRevision`](crate::Error::FutureRevision),
    /// [`Error::Compacted`](crate::Error::Compacted), or when the file cannot be read.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse> {
        self.range_counting(request, Count::All)
    }

    pub(crate) fn range_counting(
        &self,
        request: &RangeRequest,
        counting: Count,
    ) -> Result<RangeResponse> {
        let at = self.read_at(request.revision)?;
        let keys = KeyRange::parse(request.key.clone(), request.range_end.clone());
        let header = Some(ResponseHeader { revision: self.revision, ..ResponseHeader::default() });
        if request.count_only {
            let count = self.index.count(&keys, at);
            return Ok(RangeResponse { header, count, ..RangeResponse::default() });
        }
        let selection = Selection::of(request);
        let (mut found, visited) = self.select(&selection, &keys, at);
        let count = match (counting, visited) {
            (Count::Visited, Visited::All(count) | Visited::Limited(count))
            | (Count::All, Visited::All(count)) => count as i64,
            (Count::All, Visited::Limited(_)) => self.index.count(&keys, at),
        };
        let limit = usize::try_from(request.limit).unwrap_or(0);
        let more = limit > 0 && found.len() > limit;
        let page = if more { limit } else { found.len() };
        if counting == Count::Visited {
            found.truncate(page);
        }
        let kvs = self.page(&selection, found, page)?;
        Ok(RangeResponse { header, kvs, more, count })
    }

    /// How many keys of a range were there at a revision (0: the newest).
    ///
    /// # Errors
    /// As [`range`](Self::range), but for the file's.
    pub fn count(&self, keys: &KeyRange, revision: i64) -> Result<i64> {
        let at = self.read_at(revision)?;
        Ok(self.index.count(keys, at))
    }

    /// The keys that can be in the answer, in the order of keys in the direction of the selection.
    fn select(&self, selection: &Selection, keys: &KeyRange, at: i64) -> (Vec<Found<'_>>, Visited) {
        let mut found = Vec::new();
        let mut visited = 0;
        let mut ended = false;
        self.index.visit(keys, at, selection.direction, &mut |key, entry| {
            visited += 1;
            if selection.filter.admits(&entry) {
                found.push(Found { key, entry });
            }
            ended = selection.take.is_some_and(|most| found.len() == most);
            if ended { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (found, if ended { Visited::Limited(visited) } else { Visited::All(visited) })
    }

    /// Orders what was found and gives the first `page` of it, encoded.
    fn page(
        &self,
        selection: &Selection,
        mut found: Vec<Found<'_>>,
        page: usize,
    ) -> Result<Vec<Bytes>> {
        if let Some((SortTarget::Value, order)) = selection.sort {
            return self.page_by_value(selection, &found, order, page);
        }
        if let Some((target, order)) = selection.sort {
            found
                .sort_by(|a, b| order.apply(field(target, &a.entry).cmp(&field(target, &b.entry))));
        }
        found.truncate(page);
        if selection.keys_only {
            return Ok(found.iter().map(key_only).collect());
        }
        self.fetch(&found)
    }

    fn page_by_value(
        &self,
        selection: &Selection,
        found: &[Found<'_>],
        order: Order,
        page: usize,
    ) -> Result<Vec<Bytes>> {
        let kvs = self.fetch(found)?;
        let mut records = Vec::with_capacity(kvs.len());
        for (found, bytes) in found.iter().zip(&kvs) {
            let key = RecordKey { revision: found.entry.revision, tombstone: false };
            records.push((self.parse(key, bytes)?, bytes));
        }
        records.sort_by(|(a, _), (b, _)| order.apply(a.value.cmp(b.value)));
        records.truncate(page);
        let shown = |(record, bytes): (Record<'_>, &Bytes)| match selection.keys_only {
            true => Record { value: b"", ..record }.encode(),
            false => bytes.clone(),
        };
        Ok(records.into_iter().map(shown).collect())
    }
}

/// How many keys a selection looked at.
enum Visited {
    /// All of the range.
    All(usize),
    /// Until it had enough.
    Limited(usize),
}

/// What of a range is looked at, and in which order it is shown.
struct Selection {
    direction: Direction,
    /// How many keys are enough.
    take: Option<usize>,
    filter: Filter,
    /// Any order but that in which the keys were found.
    sort: Option<(SortTarget, Order)>,
    keys_only: bool,
}

impl Selection {
    fn of(request: &RangeRequest) -> Self {
        let (target, order) = (request.sort_target(), request.sort_order());
        let filter = Filter::of(request);
        let by_key = target == SortTarget::Key;
        let direction = match order {
            SortOrder::Descend if by_key => Direction::Descending,
            _ => Direction::Ascending,
        };
        let sort = match order {
            _ if by_key => None,
            SortOrder::Descend => Some((target, Order::Descending)),
            // No order means ascending for a target that is not the key.
            SortOrder::None | SortOrder::Ascend => Some((target, Order::Ascending)),
        };
        // One more than the limit shows whether there is more. As in Go, a target without an order
        // sorts only what the limit lets through, unless something is filtered.
        let limits = sort.is_none() || order == SortOrder::None && filter.is_open();
        let limit = usize::try_from(request.limit).unwrap_or(0);
        let take = (limits && limit > 0).then(|| limit.saturating_add(1));
        Self { direction, take, filter, sort, keys_only: request.keys_only }
    }
}

/// Bounds of revisions, inclusive; 0 is none.
struct Filter {
    min_mod: i64,
    max_mod: i64,
    min_create: i64,
    max_create: i64,
}

impl Filter {
    const fn of(request: &RangeRequest) -> Self {
        Self {
            min_mod: request.min_mod_revision,
            max_mod: request.max_mod_revision,
            min_create: request.min_create_revision,
            max_create: request.max_create_revision,
        }
    }

    const fn is_open(&self) -> bool {
        self.min_mod == 0 && self.max_mod == 0 && self.min_create == 0 && self.max_create == 0
    }

    const fn admits(&self, entry: &Entry) -> bool {
        let main = entry.revision.main;
        (self.max_mod == 0 || main <= self.max_mod)
            && (self.min_mod == 0 || main >= self.min_mod)
            && (self.max_create == 0 || entry.create <= self.max_create)
            && (self.min_create == 0 || entry.create >= self.min_create)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

impl Order {
    const fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Ascending => ordering,
            Self::Descending => ordering.reverse(),
        }
    }
}

/// What a target other than key and value sorts by.
const fn field(target: SortTarget, entry: &Entry) -> i64 {
    match target {
        SortTarget::Version => entry.version,
        SortTarget::Create => entry.create,
        SortTarget::Mod => entry.revision.main,
        SortTarget::Key | SortTarget::Value => 0,
    }
}

/// A key without value and lease.
fn key_only(found: &Found<'_>) -> Bytes {
    let Found { key, entry } = found;
    Record {
        key: &key.to_vec(),
        create_revision: entry.create,
        mod_revision: entry.revision.main,
        version: entry.version,
        value: b"",
        lease: LeaseId::NONE,
    }
    .encode()
}
