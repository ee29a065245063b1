//! What a power cut may leave.
//!
//! Certain is what was synced. Of each later write there may be all, nothing, its first or last
//! sectors, any sectors, or only the length that it gave the file; of other changes of a file, each
//! or not. Of a directory's names the changes up to some point are there: file systems keep a
//! journal of them. Files and directories are independent of each other.

use env::Rng;

use crate::content::{SECTOR, sectors};
use crate::disk::SimDisk;
use crate::history::{Durability, Pending, Settled, What};
use crate::tree::{Change, Id, Tree};

/// A power cut at some moment.
#[derive(Clone, Debug)]
pub struct Crash(pub(crate) Settled);

/// What is left of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    Nothing,
    All,
    /// So many sectors at its beginning.
    First(u64),
    /// All but so many sectors at its beginning.
    Behind(u64),
    /// Each with even chances.
    Some,
    /// The file is as long as the write made it, and zero there.
    Length,
}

/// Who decides what is left.
trait Fate {
    /// How many of a directory's pending changes are there.
    fn names(&mut self, count: u64) -> u64;
    /// Whether a change of a length or of space is there.
    fn kept(&mut self) -> bool;
    /// What is left of a write.
    fn write(&mut self, sectors: u64, extends: bool) -> Left;
    /// Whether a sector is there, of a write that left [`Left::Some`].
    fn sector(&mut self) -> bool;
}

impl Crash {
    /// The last note before it.
    #[must_use]
    pub const fn mark(&self) -> Option<u64> {
        self.0.mark
    }

    /// Nothing that was not synced is there.
    #[must_use]
    pub fn nothing(&self) -> SimDisk {
        self.left(&mut Always(false))
    }

    /// Everything is there.
    #[must_use]
    pub fn everything(&self) -> SimDisk {
        self.left(&mut Always(true))
    }

    /// Something is there, by chance.
    #[must_use]
    pub fn sampled(&self, rng: &mut dyn Rng) -> SimDisk {
        // Even chances for each change would hardly ever leave nearly all, or nearly nothing.
        let keep_percent = [10, 50, 90][rng.below(3) as usize];
        self.left(&mut Chance { rng, keep_percent })
    }

    /// How many images there are if a write leaves a row of its sectors: see [`nth`](Self::nth).
    #[must_use]
    pub fn choices(&self) -> u128 {
        let mut counting = Count(1);
        self.left(&mut counting);
        counting.0
    }

    /// One of all images, by its number below [`choices`](Self::choices). A write leaves all,
    /// nothing, its first or its last sectors, or only its length.
    ///
    /// # Panics
    /// When there is none of that number.
    #[must_use]
    pub fn nth(&self, number: u128) -> SimDisk {
        assert!(number < self.choices(), "there is no image {number}");
        self.left(&mut Digits(number))
    }

    fn left(&self, fate: &mut dyn Fate) -> SimDisk {
        let mut tree = self.0.durable.clone();
        for (id, pending) in &self.0.pending {
            if tree.is_dir(*id) {
                leave_names(&mut tree, *id, pending, fate);
            } else {
                leave_changes(&mut tree, *id, pending, fate);
            }
        }
        tree.forget_unnamed();
        SimDisk::of(tree)
    }
}

fn leave_names(tree: &mut Tree, dir: Id, pending: &[Pending], fate: &mut dyn Fate) {
    let durable = pending.iter().rposition(|pending| pending.state == Durability::Durable);
    let certain = durable.map_or(0, |last| last + 1);
    let kept = certain + fate.names((pending.len() - certain) as u64) as usize;
    for pending in &pending[..kept] {
        if let What::Name(naming) = &pending.what {
            tree.name(dir, naming);
        }
    }
}

fn leave_changes(tree: &mut Tree, file: Id, pending: &[Pending], fate: &mut dyn Fate) {
    for pending in pending {
        let What::Change(change) = &pending.what else { continue };
        match change {
            _ if pending.state == Durability::Durable => tree.change(file, change),
            Change::Write { offset, bytes, extends } => {
                let left = fate.write(sectors(*offset, bytes.len()), *extends);
                leave_write(tree, file, (*offset, bytes), left, fate);
            }
            Change::SetLen(_) | Change::Reserve(_) => {
                if fate.kept() {
                    tree.change(file, change);
                }
            }
        }
    }
}

fn leave_write(
    tree: &mut Tree,
    file: Id,
    (offset, bytes): (u64, &[u8]),
    left: Left,
    fate: &mut dyn Fate,
) {
    let Some(content) = tree.file_mut(file) else { return };
    // Where the sector of a number begins, in the bytes.
    let start = |sector: u64| {
        let at = (offset / SECTOR + sector) * SECTOR;
        (at.saturating_sub(offset) as usize).min(bytes.len())
    };
    match left {
        Left::Nothing => {}
        Left::All => content.write(offset, bytes),
        Left::First(count) => content.write(offset, &bytes[..start(count)]),
        Left::Behind(count) => content.write(offset + start(count) as u64, &bytes[start(count)..]),
        Left::Length => {
            let len = content.len().max(offset + bytes.len() as u64);
            content.set_len(len);
        }
        Left::Some => {
            for sector in 0..sectors(offset, bytes.len()) {
                if fate.sector() {
                    let (from, to) = (start(sector), start(sector + 1));
                    content.write(offset + from as u64, &bytes[from..to]);
                }
            }
        }
    }
}

struct Always(bool);

impl Fate for Always {
    fn names(&mut self, count: u64) -> u64 {
        if self.0 { count } else { 0 }
    }

    fn kept(&mut self) -> bool {
        self.0
    }

    fn write(&mut self, _: u64, _: bool) -> Left {
        if self.0 { Left::All } else { Left::Nothing }
    }

    fn sector(&mut self) -> bool {
        self.0
    }
}

struct Chance<'a> {
    rng: &'a mut dyn Rng,
    keep_percent: u64,
}

impl Fate for Chance<'_> {
    fn names(&mut self, count: u64) -> u64 {
        self.rng.below(count + 1)
    }

    fn kept(&mut self) -> bool {
        self.rng.below(100) < self.keep_percent
    }

    fn write(&mut self, sectors: u64, extends: bool) -> Left {
        if extends && self.rng.below(10) == 0 {
            return Left::Length;
        }
        if sectors > 1 && self.rng.below(2) == 0 {
            let count = 1 + self.rng.below(sectors - 1);
            return match self.rng.below(3) {
                0 => Left::First(count),
                1 => Left::Behind(count),
                _ => Left::Some,
            };
        }
        if self.kept() { Left::All } else { Left::Nothing }
    }

    fn sector(&mut self) -> bool {
        self.rng.below(2) == 0
    }
}

/// How many ways there are to leave a write of so many sectors.
const fn ways(sectors: u64, extends: bool) -> u64 {
    if sectors == 0 {
        return 1;
    }
    2 + 2 * (sectors - 1) + extends as u64
}

struct Count(u128);

impl Count {
    const fn times(&mut self, ways: u64) {
        self.0 = self.0.saturating_mul(ways as u128);
    }
}

impl Fate for Count {
    fn names(&mut self, count: u64) -> u64 {
        self.times(count + 1);
        0
    }

    fn kept(&mut self) -> bool {
        self.times(2);
        false
    }

    fn write(&mut self, sectors: u64, extends: bool) -> Left {
        self.times(ways(sectors, extends));
        Left::Nothing
    }

    fn sector(&mut self) -> bool {
        false
    }
}

/// A number in the mixed base that [`Count`] multiplies out.
struct Digits(u128);

impl Digits {
    const fn next(&mut self, ways: u64) -> u64 {
        let digit = self.0 % ways as u128;
        self.0 /= ways as u128;
        digit as u64
    }
}

impl Fate for Digits {
    fn names(&mut self, count: u64) -> u64 {
        self.next(count + 1)
    }

    fn kept(&mut self) -> bool {
        self.next(2) == 1
    }

    fn write(&mut self, sectors: u64, extends: bool) -> Left {
        let digit = self.next(ways(sectors, extends));
        match digit {
            0 => Left::Nothing,
            1 => Left::All,
            _ if digit <= sectors => Left::First(digit - 1),
            _ if digit < 2 * sectors => Left::Behind(digit - sectors),
            _ => Left::Length,
        }
    }

    fn sector(&mut self) -> bool {
        false
    }
}
