//! [`Tasks`] over the runtime that the process runs on, and small things made of them.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use env::{Task, Tasks, Timeout, Work};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::handle::Node;

/// The tokio runtime that the caller is in.
#[derive(Clone, Debug)]
pub(crate) struct TokioTasks(Handle);

impl TokioTasks {
    /// # Panics
    /// Outside of a runtime.
    pub(crate) fn current() -> Self {
        Self(Handle::current())
    }
}

impl Tasks for TokioTasks {
    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn spawn_blocking(&self, work: Work) {
        self.0.spawn_blocking(move || work()());
    }

    fn sleep(&self, duration: Duration) -> Task {
        let _runtime = self.0.enter();
        Box::pin(tokio::time::sleep(duration))
    }
}

/// What work that may block for long gives; `None` if it panicked, or the runtime is gone.
pub(crate) async fn blocking<T: Send + 'static>(
    tasks: &dyn Tasks,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    tasks.spawn_blocking(Box::new(move || {
        let result = work();
        Box::new(move || {
            // Who asked may have given up.
            let _ = sender.send(result);
        })
    }));
    receiver.await.ok()
}

impl Node {
    /// The runtime.
    pub(crate) fn tasks(&self) -> &dyn Tasks {
        &*self.0.tasks
    }

    /// What work that may block for long gives, carried out beside the tasks; `None` when the runtime
    /// is gone.
    ///
    /// # Panics
    /// When the work does.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let caught = move || catch_unwind(AssertUnwindSafe(work));
        match blocking(self.tasks(), caught).await? {
            Ok(result) => Some(result),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Resolves after a while.
    pub(crate) fn sleep(&self, duration: Duration) -> Task {
        self.tasks().sleep(duration)
    }

    /// What a future resolves to within a time.
    pub(crate) fn timeout<F: Future>(&self, limit: Duration, future: F) -> Timeout<F> {
        env::timeout(self.tasks(), limit, future)
    }
}
