//! Spreads writers of one metric over several cache lines.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many cache lines a counter uses.
pub const SHARDS: usize = 8;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
}

/// The shard of the calling thread, below `count`.
pub fn mine(count: usize) -> usize {
    MINE.with(Cell::get) % count
}

/// One number with its cache line (two, since processors fetch them in pairs).
#[derive(Default)]
#[repr(align(128))]
pub struct Padded(pub AtomicU64);

/// Adds to a float that is kept as its bits.
pub fn add_float(cell: &AtomicU64, value: f64) {
    let mut bits = cell.load(Ordering::Relaxed);
    loop {
        let sum = (f64::from_bits(bits) + value).to_bits();
        match cell.compare_exchange_weak(bits, sum, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(found) => bits = found,
        }
    }
}
