//! Finding the pages that nothing uses.
//!
//! etcd's files do not write their free pages down (`NoFreelistSync`); every page below the
//! high-water mark that no tree reaches is free. A list that another program wrote is read for the
//! check only: the walk is the stronger source, and heals what such a list has lost.
//!
//! Invariant: a page met twice on the walk is damage, so that no page is ever free and in use.

use crate::bitmap::Bitmap;
use crate::error::{Error, Fault, Result};
use crate::freelist::Freelist;
use crate::page::{HEADER_BYTES, Header, Kind, PageId, u64_at};
use crate::spans::Spans;
use crate::sweep::{Footprint, Run, Sweep, met_twice};
use crate::view::View;
use crate::writer::Writer;

impl Writer {
    /// Finds the free pages of a file just opened, by a walk over all buckets whose footprint was
    /// not [learned](Self::learn). The first commit does it where nobody did before; later calls
    /// do nothing.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged; it can be tried again.
    pub fn find_free_pages(&mut self) -> Result<()> {
        find(self)
    }
}

/// Fills the writer's freelist, if it has none.
pub(crate) fn find(writer: &mut Writer) -> Result<()> {
    if writer.freelist.is_some() {
        return Ok(());
    }
    let used = used_pages(&writer.view, &writer.footprints)?;
    let mut free = Spans::default();
    for gap in used.gaps(2) {
        free.add(gap).map_err(|page| freed_twice(&writer.view, page))?;
    }
    writer.view.set_free_pages(free.pages());
    writer.freelist = Some(Freelist::new(free));
    writer.footprints = Vec::new();
    Ok(())
}

/// All pages that a state uses.
fn used_pages(view: &View, footprints: &[Footprint]) -> Result<Bitmap> {
    let mut used = Footprint::new(view);
    used.pages.add(PageId(0), 2).map_err(|page| met_twice(view, page))?;
    if let Some(list) = persisted_list(view)? {
        used.add(view, list.run)?;
    }
    add_tree(&mut used, view, Sweep::of_root(view)?)?;
    for name in view.bucket_names() {
        match footprints.iter().find(|footprint| footprint.bucket == name[..]) {
            Some(known) => {
                used.pages.add_all(&known.pages).map_err(|page| met_twice(view, page))?;
            }
            None => add_tree(&mut used, view, Sweep::of_bucket(view, name)?)?,
        }
    }
    Ok(used.pages)
}

fn add_tree(used: &mut Footprint, view: &View, mut sweep: Sweep) -> Result<()> {
    while let Some(leaf) = sweep.next()? {
        used.add(view, leaf.run())?;
    }
    used.add_branches(view, &sweep)
}

/// The error for a page that became free while it was.
pub(crate) fn freed_twice(view: &View, page: PageId) -> Error {
    let found = "one that is free already";
    view.file().damaged(page, Fault::new(0, "a page in use", found))
}

/// A list of free pages that is part of a file.
#[derive(Debug)]
pub(crate) struct PersistedList {
    /// The pages of the list itself.
    pub(crate) run: Run,
    pub(crate) free: Vec<PageId>,
}

/// Reads the list, in either encoding; `None` when the file has none.
pub(crate) fn persisted_list(view: &View) -> Result<Option<PersistedList>> {
    let Some(id) = view.meta().freelist else { return Ok(None) };
    let bytes = view.file().read_run(id, view.meta().high_water)?;
    let damaged = |fault| view.file().damaged(id, fault);
    let header = Header::parse(&bytes, id).map_err(damaged)?;
    if header.kind != Kind::Freelist {
        let found = format!("{:?}", header.kind);
        return Err(damaged(Fault::new(8, "a freelist page", found)));
    }
    // A count of 0xFFFF stands for a longer one, which is then the first number.
    let (start, count) = match header.count {
        u16::MAX => (HEADER_BYTES + 8, u64_at(&bytes, HEADER_BYTES)),
        count => (HEADER_BYTES, u64::from(count)),
    };
    let room = (bytes.len() - start) as u64 / 8;
    if count > room {
        return Err(damaged(Fault::new(10, format!("at most {room} free pages"), count)));
    }
    let free = bytes[start..start + count as usize * 8].chunks_exact(8);
    let free = free.map(|word| PageId(u64_at(word, 0))).collect();
    let run = Run { start: id, pages: u64::from(header.overflow) + 1 };
    Ok(Some(PersistedList { run, free }))
}
