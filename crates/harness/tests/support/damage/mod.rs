//! Data directories that are damaged in one place, and what servers make of them.
#![allow(dead_code, reason = "each test program uses a part of this")]

pub mod cases;
pub mod opened;
pub mod pages;
pub mod segment;
pub mod table;
pub mod template;
