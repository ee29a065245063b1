//! Random work against a model of sorted maps: every view shows its own transaction, for as long as
//! it lives, and every page is in use, kept for a view, or free.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use bolt::{Fill, Options, View, Writer};
use bytes::Bytes;
use env::{Rng, SeededRng};
use simenv::SimDisk;
use support::{Model, fill, read_all, scale, scan_all, value_len};

const PATH: &str = "/db";
const BUCKETS: [&[u8]; 4] = [b"alarm", b"key", b"lease", b"meta"];

struct Run {
    rng: SeededRng,
    disk: SimDisk,
    options: Options,
    writer: Option<Writer>,
    committed: Model,
    working: Model,
    held: Vec<(View, Model)>,
    sequence: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        let page_size = [1024, 4096, 4096, 16384][rng.below(4) as usize];
        let cache_bytes = [0, 100_000, 8 << 20][rng.below(3) as usize];
        let options = Options { page_size, cache_bytes, ..Options::default() };
        let disk = SimDisk::new();
        let mut run = Self {
            rng,
            disk,
            options,
            writer: None,
            committed: Model::new(),
            working: Model::new(),
            held: Vec::new(),
            sequence: 0,
        };
        run.reopen();
        run
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().expect("it was opened")
    }

    fn reopen(&mut self) {
        self.held.clear();
        self.writer = None;
        let opened = bolt::open(&self.disk, Path::new(PATH), &self.options);
        let (mut writer, view) = opened.expect("open");
        if self.rng.below(2) == 0 {
            for name in BUCKETS {
                let footprint = view.scan(name, |_, _| Ok::<(), bolt::Error>(())).expect("scan");
                writer.learn(footprint);
            }
        }
        if self.rng.below(2) == 0 {
            writer.set_fill(b"key", Fill::SEQUENTIAL);
        }
        self.working = self.committed.clone();
        self.writer = Some(writer);
    }

    fn key(&mut self) -> Bytes {
        let number = self.rng.below(3000);
        let pad = if number.is_multiple_of(97) { 700 } else { (number % 23) as usize };
        Bytes::from(format!("{number:04}{:pad$}", ""))
    }

    /// Work on one bucket, of one kind for a while, as real work comes.
    fn work(&mut self, operations: u64) {
        let name = BUCKETS[self.rng.below(4) as usize];
        let kind = self.rng.below(4);
        self.writer().create_bucket(name).expect("create");
        self.working.entry(Bytes::from_static(name)).or_default();
        for _ in 0..operations {
            let rows = self.working.get_mut(name).expect("it was created");
            let old = rows.keys().nth(self.rng.below(rows.len() as u64) as usize).cloned();
            match (kind, old) {
                (0 | 1, Some(old)) if kind == 0 || self.rng.below(3) == 0 => {
                    rows.remove(&old);
                    self.writer().delete(name, old).expect("delete");
                }
                (3, _) => {
                    self.sequence += 1;
                    let key = Bytes::from(self.sequence.to_be_bytes().to_vec());
                    self.put(name, key);
                }
                _ => {
                    let key = self.key();
                    self.put(name, key);
                }
            }
        }
        if self.rng.below(40) == 0 {
            self.working.remove(name);
            self.writer().delete_bucket(name).expect("delete the bucket");
        }
    }

    fn put(&mut self, name: &'static [u8], key: Bytes) {
        let len = value_len(&mut self.rng);
        let value = fill(&mut self.rng, len);
        self.working.get_mut(name).expect("it was created").insert(key.clone(), value.clone());
        self.writer().put(name, key, value).expect("put");
    }

    fn commit(&mut self) {
        let view = self.writer().commit().expect("commit");
        self.committed = self.working.clone();
        assert_eq!(self.writer().check_invariants().expect("check"), []);
        self.check(&view, &self.committed.clone());
        if self.rng.below(3) == 0 {
            self.held.push((view, self.committed.clone()));
        }
        if !self.held.is_empty() && self.rng.below(3) == 0 {
            let index = self.rng.below(self.held.len() as u64) as usize;
            let (view, model) = self.held.swap_remove(index);
            self.check(&view, &model);
        }
    }

    fn check(&mut self, view: &View, model: &Model) {
        assert!(read_all(view).expect("read") == *model, "{view:?}");
        assert!(scan_all(view).expect("scan") == *model, "{view:?}");
        for (name, rows) in model {
            let mut cursor = view.cursor(name).expect("cursor");
            let mut backward = Vec::new();
            let mut entry = cursor.last().expect("last");
            while let Some(found) = entry {
                backward.push(found.shared_key());
                entry = cursor.prev().expect("prev");
            }
            assert!(rows.keys().rev().eq(&backward), "{view:?}");
            for _ in 0..20 {
                let key = self.key();
                assert_eq!(view.get(name, &key).expect("get"), rows.get(&key).cloned());
                let expected = rows.range(key.clone()..).next().map(|(key, _)| key.clone());
                let found = cursor.seek(&key).expect("seek").map(|entry| entry.shared_key());
                assert_eq!(found, expected);
            }
        }
    }
}

fn run(seed: u64, commits: u64) {
    println!("seed {seed}");
    let mut run = Run::new(seed);
    for _ in 0..commits {
        for _ in 0..=run.rng.below(3) {
            let bound = [3, 60, 500][run.rng.below(3) as usize];
            let operations = run.rng.below(bound);
            run.work(operations);
        }
        match run.rng.below(12) {
            0 => run.reopen(),
            _ => run.commit(),
        }
    }
    for (view, model) in std::mem::take(&mut run.held) {
        run.check(&view, &model);
    }
}

#[test]
fn views_show_their_own_transaction() {
    for seed in 0..5 * scale() {
        run(seed, 30);
    }
}

/// Few children per branch, and whole subtrees deleted: what is left has to be joined over several
/// levels.
#[test]
fn deep_trees_keep_their_shape() {
    for seed in 0..8 * scale() {
        println!("seed {seed}");
        let mut rng = SeededRng::new(seed);
        let disk = SimDisk::new();
        disk.set_len_max(8 << 20);
        let options = Options { page_size: 1024, ..Options::default() };
        let (mut writer, _) = bolt::open(&disk, Path::new(PATH), &options).unwrap();
        writer.create_bucket(b"key").unwrap();
        let mut rows = BTreeMap::new();
        let key = |number: u64| {
            let pad = [40, 300, 420, 900][(number * 7 % 4) as usize];
            Bytes::from(format!("{number:06}{:pad$}", ""))
        };
        for _ in 0..40 {
            let from = rng.below(600);
            let bound = [3, 40, 600][rng.below(3) as usize];
            let to = from + 1 + rng.below(bound);
            let is_delete = rng.below(3) > 0;
            for number in (from..to.min(600)).filter(|number| number % 97 != 5) {
                if is_delete {
                    rows.remove(&key(number));
                    writer.delete(b"key", key(number)).unwrap();
                } else {
                    rows.insert(key(number), Bytes::from(vec![b'v'; rng.below(9) as usize]));
                    writer.put(b"key", key(number), rows[&key(number)].clone()).unwrap();
                }
            }
            if rng.below(3) == 0 {
                continue;
            }
            let view = writer.commit().unwrap();
            assert_eq!(writer.check_invariants().unwrap(), []);
            assert!(read_all(&view).unwrap()[&b"key"[..]] == rows);
        }
    }
}
