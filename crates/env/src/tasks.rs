//! Work that goes on beside the caller's, and waiting: what a runtime offers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

/// Something that goes on by itself.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Work that may block, and what is to be done with what came of it.
pub type Work = Box<dyn FnOnce() -> Box<dyn FnOnce() + Send> + Send>;

/// A runtime, as the layers above see it.
pub trait Tasks: Send + Sync + 'static {
    /// Lets a task go on beside the caller.
    fn spawn(&self, task: Task);

    /// Carries out work that may block for long, away from the tasks. It tells nobody of its outcome:
    /// what it gives does, called when the work is over.
    fn spawn_blocking(&self, work: Work);

    /// Resolves after a while, counted from now.
    fn sleep(&self, duration: Duration) -> Task;
}

/// The time was up first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

pin_project! {
    /// See [`timeout`].
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Task,
    }
}

/// What a future resolves to, if it does within a time; else [`Elapsed`].
pub fn timeout<F: Future>(tasks: &dyn Tasks, limit: Duration, future: F) -> Timeout<F> {
    Timeout { future, sleep: tasks.sleep(limit) }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.poll(context) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => this.sleep.as_mut().poll(context).map(|()| Err(Elapsed)),
        }
    }
}
