//! How nodes are cut into pages.

use bytes::Bytes;

use super::*;

const PAGE: usize = 4096;

fn leaf(value_bytes: &[usize]) -> Node {
    let item = |(index, bytes): (usize, &usize)| Item {
        key: Bytes::from(format!("{index:08}")),
        value: Bytes::from(vec![7; *bytes]),
        is_bucket: false,
    };
    Node::Leaf(value_bytes.iter().enumerate().map(item).collect())
}

fn branch(key_bytes: &[usize]) -> Node {
    let link = |(index, bytes): (usize, &usize)| Link {
        key: Bytes::from(format!("{index:0bytes$}")),
        child: PageId(index as u64 + 10),
    };
    Node::Branch(key_bytes.iter().enumerate().map(link).collect())
}

fn cut(node: &Node, fill: usize) -> Vec<Range<usize>> {
    let pieces = node.pieces(PAGE, PAGE * fill / 100);
    assert_eq!(pieces.first().map(|piece| piece.start), Some(0));
    assert_eq!(pieces.last().map(|piece| piece.end), Some(node.len()));
    assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
    pieces
}

#[test]
fn what_fits_a_page_is_not_cut() {
    assert_eq!(cut(&leaf(&[]), 50).len(), 1);
    // 34 records of 16 + 8 + 96 bytes and the header fill the page to the last byte but none.
    assert_eq!(leaf(&[96; 34]).bytes(), 4096);
    assert_eq!(cut(&leaf(&[96; 34]), 50).len(), 1);
    assert_eq!(cut(&leaf(&[96; 35]), 50), [0..16, 16..35]);
}

#[test]
fn pages_are_filled_as_asked() {
    let node = leaf(&[96; 1000]);
    for (fill, per_page) in [(50, 16), (90, 30)] {
        let pieces = cut(&node, fill);
        let (_, full) = pieces.split_last().unwrap();
        assert!(full.iter().all(|piece| piece.len() == per_page), "{pieces:?}");
    }
}

#[test]
fn a_long_value_has_a_run_of_its_own() {
    let node = leaf(&[10, 10, 1 << 20, 10, 10]);
    let pieces = cut(&node, 50);
    assert_eq!(pieces, [0..2, 2..3, 3..5]);
    let pages: Vec<_> = pieces.into_iter().map(|piece| node.piece_pages(piece, PAGE)).collect();
    assert_eq!(pages, [1, 257, 1]);
}

#[test]
fn no_page_has_one_record_where_two_fit() {
    for bytes in [1000, 1100, 1500, 1900, 2000] {
        assert!(cut(&leaf(&[bytes; 100]), 50).iter().all(|piece| piece.len() >= 2), "{bytes}");
    }
    assert!(cut(&leaf(&[3000; 100]), 50).iter().all(|piece| piece.len() == 1));
}

#[test]
fn values_of_just_over_a_page_share_runs() {
    let node = leaf(&[4200; 100]);
    let pages: usize = cut(&node, 50).into_iter().map(|piece| node.piece_pages(piece, PAGE)).sum();
    assert_eq!(pages, 150);
}

#[test]
fn a_branch_never_has_a_single_child() {
    for count in 2..20 {
        for key_bytes in [8, 1500, 3000, 5000, 32768] {
            let node = branch(&vec![key_bytes; count]);
            let pieces = cut(&node, 50);
            assert!(pieces.iter().all(|piece| piece.len() >= 2), "{count} {key_bytes} {pieces:?}");
        }
    }
}

#[test]
fn an_inline_bucket_is_a_quarter_of_a_page_at_most() {
    assert!(leaf(&[1000 - 16]).fits_inline(PAGE));
    assert!(!leaf(&[1000 - 15]).fits_inline(PAGE));
    assert!(!branch(&[8, 8]).fits_inline(PAGE));
}
