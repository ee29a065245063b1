//! A simulator: clusters of one to seven members with their clients, on one thread, in virtual time,
//! all by a seed.
//!
//! Members are those of [`node`], each turn of each of their cores taken when chance says so
//! ([`node::by_hand`]), on disks and clocks of [`simenv`] and with a network of values between them.
//! [`run`] lets things go wrong for a while, heals all, and demands that everything comes to rest;
//! meanwhile the oracles look on, and [`checker`] judges what clients saw. [`Life`] records what one
//! member does to its disk, to start it from whatever a power cut could have left.
//!
//! For tests only.
//!
//! Invariant: a seed gives the same trace each time.

mod clients;
mod clocks;
mod delivery;
mod executor;
mod faults;
#[cfg(feature = "planted-bugs")]
mod hunt;
mod images;
mod kernel;
mod machine;
mod members;
mod minimize;
mod network;
mod oracle;
mod page;
mod plan;
mod record;
mod remark;
mod run;
mod servers;
mod sim;
mod strike;
mod sum;
mod tasks;
mod trace;

pub use clients::Crowd;
pub use faults::{Faults, Kind, Strike, Struck};
#[cfg(feature = "planted-bugs")]
pub use hunt::{Hunt, hunt};
pub use images::{Life, Story, images_of};
pub use minimize::{Minimized, minimize};
pub use network::Fates;
pub use oracle::Compared;
pub use page::page;
pub use plan::{Flags, Plan};
pub use remark::remark;
pub use run::{Counts, Outcome, run, run_with};
pub use sim::Ends;
pub use sum::Sum;
pub use trace::Lines;
