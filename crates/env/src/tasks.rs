//! Work that goes on beside the caller's, and waiting: what a runtime offers.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// Something that goes on by itself.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime, as the layers above see it.
pub trait Tasks: Send + Sync + 'static {
    /// Lets a task go on beside the caller.
    fn spawn(&self, task: Task);

    /// Carries out work that may block for long, away from the tasks.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);

    /// Resolves after a while, counted from now.
    fn sleep(&self, duration: Duration) -> Task;
}

/// The time was up first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

/// What a future resolves to, if it does within a time.
///
/// # Errors
/// [`Elapsed`], and the future is dropped.
pub async fn timeout<T>(
    tasks: &dyn Tasks,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = tasks.sleep(limit);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => sleep.as_mut().poll(context).map(|()| Err(Elapsed)),
    })
    .await
}
