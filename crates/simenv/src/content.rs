//! A file's bytes: only blocks that were written take memory, and copies share them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What a disk writes whole or not at all.
pub const SECTOR: u64 = 512;

const BLOCK: usize = 4096;

/// See the module. Invariant: no block lies wholly behind `len`, and bytes behind `len` are zero.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Content {
    len: u64,
    blocks: BTreeMap<u64, Arc<[u8; BLOCK]>>,
    /// Space up to here was asked for.
    reserved: u64,
}

impl Content {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        for (index, chunk) in bytes.chunks(BLOCK).enumerate() {
            if chunk.iter().any(|byte| *byte != 0) {
                content.write((index * BLOCK) as u64, chunk);
            }
        }
        content.set_len(bytes.len() as u64);
        content
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// How much of a disk it takes.
    pub(crate) fn used(&self) -> u64 {
        self.reserved.max((self.blocks.len() * BLOCK) as u64)
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.blocks.split_off(&len.div_ceil(BLOCK as u64));
            if let Some(last) = self.blocks.get_mut(&(len / BLOCK as u64)) {
                Arc::make_mut(last)[(len % BLOCK as u64) as usize..].fill(0);
            }
            self.reserved = self.reserved.min(len);
        }
        self.len = len;
    }

    /// Makes it at least so long, and its space its own.
    pub(crate) fn reserve(&mut self, len: u64) {
        self.len = self.len.max(len);
        self.reserved = self.reserved.max(len);
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (index, start) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let part = (BLOCK - start).min(bytes.len() - done);
            let block = self.blocks.entry(index).or_insert_with(|| Arc::new([0; BLOCK]));
            Arc::make_mut(block)[start..start + part].copy_from_slice(&bytes[done..done + part]);
            done += part;
        }
        if !bytes.is_empty() {
            self.len = self.len.max(offset + bytes.len() as u64);
        }
    }

    /// Fills as much of the buffer as there is; returns how much that was.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let there = self.len.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let mut done = 0;
        while done < there {
            let at = offset + done as u64;
            let (index, start) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let part = (BLOCK - start).min(there - done);
            let target = &mut buffer[done..done + part];
            match self.blocks.get(&index) {
                Some(block) => target.copy_from_slice(&block[start..start + part]),
                None => target.fill(0),
            }
            done += part;
        }
        there
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.read(0, &mut bytes);
        bytes
    }
}

/// How many sectors a range touches.
pub(crate) const fn sectors(offset: u64, len: usize) -> u64 {
    if len == 0 {
        return 0;
    }
    (offset + len as u64).div_ceil(SECTOR) - offset / SECTOR
}

#[cfg(test)]
mod tests {
    use env::{Rng, SeededRng};

    use super::*;

    #[test]
    fn it_is_like_a_vector() {
        let mut rng = SeededRng::new(1);
        let (mut content, mut plain) = (Content::default(), Vec::new());
        for _ in 0..2000 {
            let at = rng.below(30_000) as usize;
            match rng.below(4) {
                0 => {
                    content.set_len(at as u64);
                    plain.resize(at, 0);
                }
                1 => {
                    content.reserve(at as u64);
                    plain.resize(plain.len().max(at), 0);
                }
                _ => {
                    let mut bytes = vec![0; rng.below(9000) as usize + 1];
                    rng.fill(&mut bytes);
                    content.write(at as u64, &bytes);
                    plain.resize(plain.len().max(at + bytes.len()), 0);
                    plain[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
            assert_eq!(content.len(), plain.len() as u64);
            let mut part = vec![9; 5000];
            let read = content.read(at as u64, &mut part);
            assert!(part[..read] == plain[at.min(plain.len())..][..read]);
        }
        assert!(content.to_vec() == plain);
        assert_eq!(Content::of(&plain).to_vec(), plain);
    }

    #[test]
    fn sectors_are_counted_where_they_are_touched() {
        assert_eq!(sectors(0, 0), 0);
        assert_eq!(sectors(0, 512), 1);
        assert_eq!(sectors(511, 2), 2);
        assert_eq!(sectors(100, 1024), 3);
    }
}
