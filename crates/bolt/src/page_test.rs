//! Pages with wrong bytes are refused, and what passes can be read without a panic.

use bytes::Bytes;
use env::{Rng, SeededRng};

use super::*;
use crate::node::{Item, Link, Node};

fn leaf_bytes() -> Vec<u8> {
    let item = |key: &'static str, value: &'static str| Item {
        key: Bytes::from(key),
        value: Bytes::from(value),
        is_bucket: false,
    };
    let items = vec![item("a", "1"), item("bb", ""), item("c", "three")];
    Node::Leaf(items).encode(0..3, PageId(7), 1024)
}

fn branch_bytes() -> Vec<u8> {
    let link = |key: &'static str, child| Link { key: Bytes::from(key), child: PageId(child) };
    Node::Branch(vec![link("a", 9), link("m", 12)]).encode(0..2, PageId(8), 1024)
}

#[test]
fn a_leaf_reads_back() {
    let page = Page::parse(leaf_bytes().into(), PageId(7)).unwrap();
    let rows: Vec<_> = (0..page.count()).map(|i| (page.key(i), page.value(i))).collect();
    assert_eq!(rows, [(&b"a"[..], &b"1"[..]), (b"bb", b""), (b"c", b"three")]);
    assert!(page.is_leaf() && !page.is_bucket(0));
    assert_eq!((page.search(b"bb"), page.search(b"b")), (Ok(1), Err(1)));
    assert_eq!(page.used(), 16 + 3 * 16 + 10);
}

#[test]
fn a_branch_reads_back() {
    let page = Page::parse(branch_bytes().into(), PageId(8)).unwrap();
    assert_eq!((page.child(0), page.child(1)), (PageId(9), PageId(12)));
    let children = [&b"A"[..], b"a", b"b", b"m", b"z"].map(|key| page.child_for(key));
    assert_eq!(children, [0, 0, 0, 1, 1]);
}

#[test]
fn the_bytes_of_a_leaf_are_bbolts() {
    let bytes = leaf_bytes();
    assert_eq!(bytes[..16], [7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 0, 0]);
    // The first key follows the three elements, 48 bytes behind the first of them.
    assert_eq!(bytes[16..32], [0, 0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(bytes[32..48], [0, 0, 0, 0, 34, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&bytes[64..74], b"a1bbcthree");
}

#[test]
fn wrong_bytes_are_refused_where_they_are() {
    let refused = |at: usize, byte: u8| {
        let mut bytes = leaf_bytes();
        bytes[at] = byte;
        Page::parse(bytes.into(), PageId(7)).unwrap_err().offset
    };
    assert_eq!(refused(0, 9), 0, "another page's id");
    assert_eq!(refused(8, 3), 8, "two kinds at once");
    assert_eq!(refused(8, 0x10), 8, "a freelist");
    assert_eq!(refused(11, 1), 10, "more elements than fit");
    assert_eq!(refused(16, 2), 16, "unknown element flags");
    assert_eq!(refused(20, 40), 16, "a key among the elements");
    assert_eq!(refused(47, 1), 32, "a value behind the end");
    assert_eq!(refused(24, 0), 16, "a key without bytes");
    assert_eq!(refused(64, b'c'), 32, "keys out of order");
}

#[test]
fn no_bytes_panic() {
    let mut rng = SeededRng::new(3);
    for original in [leaf_bytes(), branch_bytes()] {
        let id = PageId(u64_at(&original, 0));
        for _ in 0..20_000 {
            let mut bytes = original.clone();
            for _ in 0..=rng.below(3) {
                bytes[rng.below(96) as usize] = rng.next_u64() as u8;
            }
            bytes.truncate(16 + rng.below(1009) as usize);
            let Ok(page) = Page::parse(bytes.into(), id) else { continue };
            for index in 0..page.count() {
                assert_eq!(page.search(page.key(index)), Ok(index));
                if page.is_leaf() {
                    drop(page.shared_value(index))
                } else {
                    page.child(index);
                }
            }
        }
    }
}
