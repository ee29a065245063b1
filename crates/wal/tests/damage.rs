//! Damaged and unfinished logs on a real disk: what is repaired, and what is refused.

#[path = "support/place.rs"]
mod place;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::RealDisk;
use place::{Place, SEGMENT_BYTES, entry, options, put, records};
use proto::raftpb::HardState;
use proto::walpb::Snapshot;
use types::Index;
use wal::{Error, Options, Wal};

const SECTOR_BYTES: u64 = 512;

fn overwrite(file: &Path, bytes: &[u8], offset: u64) {
    let file = fs::OpenOptions::new().write(true).open(file).expect("open");
    file.write_all_at(bytes, offset).expect("write");
}

fn cut(file: &Path, len: u64) {
    let file = fs::OpenOptions::new().write(true).open(file).expect("open");
    file.set_len(len).expect("cut");
}

/// Each way for the last record to be unfinished: it is cut off, the file is kept, the log goes on.
#[test]
fn a_torn_end_is_repaired() {
    type Tear = fn(&Path, u64);
    let tears: [(&str, Tear); 4] = [
        ("a sector is missing", |file, at| overwrite(file, &[0; 512], (at / 512 + 2) * 512)),
        ("the file ends in the record", |file, at| {
            cut(file, at + 100);
        }),
        ("the file ends in the padding", |file, at| {
            let bytes = fs::read(file).expect("read");
            let field = &bytes[at as usize..at as usize + 8];
            let field = u64::from_le_bytes(field.try_into().expect("eight"));
            assert!(field >> 63 == 1, "there is padding");
            cut(file, at + 8 + (field & 0xffff_ffff));
        }),
        ("the file ends in the length field", |file, at| {
            cut(file, at + 5);
        }),
    ];
    for (name, tear) in tears {
        let place = Place::new("torn");
        let mut wal = place.create();
        put(&mut wal, entry(1, 1, 10));
        put(&mut wal, entry(2, 1, 3000));
        drop(wal);
        let (file, offsets) = records(&place);
        let last = *offsets.last().expect("records");
        tear(&file, last);
        let torn = fs::read(&file).expect("read");

        let opened = place.open();
        assert!(
            matches!(opened, Err(Error::Torn { offset, .. }) if offset == last),
            "{name}: {:?}",
            opened.err()
        );
        let read = wal::read_only(&RealDisk, &place.wal(), &Snapshot::default()).expect("read");
        assert_eq!(read.entries, [entry(1, 1, 10)], "{name}: a reader stops there");
        let disk = Arc::new(RealDisk);
        let (mut wal, contents, repaired) =
            Wal::recover(disk, &place.wal(), &Snapshot::default(), options()).expect("recover");
        assert_eq!(contents.entries, [entry(1, 1, 10)], "{name}");
        let repaired = repaired.expect("a repair");
        assert_eq!((&repaired.file, repaired.offset), (&file, last));
        assert_eq!(fs::read(repaired.broken).expect("read"), torn, "{name}");
        put(&mut wal, entry(2, 2, 3000));
        drop(wal);
        assert_eq!(place.open().expect("open").1.entries.len(), 2, "{name}");
        assert_eq!(wal::repair(&RealDisk, &place.wal()).expect("nothing to do"), None);
    }
}

/// Makes a log whose second entry's length field is the last of a sector.
fn with_a_length_before_a_sector(place: &Place) -> (PathBuf, u64) {
    for size in 0..SECTOR_BYTES as usize {
        let _ = fs::remove_dir_all(place.wal());
        let mut wal = place.create();
        put(&mut wal, entry(1, 1, size));
        put(&mut wal, entry(2, 1, 3000));
        drop(wal);
        let (file, offsets) = records(place);
        let last = *offsets.last().expect("records");
        if (last + 8).is_multiple_of(SECTOR_BYTES) {
            return (file, last);
        }
    }
    panic!("no size of the first entry makes it so");
}

/// A length field that was lost with the sector before the record: what is behind it was never
/// acknowledged, and must not meet later records.
#[test]
fn remains_behind_the_end_are_cleared() {
    let place = Place::new("behind");
    let (file, last) = with_a_length_before_a_sector(&place);
    let first = place.open().expect("open").1.entries.swap_remove(0);
    overwrite(&file, &[0; 8], last);
    let (mut wal, contents) = place.open().expect("open");
    assert_eq!(contents.entries.len(), 1);
    let bytes = fs::read(&file).expect("read");
    assert!(bytes[last as usize..].iter().all(|byte| *byte == 0));
    assert_eq!(bytes.len() as u64, SEGMENT_BYTES);
    put(&mut wal, entry(2, 2, 1000));
    drop(wal);
    assert_eq!(place.open().expect("open").1.entries, [first, entry(2, 2, 1000)]);
}

/// A record that is there in full was written in full: a length field that says otherwise is
/// damaged, and cutting the log off there would lose all that follows.
#[test]
fn a_whole_record_with_a_wrong_length_is_no_torn_end() {
    let place = Place::new("length");
    let mut wal = place.create();
    for (index, size) in [(1, 10), (2, 3000), (3, 11)] {
        put(&mut wal, entry(index, 1, size));
    }
    drop(wal);
    let (file, offsets) = records(&place);
    let good = fs::read(&file).expect("read");
    for &offset in offsets.iter().filter(|offset| !(*offset + 8).is_multiple_of(SECTOR_BYTES)) {
        let at = offset as usize;
        let length = u64::from_le_bytes(good[at..at + 8].try_into().expect("eight"));
        let flipped = (0..64).map(|bit| length ^ (1 << bit));
        for wrong in flipped.chain([0, 1 << 55, u64::MAX]) {
            overwrite(&file, &wrong.to_le_bytes(), offset);
            let opened = place.open().map(drop);
            let refused = matches!(&opened, Err(Error::Corrupted { file: at_file, offset: at, .. })
                if (at_file, *at) == (&file, offset));
            assert!(refused, "{wrong:#x} at {offset}: {opened:?}");
            assert!(wal::repair(&RealDisk, &place.wal()).is_err(), "{wrong:#x} at {offset}");
            overwrite(&file, &length.to_le_bytes(), offset);
            assert!(fs::read(&file).expect("read") == good, "nothing was changed");
        }
    }
}

/// A log that has lost what is known to have been in it is left as it is, also where its end looks
/// like a write that was cut short.
#[test]
fn a_log_that_ends_too_early_is_left_as_it_is() {
    let place = Place::new("short");
    let (file, last) = with_a_length_before_a_sector(&place);
    let good = fs::read(&file).expect("read");
    for lost in [vec![0; 8], vec![0; 4096]] {
        fs::write(&file, &good).expect("write");
        overwrite(&file, &lost, last);
        let left = fs::read(&file).expect("read");
        let options = Options { needed: Index(2), ..options() };
        let opened = Wal::recover(Arc::new(RealDisk), &place.wal(), &Snapshot::default(), options);
        let Err(Error::Short { file: short, offset, last: Index(1), needed: Index(2) }) = opened
        else {
            panic!("entry 2 is lost: {:?}", opened.err());
        };
        assert_eq!((&short, offset), (&file, last));
        assert!(fs::read(&file).expect("read") == left, "nothing was changed");
        assert_eq!(place.open().expect("where it is not needed").1.entries.len(), 1);
    }
}

/// The type of a record is not covered by its CRC: a state that reads as an entry would take an
/// entry's place, and the other way round.
#[test]
fn a_record_with_another_ones_type_is_damage() {
    let place = Place::new("type");
    let mut wal = place.create();
    put(&mut wal, entry(1, 1, 100));
    let state = HardState { term: 1, vote: 7, commit: 1 };
    wal.append(Some(state), &[]).expect("append");
    put(&mut wal, entry(2, 1, 100));
    drop(wal);
    let (file, offsets) = records(&place);
    let good = fs::read(&file).expect("read");
    for (number, &offset) in offsets.iter().enumerate() {
        let kind = good[offset as usize + 9];
        for bit in 0..7 {
            overwrite(&file, &[kind ^ (1 << bit)], offset + 9);
            let opened = wal::read_only(&RealDisk, &place.wal(), &Snapshot::default());
            // The first record of a log says nothing that is not said by the others.
            let same = opened.as_ref().is_ok_and(|contents| contents.entries.len() == 2);
            let refused = matches!(
                &opened,
                Err(Error::Corrupted { .. } | Error::Gap { .. } | Error::SnapshotNotFound { .. })
            );
            assert!(refused || (same && number == 0), "record {number}, bit {bit}: {opened:?}");
        }
        overwrite(&file, &[kind], offset + 9);
    }
}

#[test]
fn damage_is_told_with_its_place_and_not_repaired() {
    let place = Place::new("damage");
    let mut wal = place.create();
    put(&mut wal, entry(1, 1, 100));
    put(&mut wal, entry(2, 1, 100));
    drop(wal);
    let (file, offsets) = records(&place);
    let good = fs::read(&file).expect("read");
    for offset in &offsets[1..] {
        // The last byte of the record's data, or of its padding.
        let mut bytes = good.clone();
        let frame = u64::from_le_bytes(bytes[*offset as usize..][..8].try_into().expect("eight"));
        bytes[*offset as usize + 7 + (frame & 0xffff) as usize] ^= 0x40;
        fs::write(&file, &bytes).expect("write");
        let opened = place.open();
        let Err(Error::Corrupted { file: at_file, offset: at, expected, found }) = opened else {
            panic!("damage at {offset}: {:?}", opened.err());
        };
        assert_eq!((&at_file, at), (&file, *offset));
        assert!(expected.starts_with("crc ") && found.starts_with("crc "), "{expected}, {found}");
        assert!(wal::repair(&RealDisk, &place.wal()).is_err());
        assert_eq!(fs::read(&file).expect("read"), bytes, "nothing was changed");
    }
}

#[test]
fn a_torn_record_in_an_earlier_segment_is_damage() {
    let place = Place::new("earlier");
    let mut wal = place.create();
    for index in 1..=3 {
        put(&mut wal, entry(index, 1, 9000));
    }
    drop(wal);
    let second = place.wal().join(&place.names()[1]);
    overwrite(&second, &[0; 1024], 4096);
    assert!(matches!(place.open(), Err(Error::Corrupted { .. })));
    let at = Snapshot::default();
    assert!(matches!(wal::verify(&RealDisk, &place.wal(), &at), Err(Error::Corrupted { .. })));

    fs::remove_file(second).expect("remove");
    let Err(Error::Corrupted { expected, .. }) = place.open() else {
        panic!("a segment is missing");
    };
    assert!(expected.contains("behind sequence number 0"), "{expected}");
}

/// Records that are whole but make no sense: another type, other metadata.
#[test]
fn records_that_cannot_be_are_refused() {
    let place = Place::new("nonsense");
    let mut wal = place.create();
    put(&mut wal, entry(1, 1, 9000));
    put(&mut wal, entry(2, 1, 10));
    drop(wal);
    let (first, offsets) = records(&place);
    let good = fs::read(&first).expect("read");
    // The type is not covered by the CRC.
    let mut bytes = good.clone();
    bytes[offsets[3] as usize + 9] = 6;
    fs::write(&first, &bytes).expect("write");
    assert!(matches!(
        place.open(),
        Err(Error::Corrupted { found, .. }) if found == "type 6"
    ));
    fs::write(&first, good).expect("write");

    // The second segment of a log with other metadata, its chain put right.
    let other = Place::new("nonsense-other");
    let options = options();
    let mut wal = Wal::create(Arc::new(RealDisk), &other.wal(), b"atem", options).expect("create");
    put(&mut wal, entry(1, 1, 9000));
    drop(wal);
    let second = &place.names()[1];
    fs::copy(other.wal().join(second), place.wal().join(second)).expect("copy");
    assert!(matches!(place.open(), Err(Error::Corrupted { .. })));
}
