//! The watch hub: who watches what, up to where each has seen.
mod interval;
pub use interval::IntervalTree;
