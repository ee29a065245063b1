//! Times of the usual work on a file of a million records, for comparison between versions:
//! `cargo run --release -p bolt --example figures -- <folder>`.
#![allow(clippy::unwrap_used, reason = "a failure ends the program")]

use std::path::Path;
use std::time::Instant;

use bolt::{Fill, Options, Sync, View, Writer};
use bytes::Bytes;
use env::{Disk, RealDisk, Rng, SeededRng};

const RECORDS: u64 = 1_000_000;
const PER_COMMIT: u64 = 10_000;

fn key(number: u64) -> Bytes {
    Bytes::from([&number.to_be_bytes()[..], b"_", &[0; 8]].concat())
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{what:48} {:9.1} ms", start.elapsed().as_secs_f64() * 1e3);
    result
}

fn open(path: &Path, sync: Sync) -> (Writer, View) {
    bolt::open(&RealDisk, path, &Options { sync, ..Options::default() }).unwrap()
}

fn fill(writer: &mut Writer) {
    writer.create_bucket(b"key").unwrap();
    writer.set_fill(b"key", Fill::SEQUENTIAL);
    for number in 0..RECORDS {
        writer.put(b"key", key(number), Bytes::from(vec![number as u8; 109])).unwrap();
        if number % PER_COMMIT == 0 {
            writer.commit().unwrap();
        }
    }
    writer.commit().unwrap();
}

fn read(view: &View) {
    let mut rng = SeededRng::new(1);
    timed("100,000 random gets", || {
        for _ in 0..100_000 {
            assert!(view.get(b"key", &key(rng.below(RECORDS))).unwrap().is_some());
        }
    });
    timed("cursor over all records", || {
        let mut cursor = view.cursor(b"key").unwrap();
        let mut rows = 0;
        while cursor.next().unwrap().is_some() {
            rows += 1;
        }
        assert_eq!(rows, RECORDS);
    });
    timed("10,000 ascending seeks", || {
        let mut cursor = view.cursor(b"key").unwrap();
        for number in (0..RECORDS).step_by(100) {
            assert!(cursor.seek(&key(number)).unwrap().is_some());
        }
    });
}

fn main() {
    let folder = std::env::args().nth(1).expect("the folder to work in");
    let path = &Path::new(&folder).join("figures.db");
    if RealDisk.exists(path).unwrap() {
        RealDisk.remove_file(path).unwrap();
    }
    let (mut writer, _) = open(path, Sync::Off);
    timed("a million appends in commits of 10,000", || fill(&mut writer));
    println!("file of {} bytes", writer.view().size_bytes());
    drop(writer);

    let (mut writer, view) = timed("open", || open(path, Sync::Required));
    let footprint = timed("scan of all records", || {
        let mut bytes = 0;
        let visit = |key: &[u8], value: &[u8]| {
            bytes += key.len() + value.len();
            Ok::<(), bolt::Error>(())
        };
        view.scan(b"key", visit).unwrap()
    });
    writer.learn(footprint);
    timed("free pages with the footprint of the scan", || writer.find_free_pages().unwrap());
    read(&view);
    drop((writer, view));

    let (mut writer, view) = open(path, Sync::Required);
    timed("free pages by a walk", || writer.find_free_pages().unwrap());
    timed("100 synced commits of 100 appends", || {
        writer.set_fill(b"key", Fill::SEQUENTIAL);
        for number in RECORDS..RECORDS + 10_000 {
            writer.put(b"key", key(number), Bytes::from(vec![1; 109])).unwrap();
            if number % 100 == 99 {
                writer.commit().unwrap();
            }
        }
    });
    timed("one synced commit of 10,000 random overwrites", || {
        let mut rng = SeededRng::new(2);
        for _ in 0..10_000 {
            writer.put(b"key", key(rng.below(RECORDS)), Bytes::from(vec![2; 109])).unwrap();
        }
        writer.commit().unwrap();
    });
    timed("check", || assert!(bolt::check(writer.view()).unwrap().is_empty()));
    let aside = path.with_extension("compact");
    timed("compaction copy", || {
        bolt::compact_to(&view, &RealDisk, &aside, &Options::default()).unwrap();
    });
    RealDisk.remove_file(&aside).unwrap();
    RealDisk.remove_file(path).unwrap();
}
