//! A copy of a state into a new file without free pages: the work of a defragmentation.
//!
//! Goes bucket by bucket in key order, in transactions of bounded size, so that it can be done in
//! steps between other work. Knows nothing of what happens to the source meanwhile: whoever swaps
//! the files brings later changes over first.
//!
//! Invariant: memory stays below a transaction's bytes and the window of one sweep.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use env::Disk;

use crate::error::{Error, Result};
use crate::open::open;
use crate::options::{Fill, Options, Sync};
use crate::page::Page;
use crate::sweep::{Footprint, Sweep};
use crate::view::View;
use crate::writer::Writer;

/// Keys of a transaction (etcd `defragLimit`).
const KEYS_PER_STEP: usize = 10_000;
/// Bytes of a transaction, unless a single page run has more.
const BYTES_PER_STEP: usize = 8 << 20;

/// Whether there is more to copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Call [`Compaction::step`] again.
    More,
    /// All is copied.
    Done,
}

/// A copy under way.
pub struct Compaction {
    source: View,
    writer: Writer,
    sync: Sync,
    /// Buckets to come, the next one last.
    names: Vec<Bytes>,
    current: Option<(Bytes, Sweep)>,
    /// What was read so far: a page met twice is damage, and must not become two sound ones.
    footprint: Footprint,
}

impl Compaction {
    /// Begins a copy of a state at a path; a file that is there is removed. The file is not synced
    /// before [`finish`](Self::finish).
    ///
    /// # Errors
    /// When the new file cannot be made.
    pub fn start(source: View, disk: &dyn Disk, path: &Path, options: &Options) -> Result<Self> {
        let failed = |source| Error::io(path, "remove", source);
        if disk.exists(path).map_err(failed)? {
            disk.remove_file(path).map_err(failed)?;
        }
        let unsynced = Options { sync: Sync::Off, ..options.clone() };
        let (writer, _) = open(disk, path, &unsynced)?;
        let names = source.buckets().keys().rev().cloned().collect();
        let footprint = Footprint::new(&source);
        Ok(Self { source, writer, sync: options.sync, names, current: None, footprint })
    }

    /// Copies one transaction's worth of keys.
    ///
    /// # Errors
    /// When the source cannot be read or is damaged, or the copy cannot be written.
    pub fn step(&mut self) -> Result<Progress> {
        let (mut keys, mut bytes) = (0, 0);
        while keys < KEYS_PER_STEP && bytes < BYTES_PER_STEP {
            let Some((name, leaf)) = self.next_leaf()? else {
                self.writer.commit()?;
                return Ok(Progress::Done);
            };
            for index in 0..leaf.count() {
                let (key, value) = (leaf.shared_key(index), leaf.shared_value(index));
                self.writer.put(&name, key, value)?;
            }
            keys += leaf.count();
            bytes += leaf.len();
        }
        self.writer.commit()?;
        Ok(Progress::More)
    }

    fn next_leaf(&mut self) -> Result<Option<(Bytes, Arc<Page>)>> {
        loop {
            if let Some((name, sweep)) = &mut self.current {
                if let Some(leaf) = sweep.next()? {
                    self.footprint.add(&self.source, leaf.run())?;
                    return Ok(Some((name.clone(), leaf)));
                }
                self.footprint.add_branches(&self.source, sweep)?;
                self.current = None;
            }
            let Some(name) = self.names.pop() else { return Ok(None) };
            let sequence = self.source.buckets().get(&name).map_or(0, |bucket| bucket.sequence);
            self.writer.create_bucket_at(&name, sequence)?;
            self.writer.set_fill(&name, Fill::SEQUENTIAL);
            let sweep = Sweep::of_bucket(&self.source, &name)?;
            self.current = Some((name, sweep));
        }
    }

    /// Makes the copy durable and hands it over. Its writer splits pages as a new one does.
    ///
    /// # Errors
    /// When the copy cannot be synced.
    pub fn finish(self) -> Result<(Writer, View)> {
        let mut writer = self.writer;
        writer.fills.clear();
        writer.sync = self.sync;
        if self.sync == Sync::Required {
            writer.file.sync()?;
        }
        let view = writer.view().clone();
        Ok((writer, view))
    }
}

/// Copies a state into a new file in one go: [`Compaction`] step by step.
///
/// # Errors
/// As [`Compaction::step`].
pub fn compact_to(
    view: &View,
    disk: &dyn Disk,
    path: &Path,
    options: &Options,
) -> Result<(Writer, View)> {
    let mut compaction = Compaction::start(view.clone(), disk, path, options)?;
    while compaction.step()? == Progress::More {}
    compaction.finish()
}
