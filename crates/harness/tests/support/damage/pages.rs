//! Where the pages of a database are, read without the code under test.

use std::path::Path;

/// The page size of the machines that tests run on.
pub const PAGE: usize = 4096;
/// Bytes before a page's elements, and bytes of each.
pub const HEADER: usize = 16;
const ELEMENT: usize = 16;

/// A database read into memory.
pub struct Pages {
    bytes: Vec<u8>,
}

impl Pages {
    pub fn read(path: &Path) -> Self {
        Self { bytes: std::fs::read(path).unwrap() }
    }

    fn number(&self, at: usize, len: usize) -> u64 {
        let bytes = &self.bytes[at..at + len];
        bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The meta page of the newest transaction.
    pub fn newest_meta(&self) -> usize {
        usize::from(self.number(PAGE + 64, 8) > self.number(64, 8))
    }

    /// Where the first page starts that nobody has used.
    pub fn end(&self) -> usize {
        self.number(self.newest_meta() * PAGE + 56, 8) as usize * PAGE
    }

    /// The page with the list of free pages, where there is one.
    pub fn freelist(&self) -> Option<usize> {
        let page = self.number(self.newest_meta() * PAGE + 48, 8);
        (page != u64::MAX).then_some(page as usize)
    }

    /// The page with the buckets.
    pub fn root(&self) -> usize {
        self.number(self.newest_meta() * PAGE + 32, 8) as usize
    }

    pub fn is_branch(&self, page: usize) -> bool {
        self.number(page * PAGE + 8, 2) == 1
    }

    pub fn count(&self, page: usize) -> usize {
        self.number(page * PAGE + 10, 2) as usize
    }

    /// Where an element's key begins in the file, and the lengths of key and value.
    fn element(&self, page: usize, index: usize) -> (usize, usize, usize) {
        let at = page * PAGE + HEADER + index * ELEMENT;
        let field = |offset| self.number(at + offset, 4) as usize;
        (at + field(4), field(8), field(12))
    }

    /// The root page of a bucket; `None` if it is inside the page of the buckets.
    pub fn bucket(&self, name: &str) -> Option<usize> {
        let root = self.root();
        for index in 0..self.count(root) {
            let (key, key_len, _) = self.element(root, index);
            if &self.bytes[key..key + key_len] == name.as_bytes() {
                let page = self.number(key + key_len, 8) as usize;
                return (page != 0).then_some(page);
            }
        }
        panic!("there is no bucket {name}");
    }

    /// The pages below a branch.
    pub fn children(&self, page: usize) -> Vec<usize> {
        let child = |index| self.number(page * PAGE + HEADER + index * ELEMENT + 8, 8) as usize;
        (0..self.count(page)).map(child).collect()
    }

    /// Where the value of a leaf's last element ends.
    pub fn last_value_end(&self, page: usize) -> usize {
        let (key, key_len, value_len) = self.element(page, self.count(page) - 1);
        key + key_len + value_len
    }

    /// The leaves below a page, itself included.
    pub fn leaves(&self, page: usize) -> Vec<usize> {
        if !self.is_branch(page) {
            return vec![page];
        }
        self.children(page).into_iter().flat_map(|child| self.leaves(child)).collect()
    }

    /// Whether some bytes are in a page, what overflows left out.
    pub fn holds(&self, page: usize, text: &[u8]) -> bool {
        let page = &self.bytes[page * PAGE..(page + 1) * PAGE];
        page.windows(text.len()).any(|window| window == text)
    }
}
