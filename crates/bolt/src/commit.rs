//! The two halves of a commit.
//!
//! Order on the disk: grow, pages in ascending order, sync, meta page, sync. Between the syncs a
//! crash keeps the old state; a meta page is never written before all it names is durable.
//!
//! Invariants: `txid == base txid + 1`; the meta page written is the one that does not hold the
//! base state.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;

use crate::bucket::{self, Bucket, Root};
use crate::error::Result;
use crate::free_pages;
use crate::meta::Meta;
use crate::options::{Fill, Sync};
use crate::page::{Page, PageId, Txid};
use crate::sweep::Run;
use crate::transaction::{Edit, Fresh, Transaction};
use crate::view::{Buckets, View};
use crate::writer::{Change, Phase, Writer};

/// How much a file grows beyond what is needed, so that not every commit has to
/// (bbolt `DefaultAllocSize`).
pub(crate) const GROWTH_BYTES: u64 = 16 << 20;

/// A commit whose pages are on the disk and whose meta page is not. Dropped unfinished it leaves
/// the file as it was and the writer useless.
#[must_use = "nothing is committed before `finish`"]
#[derive(Debug)]
pub struct Prepared {
    /// `None`: nothing changes.
    state: Option<NewState>,
}

#[derive(Debug)]
struct NewState {
    meta: Meta,
    buckets: Buckets,
    /// Branch pages, to be found in the cache by the first readers.
    branches: Vec<Arc<Page>>,
    allocated: Vec<PageId>,
    freed: Vec<Run>,
}

impl Prepared {
    /// Builds, writes and syncs the pages of the writer's changes.
    pub(crate) fn write(writer: &mut Writer) -> Result<Self> {
        if writer.changes.is_empty() {
            return Ok(Self { state: None });
        }
        free_pages::find(writer)?;
        let Some((mut state, fresh)) = build(writer)? else {
            return Ok(Self { state: None });
        };
        state.branches = parse_branches(writer, &fresh)?;
        grow(writer, state.meta.high_water)?;
        write_pages(writer, &fresh)?;
        if env::planted!("pages-after-meta") {
            return Ok(Self { state: Some(state) });
        }
        if writer.sync == Sync::Required {
            writer.file.sync()?;
        }
        Ok(Self { state: Some(state) })
    }

    /// The transaction that this becomes; `None` when nothing changes.
    #[must_use]
    pub fn txid(&self) -> Option<Txid> {
        self.state.as_ref().map(|state| state.meta.txid)
    }

    /// The second half: writes the meta page and syncs it. With the writer that prepared it.
    ///
    /// # Errors
    /// When the file cannot be written or synced: it may then hold either state, and the writer is
    /// of no use.
    ///
    /// # Panics
    /// With another writer.
    pub fn finish(self, writer: &mut Writer) -> Result<View> {
        assert!(writer.phase == Phase::Committing, "a commit is finished by its own writer");
        let Some(state) = self.state else {
            writer.changes.clear();
            writer.phase = Phase::Open;
            return Ok(writer.view.clone());
        };
        let base = writer.view.txid();
        assert!(state.meta.txid.0 == base.0 + 1, "a commit is finished by its own writer");
        let page = state.meta.page();
        writer.file.write(state.meta.page_id(), &[IoSlice::new(&page)])?;
        if writer.sync == Sync::Required {
            writer.file.sync()?;
        }
        publish(writer, state)
    }
}

/// Makes the committed state the newest one.
fn publish(writer: &mut Writer, state: NewState) -> Result<View> {
    let file = Arc::clone(&writer.file);
    for branch in &state.branches {
        file.cache().insert(branch);
    }
    let txid = state.meta.txid;
    let view = View::new(Arc::clone(&file), state.meta, state.buckets);
    if let Some(freelist) = &mut writer.freelist {
        let freed = freelist.freed(txid, state.freed, &file.live());
        freed.map_err(|page| free_pages::freed_twice(&writer.view, page))?;
        freelist.allocated(txid, state.allocated);
        view.set_free_pages(freelist.free_pages());
    }
    writer.view = view.clone();
    writer.changes.clear();
    writer.phase = Phase::Open;
    Ok(view)
}

/// Merges the changes into the trees; `None` if they change nothing.
fn build(writer: &mut Writer) -> Result<Option<(NewState, Vec<Fresh>)>> {
    let base = writer.view.clone();
    let Some(freelist) = &mut writer.freelist else { return Ok(None) };
    freelist.release(&base.file().live()).map_err(|page| free_pages::freed_twice(&base, page))?;
    let mut transaction = Transaction::new(&base, freelist);
    let mut buckets = base.buckets().clone();
    let mut root_edits = Vec::new();
    for (name, change) in &writer.changes {
        let fill = writer.fills.get(name).copied().unwrap_or(Fill::HALF);
        let Some(value) = rebuild(&mut transaction, &base, name, change, fill)? else { continue };
        match &value {
            Some((_, bucket)) => buckets.insert(name.clone(), Arc::clone(bucket)),
            None => buckets.remove(name),
        };
        let value = value.map(|(value, _)| value);
        root_edits.push(Edit { key: name.clone(), value, is_bucket: true });
    }
    let top = base.load(base.meta().root)?;
    let Some(node) = transaction.update(Some(&top), &root_edits, Fill::HALF)? else {
        return Ok(None);
    };
    let root = transaction.write_tree(node, Fill::HALF)?;
    let Transaction { high_water, fresh, mut freed, .. } = transaction;
    freed.extend(free_pages::persisted_list(&base)?.map(|list| list.run));
    let meta =
        Meta { root, freelist: None, high_water, txid: Txid(base.txid().0 + 1), ..*base.meta() };
    let allocated = fresh.iter().map(|fresh| fresh.id).collect();
    Ok(Some((NewState { meta, buckets, branches: Vec::new(), allocated, freed }, fresh)))
}

/// What the root tree is to say of a bucket, if that changes: its new value, or that it is gone.
type Outcome = Option<Option<(Bytes, Arc<Bucket>)>>;

fn rebuild(
    transaction: &mut Transaction<'_>,
    base: &View,
    name: &Bytes,
    change: &Change,
    fill: Fill,
) -> Result<Outcome> {
    if change.drops_committed {
        transaction.free_bucket(name)?;
    }
    if !change.exists {
        return Ok(change.drops_committed.then_some(None));
    }
    let committed = base.buckets().get(name).filter(|_| !change.drops_committed);
    let sequence = committed.map_or(change.sequence, |bucket| bucket.sequence);
    let top = match committed {
        Some(_) => base.top(name)?,
        None => None,
    };
    let edit = |(key, value): (&Bytes, &Option<Bytes>)| Edit {
        key: key.clone(),
        value: value.clone(),
        is_bucket: false,
    };
    let edits: Vec<Edit> = change.edits.iter().map(edit).collect();
    let Some(node) = transaction.update(top, &edits, fill)? else { return Ok(None) };
    if node.fits_inline(base.page_size()) {
        let value = node.encode_inline(sequence);
        let bucket =
            Bucket::parse(&value).map_err(|fault| base.file().damaged(base.meta().root, fault))?;
        return Ok(Some(Some((value, Arc::new(bucket)))));
    }
    let root = transaction.write_tree(node, fill)?;
    let value = Bytes::copy_from_slice(&bucket::header(root, sequence));
    let bucket = Bucket::new(Root::Page(root), sequence);
    Ok(Some(Some((value, Arc::new(bucket)))))
}

/// Parsing what was just made also proves it well-formed before anything of it is written.
fn parse_branches(writer: &Writer, fresh: &[Fresh]) -> Result<Vec<Arc<Page>>> {
    let mut branches = Vec::new();
    for run in fresh {
        let page = Page::parse(run.bytes.clone(), run.id)
            .map_err(|fault| writer.file.damaged(run.id, fault))?;
        if !page.is_leaf() {
            branches.push(Arc::new(page));
        }
    }
    Ok(branches)
}

fn grow(writer: &mut Writer, high_water: u64) -> Result<()> {
    let needed = high_water * writer.file.page_size() as u64;
    if needed > writer.file_bytes {
        writer.file.grow(needed, needed + GROWTH_BYTES)?;
        writer.file_bytes = writer.file.len()?;
    }
    Ok(())
}

/// Writes the runs in ascending order, neighbours with one call.
fn write_pages(writer: &Writer, fresh: &[Fresh]) -> Result<()> {
    let mut runs: Vec<&Fresh> = fresh.iter().collect();
    runs.sort_by_key(|run| run.id);
    let page_size = writer.file.page_size() as u64;
    let end = |run: &Fresh| run.id.0 + run.bytes.len() as u64 / page_size;
    for group in runs.chunk_by(|run, next| end(run) == next.id.0) {
        let buffers: Vec<IoSlice<'_>> = group.iter().map(|run| IoSlice::new(&run.bytes)).collect();
        writer.file.write(group[0].id, &buffers)?;
    }
    Ok(())
}
