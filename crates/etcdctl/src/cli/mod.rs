//! How a command line is read: what commands and flags there are is said by [`Spec`]s, which also
//! give the help.
//!
//! Knows no command. Invariant: a flag that is asked for by name has been declared, or we have made
//! a mistake.

mod argify;
mod global;
mod help;
mod parse;
mod spec;
mod value;

pub use argify::argify;
pub use global::{Format, Globals};
pub use help::{help, options, usage};
pub use parse::{Parsed, parse};
pub use spec::{Arguments, Flag, Spec, bool_flag, int_flag, text_flag};
pub use value::{parse_int, parse_uint};
