//! Command lines as Go's package `flag` reads them.

mod arguments;
mod number;
mod value;

pub use arguments::{Fault, FlagSet};
pub use number::parse_bool;
pub use value::{Kind, Value};
