//! Merged permissions against a check that looks at each key by itself.

use env::{Rng, SeededRng};

use super::*;

fn permission(kind: Type, key: &[u8], range_end: &[u8]) -> Permission {
    Permission {
        perm_type: kind.into(),
        key: Bytes::copy_from_slice(key),
        range_end: Bytes::copy_from_slice(range_end),
    }
}

fn range(key: &[u8], range_end: &[u8]) -> KeyRange {
    KeyRange::parse(Bytes::copy_from_slice(key), Bytes::copy_from_slice(range_end))
}

fn read(permissions: &[(&str, &str)]) -> Ranges {
    let permissions: Vec<Permission> = permissions
        .iter()
        .map(|(key, end)| permission(Type::Read, key.as_bytes(), end.as_bytes()))
        .collect();
    Permissions::merge(&permissions).read
}

#[test]
fn neighbours_and_overlaps_become_one() {
    let ranges = read(&[("c", "d"), ("a", "b"), ("b", "c"), ("x", ""), ("x\0", "z")]);
    assert_eq!(ranges.intervals.len(), 2);
    assert!(ranges.cover(&range(b"a", b"d")));
    assert!(ranges.cover(&range(b"x", b"z")));
    assert!(!ranges.cover(&range(b"a", b"d\0")));
    assert!(!ranges.cover(&range(b"c", b"x")));
    assert!(!ranges.cover(&range(b"d", b"")));
}

#[test]
fn open_ends() {
    let ranges = read(&[("m", "\0"), ("b", "n")]);
    assert!(ranges.cover(&range(b"b", b"\0")));
    assert!(ranges.cover(&range(b"zzz", b"")));
    assert!(!ranges.cover(&range(b"a", b"\0")));
    assert!(!ranges.cover(&KeyRange::All));
    assert!(read(&[("\0", "\0")]).cover(&KeyRange::All));
    // All keys in two pieces are all keys.
    let pieces = read(&[("m", "\0"), ("\0", "m")]);
    assert!(pieces.cover(&KeyRange::All));
    assert!(pieces.cover(&range(b"\0", b"")));
}

#[test]
fn a_range_without_keys_needs_its_start() {
    let ranges = read(&[("b", "c")]);
    assert!(ranges.cover(&range(b"b", b"a")));
    assert!(ranges.cover(&range(b"bb", b"bb")));
    assert!(!ranges.cover(&range(b"c", b"b")));
}

#[test]
fn what_no_check_let_through_grants_nothing() {
    let ranges = read(&[("", ""), ("", "\0"), ("", "z"), ("c", "b"), ("c", "c")]);
    assert_eq!(ranges, Ranges::default());
    let odd = Permission { perm_type: 7, key: "k".into(), range_end: Bytes::new() };
    assert_eq!(Permissions::merge([&odd]), Permissions::default());
}

#[test]
fn kinds_are_kept_apart() {
    let permissions = [
        permission(Type::Read, b"r", b""),
        permission(Type::Write, b"w", b""),
        permission(Type::Readwrite, b"x", b""),
    ];
    let merged = Permissions::merge(&permissions);
    let allowed = |key: &[u8]| (merged.read.contain(key), merged.write.contain(key));
    assert_eq!(allowed(b"r"), (true, false));
    assert_eq!(allowed(b"w"), (false, true));
    assert_eq!(allowed(b"x"), (true, true));
    assert_eq!(allowed(b"y"), (false, false));
}

/// All keys of up to two letters out of four, in order: small enough to try every one, and each
/// interval between bounds made of them holds some.
fn universe() -> Vec<Vec<u8>> {
    let letters = [0_u8, b'a', b'b', b'c'];
    let mut keys: Vec<Vec<u8>> = letters.iter().map(|letter| vec![*letter]).collect();
    keys.extend(letters.iter().flat_map(|one| letters.map(|two| vec![*one, two])));
    // What lies behind a bound of two letters and before the next.
    keys.extend(letters.iter().flat_map(|one| letters.map(|two| vec![*one, two, 0])));
    keys.extend(letters.iter().flat_map(|one| letters.map(|two| vec![*one, two, b'z'])));
    keys.push(vec![b'z']);
    keys.sort();
    keys
}

fn random_bounds(rng: &mut SeededRng) -> (Vec<u8>, Vec<u8>) {
    let letters = [0_u8, b'a', b'b', b'c'];
    let mut key =
        || -> Vec<u8> { (0..=rng.below(2)).map(|_| letters[rng.below(4) as usize]).collect() };
    let (start, end) = (key(), key());
    match rng.below(4) {
        0 => (start, Vec::new()),
        1 => (start, vec![0]),
        _ => (start, end),
    }
}

#[test]
fn random_permissions_agree_with_key_by_key_checks() {
    let universe = universe();
    let rounds = std::env::var("AUTH_ROUNDS").ok().and_then(|text| text.parse().ok());
    for seed in 0..rounds.unwrap_or(3_000_u64) {
        let mut rng = SeededRng::new(seed);
        let permissions: Vec<Permission> = (0..rng.below(6))
            .map(|_| {
                let (start, end) = random_bounds(&mut rng);
                permission(Type::Write, &start, &end)
            })
            .collect();
        let granted: Vec<KeyRange> = permissions
            .iter()
            .map(|permission| range(&permission.key, &permission.range_end))
            .collect();
        let merged = Permissions::merge(&permissions).write;
        for key in &universe {
            let expected = granted.iter().any(|range| range.contains(key));
            assert_eq!(merged.contain(key), expected, "seed {seed}, key {key:?}");
        }
        for _ in 0..10 {
            let (start, end) = random_bounds(&mut rng);
            let asked = range(&start, &end);
            let named = universe.iter().filter(|key| asked.contains(key));
            let named: Vec<&Vec<u8>> = named.collect();
            let expected = if named.is_empty() {
                merged.contain(&start)
            } else {
                named.iter().all(|key| granted.iter().any(|range| range.contains(key)))
            };
            assert_eq!(merged.cover(&asked), expected, "seed {seed}, {asked:?}, {granted:?}");
        }
    }
}
