//! Rounds of load, SIGKILL and verification.

pub mod ledger;
pub mod load;
pub mod model;
pub mod verify;
