//! Files that the real etcd and bbolt wrote.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use bolt::{Options, View};
use bytes::Bytes;
use simenv::SimDisk;
use support::{golden, read_all, scan_all};

const PATH: &str = "/db";

/// One file of a golden archive.
fn unpack(archive: &str, name: &str) -> Vec<u8> {
    let archive = golden().join(archive);
    let mut tar = Command::new("tar");
    tar.arg("-xzOf").arg(&archive).arg(name);
    let output = tar.output().expect("run tar");
    assert!(output.status.success(), "unpack {name} from {}", archive.display());
    output.stdout
}

fn open(content: Vec<u8>) -> (SimDisk, View) {
    let disk = SimDisk::new();
    disk.put_file(Path::new(PATH), &content);
    let view = bolt::open_read_only(&disk, Path::new(PATH), &Options::default()).expect("open");
    (disk, view)
}

/// Maintenance.Hash: spec/schema.md 2.7.
fn hash(view: &View) -> u32 {
    let mut hash = 0;
    for name in view.bucket_names() {
        hash = crc32c::crc32c_append(hash, name);
        let add = |key: &[u8], value: &[u8]| {
            let local = [&b"consistent_index"[..], b"term", b"storageVersion"].contains(&key);
            if name[..] != b"meta"[..] || !local {
                hash = crc32c::crc32c_append(crc32c::crc32c_append(hash, key), value);
            }
            Ok::<(), bolt::Error>(())
        };
        view.scan(name, add).expect("scan");
    }
    hash
}

/// The number behind a name in a JSON text.
fn number(json: &[u8], name: &str) -> u32 {
    let json = String::from_utf8_lossy(json);
    let (_, rest) = json.split_once(&format!("\"{name}\": ")).expect("the name is there");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[test]
fn etcds_files_hash_as_etcd_says() {
    for version in ["", "v3.6.14", "v3.7.1"] {
        let archive = PathBuf::from(version).join("single-sigterm.tar.gz");
        let archive = archive.to_str().unwrap();
        let (_disk, view) = open(unpack(archive, "single-sigterm/data/member/snap/db"));
        assert_eq!(bolt::check(&view).unwrap(), [], "{archive}");
        let expected = unpack(archive, "single-sigterm/expected/backend-hash.json");
        assert_eq!(hash(&view), number(&expected, "hash"), "{archive}");
        assert_eq!(read_all(&view).unwrap(), scan_all(&view).unwrap(), "{archive}");
    }
}

/// The keys of each bucket and the number of free pages, from the text of an independent reader.
fn dumped(text: &str) -> (Vec<(String, Vec<String>)>, u64) {
    let mut buckets: Vec<(String, Vec<String>)> = Vec::new();
    let mut free = 0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("bucket '") {
            let (name, _) = rest.split_once('\'').unwrap();
            buckets.push((name.to_owned(), Vec::new()));
        } else if let Some(count) = line.strip_prefix("unreachable (free) pages below hwm: ") {
            free = count.trim().parse().unwrap();
        } else if let (Some((key, _)), Some((_, keys))) =
            (line.split_once(" = "), buckets.last_mut())
            && line.starts_with("   ")
        {
            // Texts are quoted as b'..', hexadecimal keys as '..' or not at all.
            let key = key.trim();
            keys.push(
                key.strip_prefix('b')
                    .filter(|key| key.starts_with('\''))
                    .unwrap_or(key)
                    .replace('\'', ""),
            );
        }
    }
    (buckets, free)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn keys_and_free_pages_are_those_of_an_independent_reader() {
    for name in ["single-sigterm", "single-sigkill", "single-sigkill-lagging"] {
        let archive = format!("{name}.tar.gz");
        let disk = SimDisk::new();
        disk.put_file(Path::new(PATH), &unpack(&archive, &format!("{name}/data/member/snap/db")));
        let opened = bolt::open(&disk, Path::new(PATH), &Options::default());
        let (mut writer, view) = opened.expect("open");
        let text = unpack(&archive, &format!("{name}/expected/bolt.txt"));
        let (buckets, free) = dumped(&String::from_utf8_lossy(&text));
        let shown = |bucket: &[u8], key: &[u8]| match bucket {
            b"key" | b"lease" => hex(key),
            _ => String::from_utf8_lossy(key).into_owned(),
        };
        let found: Vec<(String, Vec<String>)> = read_all(&view)
            .unwrap()
            .iter()
            .map(|(bucket, rows)| {
                let keys = rows.keys().map(|key| shown(bucket, key)).collect();
                (String::from_utf8_lossy(bucket).into_owned(), keys)
            })
            .collect();
        assert_eq!(found, buckets, "{name}");
        writer.find_free_pages().unwrap();
        assert_eq!(view.size_bytes() - view.size_in_use(), free * 4096, "{name}");
        assert_eq!(writer.check_invariants().unwrap(), [], "{name}");
    }
}

#[test]
fn a_saved_snapshot_opens_and_its_image_is_the_same_file() {
    for version in ["", "v3.7.1"] {
        let path = golden().join(version).join("etcdctl-snapshot-save.db.gz");
        let output = Command::new("gzip").arg("-dc").arg(&path).output().expect("run gzip");
        // Behind the pages a saved snapshot has the SHA-256 of them.
        let (pages, sum) = output.stdout.split_at(output.stdout.len() - 32);
        assert_eq!(sum.len(), 32);
        let (_disk, view) = open(output.stdout.clone());
        assert_eq!(bolt::check(&view).unwrap(), []);
        assert_eq!(view.size_bytes(), pages.len() as u64);
        let mut image = view.image();
        let mut copy = Vec::new();
        let mut chunk = vec![0; 32 << 10];
        loop {
            let count = image.read(&mut chunk).unwrap();
            if count == 0 {
                break;
            }
            copy.extend_from_slice(&chunk[..count]);
        }
        assert!(copy == pages, "{}", path.display());
    }
}

#[test]
fn a_file_with_a_list_of_free_pages_is_taken_over() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/go-freelist.db");
    let disk = SimDisk::new();
    disk.put_file(Path::new(PATH), &std::fs::read(path).unwrap());
    let (mut writer, view) = bolt::open(&disk, Path::new(PATH), &Options::default()).unwrap();
    assert_eq!(bolt::check(&view).unwrap(), []);
    assert_eq!((view.page_size(), view.txid().0), (1024, 4));
    writer.find_free_pages().unwrap();
    assert_eq!(view.size_bytes() - view.size_in_use(), 28 * 1024);
    let mut model = read_all(&view).unwrap();
    let rows: Vec<usize> = model.values().map(|rows| rows.len()).collect();
    assert_eq!(rows, [0, 3, 61]);
    assert_eq!(view.get(b"rows", b"row 045").unwrap().unwrap(), "value 2025");
    assert_eq!(view.get(b"rows", b"row 046").unwrap(), None);
    assert_eq!(view.get(b"rows", b"big").unwrap().unwrap(), vec![0; 5000]);
    assert_eq!(view.get(b"inline", b"no value").unwrap().unwrap(), "");
    for number in 0..40 {
        let (key, value) = (Bytes::from(format!("new {number}")), Bytes::from(vec![9; 200]));
        writer.put(b"rows", key.clone(), value.clone()).unwrap();
        model.get_mut(&b"rows"[..]).unwrap().insert(key, value);
        let view = writer.commit().unwrap();
        assert_eq!(read_all(&view).unwrap(), model);
        assert_eq!(writer.check_invariants().unwrap(), []);
    }
}

#[test]
fn etcds_file_can_be_written_on() {
    let content = unpack("single-sigterm.tar.gz", "single-sigterm/data/member/snap/db");
    let disk = SimDisk::new();
    disk.put_file(Path::new(PATH), &content);
    let (mut writer, view) = bolt::open(&disk, Path::new(PATH), &Options::default()).unwrap();
    let mut model = read_all(&view).unwrap();
    for round in 0..10u8 {
        for (name, rows) in &mut model {
            let Some(old) = rows.keys().nth(round as usize).cloned() else { continue };
            rows.remove(&old);
            writer.delete(name, old).unwrap();
            let (key, value) = (Bytes::from(vec![round; 17]), Bytes::from(vec![round; 700]));
            rows.insert(key.clone(), value.clone());
            writer.put(name, key, value).unwrap();
        }
        let view = writer.commit().unwrap();
        assert_eq!(read_all(&view).unwrap(), model);
        assert_eq!(writer.check_invariants().unwrap(), []);
    }
}
