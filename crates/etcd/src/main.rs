//! The server: reads its flags, starts a member, puts listeners in front of it, and stops in order
//! when it is told to.
//!
//! Wiring only: what each part does is in its own crate.
#![allow(dead_code)]

mod logs;
mod service;
mod signals;

fn main() {}
