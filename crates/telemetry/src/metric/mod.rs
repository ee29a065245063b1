//! The metrics of one server: handles that count, and the registry that prints them.
//!
//! Handles are cheap to clone and never lock; labelled families lock only to find a child, so hot
//! paths keep the child.

mod counter;
mod gauge;
mod histogram;
mod labelled;
mod registry;
mod shard;
mod text;

pub use counter::Counter;
pub use gauge::Gauge;
pub use histogram::{Histogram, exponential_buckets};
pub use labelled::{CHILDREN_MAX, Labelled};
pub use registry::{Kind, Registry, Samples};
pub use text::go_float;

use text::Writer;

/// What a family can hold: [`Counter`], [`Gauge`], [`Histogram`].
pub trait Metric: Clone + Send + Sync + 'static + Sealed {}

/// Keeps [`Metric`] closed.
pub trait Sealed {
    /// Prints the samples of one metric; `labels` is the inside of the braces.
    #[doc(hidden)]
    fn write(&self, writer: &mut Writer<'_>, name: &str, labels: &str);
}
