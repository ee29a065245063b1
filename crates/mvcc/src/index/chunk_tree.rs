//! The full chunks of a long history, oldest first: a tree that grows at its newest end and is cut
//! off at its oldest.
//!
//! Invariants: all chunks lie equally deep; revisions ascend from left to right; a node has between
//! one and 32 children and never changes.

use std::sync::Arc;

use super::history::Chunk;

const CHILDREN_MAX: usize = 32;

/// A node of the tree.
pub(super) struct ChunkTree {
    oldest_main: i64,
    children: Children,
}

enum Children {
    Chunks(Vec<Arc<Chunk>>),
    Trees(Vec<Arc<ChunkTree>>),
}

impl ChunkTree {
    /// A tree of one chunk.
    pub(super) fn of(chunk: Arc<Chunk>) -> Arc<Self> {
        let oldest_main = chunk.oldest_main();
        Arc::new(Self { oldest_main, children: Children::Chunks(vec![chunk]) })
    }

    fn of_trees(trees: Vec<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { oldest_main: trees[0].oldest_main, children: Children::Trees(trees) })
    }

    /// The tree with a chunk that is newer than all in it.
    pub(super) fn push(self: &Arc<Self>, chunk: Arc<Chunk>) -> Arc<Self> {
        match self.pushed(chunk) {
            Pushed::Grown(tree) => tree,
            Pushed::Beside(new) => Self::of_trees(vec![Arc::clone(self), new]),
        }
    }

    fn pushed(&self, chunk: Arc<Chunk>) -> Pushed {
        let oldest_main = self.oldest_main;
        let grown = |children| Pushed::Grown(Arc::new(Self { oldest_main, children }));
        match &self.children {
            Children::Chunks(chunks) if chunks.len() == CHILDREN_MAX => {
                Pushed::Beside(Self::of(chunk))
            }
            Children::Chunks(chunks) => grown(Children::Chunks(with(chunks, chunks.len(), chunk))),
            Children::Trees(trees) => {
                let last = trees.len() - 1;
                match trees[last].pushed(chunk) {
                    Pushed::Grown(tree) => grown(Children::Trees(with(trees, last, tree))),
                    Pushed::Beside(new) if trees.len() == CHILDREN_MAX => {
                        Pushed::Beside(Self::of_trees(vec![new]))
                    }
                    Pushed::Beside(new) => grown(Children::Trees(with(trees, trees.len(), new))),
                }
            }
        }
    }

    /// The chunk that has the newest entry with `main <= at`.
    pub(super) fn find(&self, at: i64) -> Option<&Chunk> {
        match &self.children {
            Children::Chunks(chunks) => {
                let newer = chunks.partition_point(|chunk| chunk.oldest_main() <= at);
                Some(&chunks[newer.checked_sub(1)?])
            }
            Children::Trees(trees) => {
                let newer = trees.partition_point(|tree| tree.oldest_main <= at);
                trees[newer.checked_sub(1)?].find(at)
            }
        }
    }

    /// What is left after a compaction: see [`Chunk::compact`].
    pub(super) fn compact(self: &Arc<Self>, at: i64) -> Option<Arc<Self>> {
        if self.oldest_main > at {
            return Some(Arc::clone(self));
        }
        match &self.children {
            Children::Chunks(chunks) => {
                let newer = chunks.partition_point(|chunk| chunk.oldest_main() <= at);
                let cut = chunks[newer - 1].compact(at).map(Arc::new);
                let chunks: Vec<_> = cut.into_iter().chain(chunks[newer..].to_vec()).collect();
                let oldest_main = chunks.first()?.oldest_main();
                Some(Arc::new(Self { oldest_main, children: Children::Chunks(chunks) }))
            }
            Children::Trees(trees) => {
                let newer = trees.partition_point(|tree| tree.oldest_main <= at);
                let cut = trees[newer - 1].compact(at);
                let trees: Vec<_> = cut.into_iter().chain(trees[newer..].to_vec()).collect();
                match &trees[..] {
                    [] => None,
                    [only] => Some(Arc::clone(only)),
                    _ => Some(Self::of_trees(trees)),
                }
            }
        }
    }

    /// The oldest chunk.
    pub(super) fn oldest(&self) -> &Chunk {
        match &self.children {
            Children::Chunks(chunks) => &chunks[0],
            Children::Trees(trees) => trees[0].oldest(),
        }
    }

    /// Bytes of the allocations that the tree is.
    pub(super) fn heap_bytes(&self) -> usize {
        let below: usize = match &self.children {
            Children::Chunks(chunks) => chunks.iter().map(|chunk| chunk.heap_bytes() + 8).sum(),
            Children::Trees(trees) => trees.iter().map(|tree| tree.heap_bytes() + 8).sum(),
        };
        super::ARC_BYTES + size_of::<Self>() + below
    }

    #[cfg(test)]
    pub(super) fn chunks_newest_first<'a>(&'a self, visit: &mut dyn FnMut(&'a Chunk)) {
        match &self.children {
            Children::Chunks(chunks) => chunks.iter().rev().for_each(|chunk| visit(chunk)),
            Children::Trees(trees) => {
                trees.iter().rev().for_each(|tree| tree.chunks_newest_first(visit));
            }
        }
    }
}

/// What became of a node that a chunk was put into.
enum Pushed {
    /// It took the chunk.
    Grown(Arc<ChunkTree>),
    /// It was full: this one stands beside it.
    Beside(Arc<ChunkTree>),
}

/// A copy with an element replaced, or added behind the last.
fn with<T>(old: &[Arc<T>], at: usize, new: Arc<T>) -> Vec<Arc<T>> {
    let mut copy = Vec::with_capacity(at + 1);
    copy.extend_from_slice(&old[..at]);
    copy.push(new);
    copy
}
