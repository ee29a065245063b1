//! The index against a plain map of histories, at every revision and over compactions.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use env::{Rng, SeededRng};
use types::{KeyRange, Revision};

use super::{Direction, Entry, Index, Loader};

/// The index done naively: every key's entries, oldest first.
#[derive(Clone, Default)]
struct Model {
    keys: BTreeMap<Vec<u8>, Vec<Entry>>,
}

impl Model {
    fn newest(&self, key: &[u8], at: i64) -> Option<Entry> {
        newest(self.keys.get(key)?, at)
    }

    fn range(&self, range: &KeyRange, at: i64) -> Vec<(Vec<u8>, Entry)> {
        let shown = |(key, entries): (&Vec<u8>, &Vec<Entry>)| {
            let entry = newest(entries, at).filter(Entry::is_live)?;
            Some((key.clone(), entry))
        };
        self.keys.iter().filter(|(key, _)| range.contains(key)).filter_map(shown).collect()
    }

    fn put(&mut self, key: &[u8], revision: Revision) -> Entry {
        let entries = self.keys.entry(key.to_vec()).or_default();
        let entry = match entries.last() {
            Some(last) if last.is_live() => {
                Entry { version: last.version + 1, create: last.create, ..Entry::created(revision) }
            }
            _ => Entry::created(revision),
        };
        entries.push(entry);
        entry
    }

    fn delete(&mut self, key: &[u8], revision: Revision) {
        self.keys.get_mut(key).unwrap().push(Entry::tombstone(revision));
    }

    fn compact(&mut self, at: i64) {
        self.keys.retain(|_, entries| {
            if let Some(newest) = entries.iter().rposition(|entry| entry.revision.main <= at) {
                let past = !entries[newest].is_live() && entries[newest].revision.main < at;
                entries.drain(..newest + usize::from(past));
            }
            !entries.is_empty()
        });
    }
}

fn newest(entries: &[Entry], at: i64) -> Option<Entry> {
    entries.iter().rev().find(|entry| entry.revision.main <= at).copied()
}

/// What keys a run uses.
struct Keys {
    prefixes: Vec<Vec<u8>>,
    suffixes: u64,
}

impl Keys {
    fn random(rng: &mut SeededRng, suffixes: u64) -> Self {
        let lens = [0, 1, 3, 20, 300];
        let prefix = |rng: &mut SeededRng| {
            let len = lens[rng.below(lens.len() as u64) as usize];
            let letter = b'a' + rng.below(3) as u8;
            vec![letter; len]
        };
        Self { prefixes: (0..4).map(|_| prefix(rng)).collect(), suffixes }
    }

    fn pick(&self, rng: &mut SeededRng) -> Vec<u8> {
        let mut key = self.prefixes[rng.below(self.prefixes.len() as u64) as usize].clone();
        let suffix = rng.below(self.suffixes);
        // A few keys of another length in between, and ones that end another's prefix.
        match suffix % 7 {
            0 => key.extend_from_slice(&(suffix as u16).to_be_bytes()),
            1 if suffix < 40 => key.truncate(suffix as usize / 7 + 1),
            _ => key.extend_from_slice(format!("{suffix:05}").as_bytes()),
        }
        if key.is_empty() { vec![0] } else { key }
    }

    fn range(&self, rng: &mut SeededRng) -> KeyRange {
        let (start, end) = (Bytes::from(self.pick(rng)), Bytes::from(self.pick(rng)));
        match rng.below(5) {
            0 => KeyRange::Key(start),
            1 => KeyRange::From(start),
            2 => KeyRange::All,
            _ => KeyRange::Range(start, end),
        }
    }
}

/// An index beside its model.
struct Run {
    seed: u64,
    rng: SeededRng,
    keys: Keys,
    index: Index,
    model: Model,
    revision: i64,
    compacted: i64,
    /// Older states with what they have to stay like.
    snapshots: Vec<(Index, Model)>,
}

impl Run {
    fn new(seed: u64, suffixes: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        let keys = Keys::random(&mut rng, suffixes);
        Self {
            seed,
            rng,
            keys,
            index: Index::default(),
            model: Model::default(),
            revision: 1,
            compacted: -1,
            snapshots: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.rng.below(40) {
            0 => {
                let at = self.compacted.max(0) + 1;
                let at = at + self.rng.below((self.revision - at + 1).max(1) as u64) as i64;
                self.model.compact(at);
                self.compacted = at;
                self.compact();
            }
            1 => self.snapshots.push((self.index.clone(), self.model.clone())),
            2 => _ = self.snapshots.pop(),
            _ => self.transaction(),
        }
    }

    /// In slices: what can be seen is the same after each.
    fn compact(&mut self) {
        let leaves = [1, 10, 40][self.rng.below(3) as usize];
        while !self.index.is_compacted(self.compacted) {
            self.index.compact(self.compacted, leaves);
            self.index.check_invariants();
            self.compare();
        }
    }

    fn transaction(&mut self) {
        self.revision += 1;
        let mut sub = 0;
        for _ in 0..=self.rng.below(4) {
            let revision = |sub| Revision::new(self.revision, sub);
            if self.rng.below(4) > 0 {
                let key = self.keys.pick(&mut self.rng);
                let found = self.index.put(&key, revision(sub));
                assert_eq!(found, self.model.put(&key, revision(sub)), "seed {}", self.seed);
                sub += 1;
                continue;
            }
            let range = match self.rng.below(10) {
                0 => self.keys.range(&mut self.rng),
                _ => KeyRange::Key(self.keys.pick(&mut self.rng).into()),
            };
            let doomed = self.model.range(&range, self.revision);
            let doomed: Vec<Vec<u8>> = doomed.into_iter().map(|(key, _)| key).collect();
            if doomed.is_empty() {
                continue;
            }
            self.index.delete(&doomed, revision(sub));
            for key in doomed {
                self.model.delete(&key, revision(sub));
                sub += 1;
            }
        }
    }

    /// Asks a few questions of every kind.
    fn compare(&mut self) {
        let oldest = self.compacted.max(0);
        let at = oldest + self.rng.below((self.revision - oldest + 1) as u64) as i64;
        let at = if self.rng.below(3) == 0 { self.revision } else { at };
        let key = self.keys.pick(&mut self.rng);
        let seed = self.seed;
        // A deletion that a compaction is to remove may still be there.
        let newest = self.index.newest(&key, at);
        let newest = newest.filter(|entry| entry.is_live() || entry.revision.main >= oldest);
        assert_eq!(newest, self.model.newest(&key, at), "seed {seed}");
        let range = self.keys.range(&mut self.rng);
        let expected = self.model.range(&range, at);
        let count = self.index.count(&range, at);
        assert_eq!(count, expected.len() as i64, "seed {seed}: {range:?} at {at}");
        let limit = 1 + self.rng.below(2 * expected.len() as u64 + 1) as usize;
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut expected = expected.clone();
            if direction == Direction::Descending {
                expected.reverse();
            }
            expected.truncate(limit);
            let found = page(&self.index, &range, at, direction, limit);
            assert_eq!(found, expected, "seed {seed}: {range:?} at {at} {direction:?}");
        }
    }

    fn finish(&self) {
        let seed = self.seed;
        self.index.check_invariants();
        assert_eq!(self.index.dump(), dump(&self.model), "seed {seed}");
        assert_eq!(self.index.live(), self.model.range(&KeyRange::All, i64::MAX).len() as i64);
        for (index, model) in &self.snapshots {
            index.check_invariants();
            assert_eq!(index.dump(), dump(model), "seed {seed}: a snapshot has changed");
        }
        let oldest = self.compacted.max(0);
        for at in [oldest, self.revision] {
            let entries = self.model.keys.values();
            let any = entries.clone().any(|entries| newest(entries, at).is_some());
            assert_eq!(self.index.has_any(at), any, "seed {seed}");
            let live = entries.clone().any(|all| newest(all, at).is_some_and(|e| e.is_live()));
            assert_eq!(self.index.has_live(at), live, "seed {seed}");
        }
        let loaded = load(&self.model);
        loaded.check_invariants();
        assert_eq!(loaded.dump(), self.index.dump(), "seed {seed}: loaded");
    }
}

fn page(
    index: &Index,
    range: &KeyRange,
    at: i64,
    direction: Direction,
    limit: usize,
) -> Vec<(Vec<u8>, Entry)> {
    let mut found = Vec::new();
    index.visit(range, at, direction, &mut |key, entry| {
        found.push((key.to_vec(), entry));
        if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found
}

fn dump(model: &Model) -> Vec<(Vec<u8>, Vec<Entry>)> {
    let newest_first = |entries: &Vec<Entry>| entries.iter().rev().copied().collect();
    model.keys.iter().map(|(key, entries)| (key.clone(), newest_first(entries))).collect()
}

/// The index of a file with the model's records.
fn load(model: &Model) -> Index {
    let mut records: Vec<(&Vec<u8>, Entry)> = Vec::new();
    for (key, entries) in &model.keys {
        records.extend(entries.iter().map(|entry| (key, *entry)));
    }
    records.sort_by_key(|(_, entry)| entry.revision);
    let mut loader = Loader::default();
    for (key, entry) in records {
        match entry.is_live() {
            true => loader.put(key, entry),
            false => loader.tombstone(key, entry.revision),
        }
    }
    loader.finish()
}

/// How many times as many runs as usual: for long runs by hand.
fn scale() -> u64 {
    std::env::var("OXETCD_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

#[test]
fn small_runs_agree_with_the_model() {
    for seed in 0..700 * scale() {
        let mut run = Run::new(seed, 1 + seed % 60);
        for _ in 0..80 {
            run.step();
            run.compare();
        }
        run.finish();
    }
}

#[test]
fn large_runs_agree_with_the_model() {
    for seed in 0..6 * scale() {
        let mut run = Run::new(1_000_000 + seed, [500, 5000][seed as usize % 2]);
        for step in 0..4000 {
            run.step();
            if step % 50 == 0 {
                run.compare();
            }
        }
        run.finish();
    }
}

#[test]
fn few_keys_with_long_histories_agree_with_the_model() {
    for seed in 0..4 * scale() {
        let mut run = Run::new(2_000_000 + seed, 2);
        for step in 0..6000 {
            match run.rng.below(3000) {
                0 => run.step(),
                _ => run.transaction(),
            }
            if step % 10 == 0 {
                run.compare();
            }
        }
        run.finish();
        let at = run.revision - 1000;
        run.index.compact(at, usize::MAX);
        run.model.compact(at);
        run.compacted = at;
        run.finish();
    }
}

#[test]
fn a_deletion_at_the_compact_revision_stays_until_the_next() {
    let mut index = Index::default();
    index.put(b"key", Revision::new(2, 0));
    index.delete(&[b"key"], Revision::new(3, 0));
    index.put(b"other", Revision::new(4, 0));
    index.compact(3, usize::MAX);
    assert_eq!(index.newest(b"key", 3), Some(Entry::tombstone(Revision::new(3, 0))));
    assert_eq!(index.get(b"key", 3), None);
    index.compact(4, usize::MAX);
    assert_eq!(index.newest(b"key", 4), None);
    assert_eq!(index.count(&KeyRange::All, 4), 1);
}

#[test]
fn versions_and_creations_start_anew_after_a_deletion() {
    let mut index = Index::default();
    index.put(b"key", Revision::new(2, 0));
    index.put(b"key", Revision::new(3, 0));
    index.delete(&[b"key"], Revision::new(4, 0));
    let entry = index.put(b"key", Revision::new(5, 1));
    assert_eq!((entry.create, entry.version), (5, 1));
    let before = index.get(b"key", 3).unwrap();
    assert_eq!((before.create, before.version), (2, 2));
    assert_eq!(index.get(b"key", 4), None);
    assert_eq!(index.get(b"key", 1), None);
}

#[test]
fn a_loaded_key_keeps_what_its_first_record_says() {
    let mut loader = Loader::default();
    let first = Entry { create: 3, version: 7, ..Entry::created(Revision::new(9, 0)) };
    loader.put(b"key", first);
    loader.put(b"key", Entry::created(Revision::new(12, 2)));
    loader.tombstone(b"gone", Revision::new(13, 0));
    loader.tombstone(b"gone", Revision::new(14, 0));
    let index = loader.finish();
    let entry = index.get(b"key", 12).unwrap();
    assert_eq!((entry.create, entry.version), (3, 8));
    assert_eq!(index.get(b"key", 9), Some(first));
    assert_eq!(index.newest(b"gone", 20), Some(Entry::tombstone(Revision::new(13, 0))));
    index.check_invariants();
}

/// Design: at most 60 bytes for a key of 20 bytes that was written once.
#[test]
fn a_key_of_20_bytes_costs_at_most_60() {
    let mut rng = SeededRng::new(7);
    let mut index = Index::default();
    let count = 20_000;
    for main in 0..count {
        // Random keys have hardly a prefix in common: the costliest case.
        let mut key = [0; 20];
        rng.fill(&mut key);
        index.put(&key, Revision::new(1_000_000_000 + main, 0));
    }
    let each = index.heap_bytes() as f64 / count as f64;
    assert!(each <= 60.0, "{each} bytes per key");
    assert!(each >= 20.0, "{each} bytes per key are less than the key");
}

#[test]
fn a_key_with_many_revisions_costs_a_few_bytes_each() {
    let mut index = Index::default();
    for main in 2..100_002 {
        index.put(b"key", Revision::new(main, 0));
    }
    index.check_invariants();
    let each = index.heap_bytes() / 100_000;
    assert!(each < 16, "{each} bytes per revision");
    assert_eq!(index.get(b"key", 50_000).map(|entry| entry.revision.main), Some(50_000));
    index.compact(100_001, usize::MAX);
    assert!(index.heap_bytes() < 500);
}

#[test]
fn a_compacted_tree_is_not_wider_than_its_keys_need() {
    let mut index = Index::default();
    for main in 0..20_000_i64 {
        index.put(format!("{main:08}").as_bytes(), Revision::new(main + 2, 0));
    }
    for main in 0..20_000_i64 {
        if main % 100 > 0 {
            index.delete(&[format!("{main:08}")], Revision::new(main + 30_000, 0));
        }
    }
    index.compact(60_000, usize::MAX);
    index.check_invariants();
    assert_eq!(index.live(), 200);
    assert!(index.heap_bytes() / 200 < 60, "{} bytes", index.heap_bytes());
}

#[test]
fn changes_copy_one_path_and_compactions_only_what_loses_something() {
    let mut index = Index::default();
    for main in 0..20_000_i64 {
        index.put(format!("{main:08}").as_bytes(), Revision::new(main + 2, 0));
    }
    let depth = index.depth();
    let before = index.clone();
    index.put(b"00007000", Revision::new(30_000, 0));
    assert_eq!(index.nodes_not_in(&before), depth);
    let overwritten = index.clone();
    index.compact(29_999, usize::MAX);
    assert_eq!(index.nodes_not_in(&overwritten), 0);
    index.compact(30_000, usize::MAX);
    assert_eq!(index.nodes_not_in(&overwritten), depth);
    index.check_invariants();
}
