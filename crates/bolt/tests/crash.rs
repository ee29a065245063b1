//! Power losses and failing disks: whatever is lost, a file shows the last finished commit or the
//! one that was under way, whole, and can be written to again.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use bolt::{Error, Options, Writer};
use bytes::Bytes;
use env::{Disk, OpenMode, Rng, SeededRng};
use simenv::SimDisk;
use support::{Model, fill, read_all, scale, syncs, value_len};

const PATH: &str = "/db";

fn options() -> Options {
    Options { page_size: 1024, cache_bytes: 200_000, ..Options::default() }
}

fn open(disk: &SimDisk) -> bolt::Result<Writer> {
    bolt::open(disk, Path::new(PATH), &options()).map(|(writer, _)| writer)
}

/// Changes some rows of the file and the model in the same way.
fn change(writer: &mut Writer, model: &mut Model, rng: &mut SeededRng) {
    for name in [&b"key"[..], b"meta"] {
        writer.create_bucket(name).unwrap();
        let rows = model.entry(Bytes::from_static(name)).or_default();
        for _ in 0..rng.below(30) {
            let key = Bytes::from(format!("{:03}", rng.below(300)));
            if rng.below(3) == 0 {
                rows.remove(&key);
                writer.delete(name, key).unwrap();
                continue;
            }
            let len = value_len(rng) / 10;
            let value = fill(rng, len);
            rows.insert(key.clone(), value.clone());
            writer.put(name, key, value).unwrap();
        }
    }
}

/// A disk with the commits made on it, and after how many operations each was finished.
fn workload(rng: &mut SeededRng, commits: usize) -> (SimDisk, Vec<(usize, Model)>) {
    let disk = SimDisk::new();
    // Without the usual growth the many copies of the disk stay small.
    disk.set_len_max(8 << 20);
    let mut writer = open(&disk).unwrap();
    let mut model = Model::new();
    let mut history = vec![(disk.operations(), model.clone())];
    let mut held = None;
    for commit in 0..commits {
        change(&mut writer, &mut model, rng);
        let view = writer.commit().unwrap();
        history.push((disk.operations(), model.clone()));
        if commit % 5 == 0 {
            held = Some(view);
        }
    }
    drop(held);
    (disk, history)
}

#[test]
fn a_power_loss_leaves_the_last_commit_or_the_next() {
    for seed in 0..6 * scale() {
        let mut rng = SeededRng::new(seed);
        let (disk, history) = workload(&mut rng, 15);
        for (at, crash) in disk.crashes().enumerate() {
            let left = crash.sampled(&mut rng);
            left.set_len_max(8 << 20);
            let mut writer = open(&left).unwrap_or_else(|error| panic!("{seed} {at}: {error}"));
            let found = read_all(writer.view()).unwrap();
            let done = history.iter().rposition(|(end, _)| *end <= at).unwrap_or(0);
            let fits = |index: usize| history.get(index).is_some_and(|(_, model)| *model == found);
            assert!(fits(done) || fits(done + 1), "seed {seed}, operation {at}, commit {done}");
            writer.find_free_pages().unwrap();
            assert_eq!(writer.check_invariants().unwrap(), [], "seed {seed}, operation {at}");
            let mut model = found;
            change(&mut writer, &mut model, &mut rng);
            let view = writer.commit().unwrap();
            assert_eq!(read_all(&view).unwrap(), model, "seed {seed}, operation {at}");
        }
    }
}

#[test]
fn two_losses_in_a_row_are_no_worse() {
    for seed in 100..100 + 20 * scale() {
        let mut rng = SeededRng::new(seed);
        let mut disk = SimDisk::new();
        let mut known = Model::new();
        for _ in 0..8 {
            let mut next = known.clone();
            disk.set_len_max(8 << 20);
            let mut writer = open(&disk).unwrap();
            change(&mut writer, &mut next, &mut rng);
            let before = disk.operations();
            writer.commit().unwrap();
            let at = before + rng.below((disk.operations() - before) as u64 + 1) as usize;
            drop(writer);
            let left = disk.crash(at).sampled(&mut rng);
            // What the disk holds when it starts again is all it has: later losses can't undo it.
            let content = left.content(Path::new(PATH)).unwrap();
            disk = SimDisk::new();
            disk.put_file(Path::new(PATH), &content);
            let mut writer = open(&disk).unwrap();
            writer.find_free_pages().unwrap();
            let found = read_all(writer.view()).unwrap();
            assert!(found == known || found == next, "seed {seed}");
            assert_eq!(writer.check_invariants().unwrap(), [], "seed {seed}");
            known = found;
        }
    }
}

/// Goes on with what a process left in its machine's memory, and loses power at any point of that.
fn go_on_and_lose_power(disk: &SimDisk, known: &[&Model], rng: &mut SeededRng, what: &str) {
    let mut writer = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = read_all(writer.view()).unwrap();
    assert!(known.contains(&&found), "{what}");
    disk.mark(0);
    let mut next = found.clone();
    change(&mut writer, &mut next, rng);
    writer.commit().unwrap();
    disk.mark(1);
    for (at, crash) in disk.crashes().enumerate() {
        let left = crash.sampled(rng);
        left.set_len_max(8 << 20);
        let opened = open(&left);
        let writer = opened.unwrap_or_else(|error| panic!("{what}, then behind {at}: {error}"));
        let left = read_all(writer.view()).unwrap();
        let allowed = match crash.mark() {
            None => known.contains(&&left),
            Some(0) => left == found || left == next,
            Some(_) => left == next,
        };
        assert!(allowed, "{what}, then behind {at}");
    }
}

#[test]
fn a_commit_behind_one_that_was_only_in_memory_survives_a_power_loss() {
    for seed in 0..4 * scale() {
        let mut rng = SeededRng::new(seed);
        let (disk, history) = workload(&mut rng, 6);
        let mut writer = open(&disk).unwrap();
        let before = &history.last().unwrap().1;
        let mut after = before.clone();
        change(&mut writer, &mut after, &mut rng);
        let start = disk.operations();
        writer.commit().unwrap();
        drop(writer);
        for at in start..=disk.operations() {
            let left = disk.killed(at);
            let what = format!("seed {seed}, the process ended behind {at}");
            go_on_and_lose_power(&left, &[before, &after], &mut rng, &what);
        }
    }
}

#[test]
fn a_commit_behind_one_whose_sync_failed_survives_a_power_loss() {
    let mut failed = 0;
    for seed in 0..20 * scale() {
        let mut rng = SeededRng::new(seed);
        let (disk, history) = workload(&mut rng, 4);
        let before = &history.last().unwrap().1;
        disk.set_seed(seed);
        let mut writer = open(&disk).unwrap();
        let mut after = before.clone();
        change(&mut writer, &mut after, &mut rng);
        disk.fail_after(rng.below(4), std::io::ErrorKind::Other);
        if writer.commit().is_ok() {
            continue;
        }
        failed += 1;
        drop(writer);
        let what = format!("seed {seed}");
        let rest = disk.killed(disk.operations());
        go_on_and_lose_power(&rest, &[before, &after], &mut rng, &what);
    }
    assert!(failed > 10, "only {failed} commits failed");
}

#[test]
fn the_first_write_is_all_or_nothing() {
    let made = SimDisk::new();
    drop(open(&made).unwrap());
    let whole = made.content(Path::new(PATH)).unwrap();
    for seed in 0..200 {
        let mut rng = SeededRng::new(seed);
        for at in 0..=made.operations() {
            let left = made.crash(at).sampled(&mut rng);
            // Also for a program that knows no unfinished files: none, or empty, or whole.
            let content = left.content(Path::new(PATH));
            assert!(content.is_none_or(|bytes| bytes == whole), "seed {seed}, operation {at}");
            assert!(open(&left).unwrap().view().bucket_names().next().is_none());
            assert_eq!(left.content(Path::new(PATH)).unwrap(), whole);
        }
    }
}

#[test]
fn a_torn_first_write_of_another_program_is_made_again() {
    let made = SimDisk::new();
    drop(open(&made).unwrap());
    let whole = made.content(Path::new(PATH)).unwrap();
    let mut rng = SeededRng::new(7);
    for _ in 0..300 {
        let mut torn = whole.clone();
        for sector in torn.chunks_mut(512) {
            if rng.below(2) == 0 {
                sector.fill(0);
            }
        }
        torn.truncate(rng.below(whole.len() as u64 + 1) as usize / 512 * 512);
        let disk = SimDisk::new();
        disk.set_len_max(8 << 20);
        disk.put_file(Path::new(PATH), &torn);
        let mut writer = open(&disk).unwrap();
        writer.create_bucket(b"key").unwrap();
        writer.commit().unwrap();
    }
}

#[test]
fn a_small_file_with_other_content_is_not_written_over() {
    let mut rng = SeededRng::new(8);
    for len in [1, 500, 2048, 4096] {
        let content = fill(&mut rng, len).to_vec();
        let disk = SimDisk::new();
        disk.put_file(Path::new(PATH), &content.clone());
        let before = disk.writes();
        assert!(matches!(open(&disk), Err(Error::Corrupted { offset: 0.., .. })));
        assert_eq!(disk.content(Path::new(PATH)).unwrap(), content);
        assert_eq!(disk.writes(), before);
    }
}

#[test]
fn a_failing_disk_poisons_the_writer_and_spares_the_state() {
    for operations in 0..4 {
        let mut rng = SeededRng::new(operations);
        let (disk, history) = workload(&mut rng, 3);
        let mut writer = open(&disk).unwrap_or_else(|error| panic!("{error}"));
        let view = writer.view().clone();
        let mut model = history.last().unwrap().1.clone();
        change(&mut writer, &mut model, &mut rng);
        // A commit of this size writes pages (one or more calls), syncs, writes the meta page, syncs.
        disk.fail_after(operations, std::io::ErrorKind::Other);
        assert!(matches!(writer.commit(), Err(Error::Io { .. })), "{operations}");
        let put = writer.put(b"key", Bytes::from("a"), Bytes::new());
        assert!(matches!(put, Err(Error::Poisoned)));
        assert!(matches!(writer.delete(b"key", Bytes::from("a")), Err(Error::Poisoned)));
        assert!(matches!(writer.create_bucket(b"x"), Err(Error::Poisoned)));
        assert!(matches!(writer.delete_bucket(b"key"), Err(Error::Poisoned)));
        assert!(matches!(writer.prepare(), Err(Error::Poisoned)));
        assert_eq!(read_all(&view).unwrap(), history.last().unwrap().1);
    }
}

#[test]
fn a_prepared_commit_is_not_there_before_it_is_finished() {
    let mut rng = SeededRng::new(1);
    let (disk, history) = workload(&mut rng, 3);
    let before = &history.last().unwrap().1;
    let mut writer = open(&disk).unwrap();
    let mut model = before.clone();
    change(&mut writer, &mut model, &mut rng);
    let synced = syncs(&disk);
    let prepared = writer.prepare().unwrap();
    assert_eq!(syncs(&disk), synced + 1);
    let left = disk.crash(disk.operations()).sampled(&mut rng);
    assert_eq!(read_all(open(&left).unwrap().view()).unwrap(), *before);
    assert!(matches!(writer.prepare(), Err(Error::Poisoned)));
    let view = prepared.finish(&mut writer).unwrap();
    assert_eq!(syncs(&disk), synced + 2);
    assert_eq!(read_all(&view).unwrap(), model);
    writer.put(b"key", Bytes::from("more"), Bytes::new()).unwrap();
    let prepared = writer.prepare().unwrap();
    drop(prepared);
    assert!(matches!(writer.commit(), Err(Error::Poisoned)));
    drop((writer, view));
    assert_eq!(read_all(open(&disk).unwrap().view()).unwrap(), model);
}

#[test]
fn pages_are_written_in_order_with_few_calls() {
    let disk = SimDisk::new();
    let mut writer = open(&disk).unwrap();
    writer.create_bucket(b"key").unwrap();
    for number in 0..2000u64 {
        let key = Bytes::from(number.to_be_bytes().to_vec());
        writer.put(b"key", key, Bytes::from(vec![1; 100])).unwrap();
    }
    let before = disk.writes().len();
    writer.commit().unwrap();
    let writes = disk.writes().split_off(before);
    assert!(writes.len() <= 3, "{writes:?}");
    let (meta, pages) = writes.split_last().unwrap();
    assert_eq!(*meta, (0, 1024));
    assert!(pages.is_sorted(), "{writes:?}");
}

#[test]
fn a_full_disk_gets_a_file_no_longer_than_needed() {
    let disk = SimDisk::new();
    let mut writer = open(&disk).unwrap();
    writer.create_bucket(b"key").unwrap();
    let mut number = 0u32;
    let mut put = |writer: &mut Writer| {
        number += 1;
        let key = Bytes::from(number.to_be_bytes().to_vec());
        writer.put(b"key", key, Bytes::from(vec![1; 3000])).unwrap();
    };
    put(&mut writer);
    let view = writer.commit().unwrap();
    let len = |disk: &SimDisk| disk.content(Path::new(PATH)).unwrap().len() as u64;
    assert_eq!(len(&disk), view.size_bytes() + (16 << 20));
    disk.set_len_max((17 << 20) + 4096);
    while writer.view().size_bytes() <= 16 << 20 {
        (0..200).for_each(|_| put(&mut writer));
        writer.commit().unwrap();
    }
    assert_eq!(len(&disk), writer.view().size_bytes());
    for _ in 0..1000 {
        put(&mut writer);
    }
    let Err(Error::Io { source, .. }) = writer.commit() else { panic!("there is no room") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn one_opener_at_a_time() {
    let disk = SimDisk::new();
    let writer = open(&disk).unwrap();
    assert!(matches!(open(&disk), Err(Error::Locked { .. })));
    let read = bolt::open_read_only(&disk, Path::new(PATH), &options());
    assert!(matches!(read, Err(Error::Locked { .. })));
    let view = writer.view().clone();
    drop(writer);
    assert!(matches!(open(&disk), Err(Error::Locked { .. })), "a view still reads the file");
    drop(view);
    open(&disk).unwrap();
}

#[test]
fn a_file_being_made_by_another_is_locked() {
    let disk = SimDisk::new();
    let aside = disk.open(Path::new("/db.tmp.init"), OpenMode::Create).unwrap();
    assert!(aside.try_lock(env::Lock::FlockExclusive).unwrap());
    assert!(matches!(open(&disk), Err(Error::Locked { .. })));
    drop(aside);
    open(&disk).unwrap();
}

#[test]
fn without_syncs_nothing_is_synced() {
    let disk = SimDisk::new();
    let options = Options { sync: bolt::Sync::Off, ..options() };
    let (mut writer, _) = bolt::open(&disk, Path::new(PATH), &options).unwrap();
    change(&mut writer, &mut BTreeMap::new(), &mut SeededRng::new(1));
    writer.commit().unwrap();
    assert_eq!(syncs(&disk), 0);
}
