//! What [`env`] is, simulated: a disk and clocks that do what a test says.
//!
//! [`SimDisk`] keeps its files in memory, remembers every change with its time, and knows what a
//! power cut may leave of them: [`Crash`]. It fails, lies and is slow when it is told to. [`SimClock`]
//! stands still until it is moved.
//!
//! For tests only. Knows nothing of what is stored.
//!
//! Invariants: what was synced is in every image of a later crash; the same calls give the same disk.

mod clock;
mod content;
mod crash;
mod disk;
mod fault;
mod file;
mod history;
mod state;
mod tree;

pub use clock::SimClock;
pub use content::SECTOR;
pub use crash::Crash;
pub use disk::{Crashes, SimDisk};
pub use fault::{Counts, Fault, Latency, Operation};
