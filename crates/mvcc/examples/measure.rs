//! What the store costs in time on a processor, with a million keys of 20 bytes and values of 64 (another number of keys as
//! the argument): memory per key, writes, pages of ranges now and long ago, restore, compaction.
//!
//! `cargo run --release -p mvcc --example measure [keys]`
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use backend::{Backend, Committer, Options, Position};
use env::{Clock, Disk, RealClock, RealDisk, Rng, SeededRng};
use mvcc::{ReadView, Restored, Slice, Store};
use proto::etcdserverpb::{PutRequest, RangeRequest};
use types::{Index, Term};

struct Bench {
    backend: Backend,
    committer: Committer,
    store: Store,
    applied: u64,
    committing: Duration,
}

fn key(number: u64) -> Vec<u8> {
    // Spread over the whole range, so that writes hit leaves at random.
    format!("key/{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes()
}

impl Bench {
    fn commit(&mut self) {
        let start = cpu();
        self.applied += 1;
        let position =
            Position { index: Index(self.applied), term: Term(1), ..Position::default() };
        self.committer.prepare(self.backend.freeze(position)).unwrap();
        let done = self.committer.finish().unwrap();
        self.backend.committed(done);
        self.committing += cpu() - start;
    }

    /// Writes keys; a view is published each time after so many.
    fn put(&mut self, numbers: impl Iterator<Item = u64>, batch: usize) -> Duration {
        let start = cpu();
        let before = self.committing;
        let value = vec![b'v'; 64];
        let mut published = Vec::new();
        for (count, number) in numbers.enumerate() {
            if count % batch == 0 {
                published = vec![self.store.view(&self.backend)];
            }
            let request = PutRequest {
                key: key(number).into(),
                value: value.clone().into(),
                ..PutRequest::default()
            };
            self.store.put(&mut self.backend, &request, &|_| true).unwrap();
            if self.backend.is_commit_due() {
                published.clear();
                self.commit();
            }
        }
        drop(published);
        let total = cpu() - start;
        total - (self.committing - before)
    }

    fn view(&self) -> ReadView {
        self.store.view(&self.backend)
    }

    fn range(&self, name: &str, request: &RangeRequest) {
        let view = self.view();
        let count = view.range(request).unwrap().count;
        let clock = RealClock::new();
        let round = || {
            let start = clock.now();
            view.range(request).unwrap();
            clock.now().since(start)
        };
        let best = (0..200).map(|_| round()).min().unwrap();
        println!("{name:<40} {best:>10.1?} at best   count {count}");
    }
}

/// How long this thread has run on a processor, which other load hardly changes.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}

fn open(options: &Options) -> Bench {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (backend, committer) = backend::open(disk, options.clone()).unwrap();
    let before = resident_mib();
    let start = cpu();
    let Restored { store, .. } = Store::restore(backend.last_committed()).unwrap();
    let took = cpu() - start;
    let applied = backend.last_committed().position().index.get();
    println!(
        "restore: {} keys in {took:.1?}, resident {before:.0} -> {:.0} MiB",
        store.view(&backend).live_keys(),
        resident_mib()
    );
    Bench { backend, committer, store, applied, committing: Duration::ZERO }
}

fn main() {
    let keys: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("mvcc-measure-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let options = Options::new(folder.join("db"));
    let mut bench = open(&options);

    let took = bench.put(0..keys, 1000);
    println!("put {keys} new keys: {:.2?} each without commits", took / keys as u32);
    println!("commits took {:.1?} together", bench.committing);
    let bytes = bench.view().index_bytes();
    println!("index: {:.1} bytes per key", bytes as f64 / keys as f64);
    let mut rng = SeededRng::new(1);
    let mut random = move || rng.below(keys);
    let few = 20_000;
    for batch in [1, 1000] {
        let took = bench.put((0..few).map(|_| random()), batch);
        println!("overwrite, a view after every {batch}: {:.2?} each", took / few as u32);
    }
    bench.commit();

    let all = RangeRequest { key: "\0".into(), range_end: "\0".into(), ..RangeRequest::default() };
    let old = bench.store.revision();
    let page = |limit| RangeRequest { limit, ..all.clone() };
    bench.range("limit=1", &page(1));
    bench.range("limit=500", &page(500));
    bench.range("limit=500 keys_only", &RangeRequest { keys_only: true, ..page(500) });
    let descending = RangeRequest { sort_order: 2, ..page(500) };
    bench.range("limit=500 descending", &descending);
    bench.range("count_only", &RangeRequest { count_only: true, ..all.clone() });

    println!("100,000 overwrites and 1,000 creates later:");
    bench.put((0..100_000).map(|_| random()), 1000);
    bench.put(keys..keys + 1000, 1000);
    bench.commit();
    bench.range("limit=1", &page(1));
    bench.range("limit=500", &page(500));
    let then = |limit| RangeRequest { revision: old, ..page(limit) };
    bench.range("limit=1 at the old revision", &then(1));
    bench.range("limit=500 at the old revision", &then(500));
    let count = RangeRequest { count_only: true, ..then(0) };
    bench.range("count_only at the old revision", &count);
    let bytes = bench.view().index_bytes();
    println!("index: {:.1} bytes per key", bytes as f64 / keys as f64);

    let start = cpu();
    let order = bench.store.compact(&mut bench.backend, bench.store.revision()).unwrap();
    let (mut slices, mut longest) = (1, Duration::ZERO);
    let mut slice_start = cpu();
    while bench.store.compact_index(&order, 32) == Slice::More {
        slices += 1;
        longest = longest.max(cpu() - slice_start);
        slice_start = cpu();
    }
    let took = cpu() - start;
    println!("compaction of the index: {took:.1?} in {slices} slices, {longest:.1?} at most");
    let mut compaction = bench.store.begin_compaction(order);
    bench.commit();
    let start = cpu();
    let (mut steps, mut deleted) = (0, 0);
    loop {
        let step = compaction.step(&mut bench.committer, 1000).unwrap();
        bench.backend.committed(step.done);
        steps += 1;
        deleted += step.deleted;
        if !step.more {
            break;
        }
    }
    let took = cpu() - start;
    println!("compaction of the file: {deleted} records in {steps} steps, {took:.1?}");
    drop(compaction);
    drop(bench);
    open(&options);
    std::fs::remove_dir_all(&folder).unwrap();
}
