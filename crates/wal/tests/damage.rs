//! Damaged and unfinished logs on a real disk: what is repaired, and what is refused.

#[path = "support/place.rs"]
mod place;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use env::RealDisk;
use place::{Place, SEGMENT_BYTES, entry, options, put, records};
use proto::walpb::Snapshot;
use wal::{Error, Wal};

fn overwrite(file: &Path, bytes: &[u8], offset: u64) {
    let file = fs::OpenOptions::new().write(true).open(file).expect("open");
    file.write_all_at(bytes, offset).expect("write");
}

/// Each way for the last record to be unfinished: it is cut off, the file is kept, the log goes on.
#[test]
fn a_torn_end_is_repaired() {
    type Tear = fn(&Path, u64);
    let tears: [(&str, Tear); 4] = [
        ("a sector is missing", |file, at| overwrite(file, &[0; 512], (at / 512 + 2) * 512)),
        ("the file ends in the record", |file, at| {
            fs::OpenOptions::new()
                .write(true)
                .open(file)
                .expect("open")
                .set_len(at + 100)
                .expect("cut");
        }),
        ("the file ends in the length field", |file, at| {
            fs::OpenOptions::new()
                .write(true)
                .open(file)
                .expect("open")
                .set_len(at + 5)
                .expect("cut");
        }),
        ("the length is more than the file has", |file, at| {
            overwrite(file, &(1u64 << 55).to_le_bytes(), at);
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

/// What is behind a missing length field was never acknowledged, and must not meet later records.
#[test]
fn remains_behind_the_end_are_cleared() {
    let place = Place::new("behind");
    let mut wal = place.create();
    put(&mut wal, entry(1, 1, 10));
    put(&mut wal, entry(2, 1, 3000));
    drop(wal);
    let (file, offsets) = records(&place);
    let last = *offsets.last().expect("records");
    overwrite(&file, &[0; 8], last);
    let (mut wal, contents) = place.open().expect("open");
    assert_eq!(contents.entries.len(), 1);
    let bytes = fs::read(&file).expect("read");
    assert!(bytes[last as usize..].iter().all(|byte| *byte == 0));
    assert_eq!(bytes.len() as u64, SEGMENT_BYTES);
    put(&mut wal, entry(2, 2, 1000));
    drop(wal);
    assert_eq!(place.open().expect("open").1.entries, [entry(1, 1, 10), entry(2, 2, 1000)]);
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
