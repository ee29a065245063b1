//! What a member takes from outside of itself.

use std::sync::Arc;

use env::{Clock, Disk, RealRng, Rng, Tasks};

use crate::network::Network;
use crate::runtime::TokioTasks;

/// The machine that a member runs on, and the others that it hears. Cheap to clone.
#[derive(Clone)]
pub struct World {
    /// Its files.
    pub disk: Arc<dyn Disk>,
    /// Its clocks.
    pub clock: Arc<dyn Clock>,
    /// What goes on beside its threads.
    pub tasks: Arc<dyn Tasks>,
    /// The other members.
    pub network: Arc<dyn Network>,
    /// A new source of random numbers at each call.
    pub randomness: Arc<dyn Fn() -> Box<dyn Rng> + Send + Sync>,
}

impl World {
    /// This machine; its tasks go on in the tokio runtime that the caller is in.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, network: Arc<dyn Network>) -> Self {
        let randomness = Arc::new(|| Box::new(RealRng) as Box<dyn Rng>);
        Self { disk, clock, tasks: Arc::new(TokioTasks::current()), network, randomness }
    }
}
