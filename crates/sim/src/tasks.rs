//! What a simulated process takes from its runtime: tasks, work beside them, and waiting by its own
//! clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use env::{Monotonic, Task, Tasks, Work};

use crate::clocks::Clocks;
use crate::kernel::{Kernel, Owner};

/// See the module.
pub struct SimTasks {
    kernel: Kernel,
    owner: Owner,
    clocks: Clocks,
}

impl SimTasks {
    /// The runtime of an owner with these clocks.
    #[must_use]
    pub const fn new(kernel: Kernel, owner: Owner, clocks: Clocks) -> Self {
        Self { kernel, owner, clocks }
    }

    /// The runtime of what is outside of all members.
    #[must_use]
    pub fn outside(kernel: &Kernel) -> Arc<dyn Tasks> {
        Arc::new(Self::new(kernel.clone(), Owner::Outside, Clocks::true_time()))
    }
}

impl Tasks for SimTasks {
    fn spawn(&self, task: Task) {
        self.kernel.begin(self.owner, task);
    }

    fn spawn_blocking(&self, work: Work) {
        self.kernel.add_work(self.owner, work);
    }

    fn sleep(&self, duration: Duration) -> Task {
        let kernel = self.kernel.clone();
        let until = self.clocks.after(kernel.now(), duration);
        Box::pin(Sleep { kernel, until, is_planned: false })
    }
}

struct Sleep {
    kernel: Kernel,
    until: Monotonic,
    is_planned: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.kernel.now() >= self.until {
            return Poll::Ready(());
        }
        // A sleep stays in one task, whose waker stays the same.
        if !self.is_planned {
            self.is_planned = true;
            let waker = context.waker().clone();
            self.kernel.at(self.until, move |_| waker.wake());
        }
        Poll::Pending
    }
}
