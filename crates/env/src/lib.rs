//! Everything a program takes from the machine: files, time, randomness, and tasks that go on beside
//! each other.
//!
//! The only crate that touches them. The layers above speak to [`Disk`], [`Clock`], [`Rng`] and
//! [`Tasks`], so that a simulator can put its own in their place. Blocking work that runs as a job
//! talks only to [`Disk`].
//!
//! Invariants: no call here retries a failed sync; an error from one is final for its file.

mod clock;
mod disk;
pub mod fail;
pub mod planted;
mod real_disk;
mod rng;
mod tasks;

pub use clock::{Clock, Monotonic, RealClock, WallTime};
pub use disk::{DirEntry, Disk, File, Lock, Metadata, OpenMode};
pub use real_disk::RealDisk;
pub use rng::{RealRng, Rng, SeededRng};
pub use tasks::{Elapsed, Task, Tasks, Timeout, Work, timeout};
