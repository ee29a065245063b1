//! Damaged logs: whatever the bytes, reading and opening end with an answer.
//!
//! `WAL_MUTATIONS` sets the number of damaged logs (default 1500).

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use env::{Disk, File, OpenMode, RealClock, Rng, SeededRng};
use proto::raftpb::{ConfState, Entry, HardState};
use proto::walpb::Snapshot;
use simenv::SimDisk;
use wal::{Contents, Options, Sync, Wal};

const DIR: &str = "/wal";

fn options() -> Options {
    Options { segment_bytes: 2048, ..Options::new(Arc::new(RealClock::new())) }
}

/// A log of several segments.
fn log() -> SimDisk {
    let disk = SimDisk::new();
    let mut wal =
        Wal::create(Arc::new(disk.clone()), Path::new(DIR), b"meta", options()).expect("create");
    for index in 1..=30 {
        let data = Bytes::from(vec![index as u8; index as usize * 13 % 400]);
        let entry = Entry { term: 1, index, data, ..Entry::default() };
        let state = HardState { term: 1, vote: 1, commit: index - 1 };
        wal.append(Some(state), &[entry]).expect("append");
        wal.flush(Sync::Required).expect("flush");
        if index % 10 == 0 {
            let conf_state = Some(ConfState { voters: vec![1, 2], ..ConfState::default() });
            wal.save_snapshot(&Snapshot { index, term: 1, conf_state }).expect("save");
        }
    }
    disk
}

/// A few random changes to random segments.
fn damage(disk: &SimDisk, rng: &mut SeededRng) {
    let names = disk.list(Path::new(DIR)).expect("list");
    for _ in 0..=rng.below(3) {
        let name = &names[rng.below(names.len() as u64) as usize].name;
        let path = Path::new(DIR).join(name);
        let file = disk.open(&path, OpenMode::Write).expect("open");
        damage_file(&*file, rng);
    }
}

fn damage_file(file: &dyn File, rng: &mut SeededRng) {
    let len = file.len().expect("a size");
    let at = rng.below(len.max(1));
    let mut byte = [0];
    file.read_at(&mut byte, at).expect("read");
    match rng.below(8) {
        0 => file.set_len(at).expect("cut"),
        1 => file.write_at(&[0; 512], at / 512 * 512).expect("write"),
        // A length field of any value.
        2 => {
            let field = (rng.next_u64() >> rng.below(64)).to_le_bytes();
            file.write_at(&field, at / 8 * 8).expect("write");
        }
        3 => {
            let mut garbage = vec![0; rng.below(100) as usize];
            rng.fill(&mut garbage);
            file.write_at(&garbage, at).expect("write");
        }
        _ => file.write_at(&[byte[0] ^ (1 << rng.below(8))], at).expect("write"),
    }
}

fn consecutive(contents: &Contents) -> bool {
    let first = contents.before.index.0 + 1;
    contents
        .entries
        .iter()
        .map(|entry| entry.index)
        .eq(first..first + contents.entries.len() as u64)
}

#[test]
fn any_damage_is_answered() {
    let count = std::env::var("WAL_MUTATIONS").ok().and_then(|text| text.parse().ok());
    let whole = log();
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..count.unwrap_or(1500) {
        let mut rng = SeededRng::new(seed);
        let disk = whole.crash(whole.operations()).everything();
        damage(&disk, &mut rng);
        let dir = Path::new(DIR);
        let at = Snapshot { index: rng.below(4) * 10, term: 1, conf_state: None };
        let at = if at.index == 0 { Snapshot::default() } else { at };
        let read = wal::read_only(&disk, dir, &at);
        assert!(read.is_err() || read.is_ok_and(|contents| consecutive(&contents)), "seed {seed}");
        let _ = wal::verify(&disk, dir, &at);
        let _ = wal::valid_snapshot_entries(&disk, dir);
        let Ok((mut wal, contents, _)) = Wal::recover(Arc::new(disk.clone()), dir, &at, options())
        else {
            refused += 1;
            continue;
        };
        opened += 1;
        assert!(consecutive(&contents), "seed {seed}");
        // What opens can be written, and opens again with what was written.
        let index = contents.before.index.0 + contents.entries.len() as u64 + 1;
        if wal.last_index().0 + 1 == index {
            let entry = Entry { term: 9, index, ..Entry::default() };
            wal.append(None, std::slice::from_ref(&entry)).expect("append");
            wal.flush(Sync::Required).expect("flush");
            drop(wal);
            let again = Wal::open(Arc::new(disk), dir, &at, options());
            let (_, again) = again.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(again.entries.last(), Some(&entry), "seed {seed}");
        }
    }
    println!("{opened} opened, {refused} refused");
    assert!(opened > 0 && refused > 0);
}
