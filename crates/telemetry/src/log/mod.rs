//! Log lines as zap prints them, from `tracing` events.

mod encode;
mod layer;
mod level;
mod time;

pub use encode::{Format, json_strings};
pub use layer::{LevelHandle, Logger, LoggerOptions};
pub use level::{Level, UnknownLevel};
pub use time::{TimeSource, Timestamp};
