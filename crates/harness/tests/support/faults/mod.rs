//! Faults of real clusters: which, when, and how they are made and mended.

pub mod course;
pub mod draw;
pub mod fault;
pub mod stage;
pub mod total;
