//! Metrics and logs for every crate.
//!
//! [`Registry`] holds the metrics of one server and prints them as Prometheus text, with numbers
//! written as Go writes them. [`Logger`] is a `tracing` layer that prints lines as zap does; crates
//! log with `tracing`'s macros and know nothing of it.
//!
//! Does not know: any clock (the binary hands in a [`TimeSource`]), any file (the binary hands in
//! sinks), HTTP, or the names of etcd's metrics (each crate declares its own).
//!
//! Log fields: names are etcd's, in quotes where they hold a dash
//! (`tracing::info!("local-member-id" = %id, "published")`). A name that ends in `[]` carries JSON
//! text that is printed as it stands (see [`json_strings`]). The field `zap-level` replaces the
//! level's name (`tracing` has none above `error`).

mod duration;
mod log;
mod metric;

pub use duration::GoDuration;
pub use log::{
    Format, Level, LevelHandle, Logger, LoggerOptions, TimeSource, Timestamp, UnknownLevel,
    json_strings,
};
pub use metric::{
    CHILDREN_MAX, Counter, Gauge, Histogram, Kind, Labelled, Metric, Registry, Samples,
    exponential_buckets, go_float,
};
