//! The two meta pages: where the newest committed state begins.
//!
//! Knows the 64 bytes of the record and its checksum, not which of two records to trust (that is
//! `open`). Invariants of a valid meta: `root < high water`, `freelist < high water` or absent.

use crate::error::Fault;
use crate::page::{HEADER_BYTES, Header, Kind, PageId, Txid, u32_at, u64_at};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// The freelist page of a file whose free pages are not written down.
const NO_FREELIST: u64 = u64::MAX;
/// Bytes of the record, checksum included.
const RECORD_BYTES: usize = 64;
/// Bytes at the start of a meta page that matter.
pub(crate) const META_BYTES: usize = HEADER_BYTES + RECORD_BYTES;
/// The smallest and the largest page size that bbolt looks for.
pub(crate) const PAGE_SIZES: std::ops::RangeInclusive<usize> = 1024..=(1024 << 14);

/// The content of a meta page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    pub(crate) page_size: u32,
    /// The root of the bucket of buckets.
    pub(crate) root: PageId,
    /// Sequence of the root bucket; kept as found.
    pub(crate) sequence: u64,
    /// The page with the list of free pages; `None` when it is to be found by a walk.
    pub(crate) freelist: Option<PageId>,
    /// The first page never allocated.
    pub(crate) high_water: u64,
    pub(crate) txid: Txid,
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Meta {
    /// Reads the record of a meta page; `page` has at least [`META_BYTES`].
    pub(crate) fn parse(page: &[u8]) -> Result<Self, Fault> {
        let body = &page[HEADER_BYTES..META_BYTES];
        if u32_at(body, 0) != MAGIC {
            let found = format!("{:#x}", u32_at(body, 0));
            return Err(Fault::new(HEADER_BYTES, "the magic number of a bbolt file", found));
        }
        if u32_at(body, 4) != VERSION {
            return Err(Fault::new(HEADER_BYTES + 4, "format version 2", u32_at(body, 4)));
        }
        if u64_at(body, 56) != checksum(&body[..56]) {
            let found = format!("{:#018x}", u64_at(body, 56));
            return Err(Fault::new(HEADER_BYTES + 56, "the checksum of the meta page", found));
        }
        let freelist = u64_at(body, 32);
        let meta = Self {
            page_size: u32_at(body, 8),
            root: PageId(u64_at(body, 16)),
            sequence: u64_at(body, 24),
            freelist: (freelist != NO_FREELIST).then_some(PageId(freelist)),
            high_water: u64_at(body, 40),
            txid: Txid(u64_at(body, 48)),
        };
        meta.check()?;
        Ok(meta)
    }

    /// Refuses what no writer can mean, checksum or not.
    fn check(&self) -> Result<(), Fault> {
        let size = self.page_size as usize;
        if !is_page_size(size) {
            return Err(Fault::new(HEADER_BYTES + 8, "a power of two as page size", size));
        }
        let inside = |id: PageId| id.0 >= 2 && id.0 < self.high_water;
        if !inside(self.root) {
            let expected = format!("a root page below {}", self.high_water);
            return Err(Fault::new(HEADER_BYTES + 16, expected, self.root));
        }
        if let Some(id) = self.freelist.filter(|id| !inside(*id)) {
            let expected = format!("a freelist page below {}", self.high_water);
            return Err(Fault::new(HEADER_BYTES + 32, expected, id));
        }
        if self.txid.0 == u64::MAX || self.high_water.checked_mul(size as u64).is_none() {
            return Err(Fault::new(HEADER_BYTES + 40, "numbers that can grow", "their maximum"));
        }
        Ok(())
    }

    /// The page that this transaction writes.
    pub(crate) const fn page_id(&self) -> PageId {
        PageId(self.txid.0 % 2)
    }

    /// The whole meta page at its position.
    pub(crate) fn page(&self) -> Vec<u8> {
        self.page_at(self.page_id())
    }

    /// The whole meta page with a given id.
    pub(crate) fn page_at(&self, id: PageId) -> Vec<u8> {
        let mut page = vec![0; self.page_size as usize];
        Header { id, kind: Kind::Meta, count: 0, overflow: 0 }.write(&mut page);
        let body = &mut page[HEADER_BYTES..META_BYTES];
        body[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        body[4..8].copy_from_slice(&VERSION.to_le_bytes());
        body[8..12].copy_from_slice(&self.page_size.to_le_bytes());
        body[16..24].copy_from_slice(&self.root.0.to_le_bytes());
        body[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        let freelist = self.freelist.map_or(NO_FREELIST, |id| id.0);
        body[32..40].copy_from_slice(&freelist.to_le_bytes());
        body[40..48].copy_from_slice(&self.high_water.to_le_bytes());
        body[48..56].copy_from_slice(&self.txid.0.to_le_bytes());
        let sum = checksum(&body[..56]);
        body[56..64].copy_from_slice(&sum.to_le_bytes());
        page
    }
}

/// Whether the format knows pages of this many bytes.
pub(crate) fn is_page_size(bytes: usize) -> bool {
    bytes.is_power_of_two() && PAGE_SIZES.contains(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta = Meta {
        page_size: 4096,
        root: PageId(3),
        sequence: 0,
        freelist: None,
        high_water: 4,
        txid: Txid(7),
    };

    #[test]
    fn the_checksum_is_fnv_1a() {
        assert_eq!(checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_meta_page_reads_back() {
        for freelist in [None, Some(PageId(2))] {
            let meta = Meta { freelist, ..META };
            assert_eq!(Meta::parse(&meta.page()).unwrap(), meta);
        }
        assert_eq!(META.page_id(), PageId(1));
    }

    #[test]
    fn any_flipped_bit_of_the_record_is_noticed() {
        let page = META.page();
        for bit in HEADER_BYTES * 8..META_BYTES * 8 {
            let mut damaged = page.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::parse(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_root_outside_the_file_is_refused() {
        for root in [0, 1, 4, u64::MAX] {
            assert!(Meta::parse(&Meta { root: PageId(root), ..META }.page()).is_err(), "{root}");
        }
        assert!(Meta::parse(&Meta { freelist: Some(PageId(4)), ..META }.page()).is_err());
    }
}
