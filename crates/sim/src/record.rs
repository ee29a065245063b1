//! What the clients of a simulation saw, and what they share.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use checker::{Operation, Time, Watch};
use env::{Monotonic, Task, Tasks};

use crate::kernel::Kernel;
use crate::servers::Servers;

/// See the module.
pub struct Record {
    /// Time and chance.
    pub kernel: Kernel,
    /// The clients' runtime.
    pub tasks: Arc<dyn Tasks>,
    /// The members.
    pub servers: Arc<Servers>,
    ended: AtomicBool,
    /// How many clients that write have not ended.
    pub writing: AtomicU64,
    /// How many watches have not ended.
    pub watching: AtomicU64,
    /// What has been watched without a gap: only what is below may be compacted.
    pub recorded: AtomicI64,
    /// Watches up to here are complete; 0 while more is written.
    pub target: AtomicI64,
    /// An answer is lost, in millionths.
    pub loss: AtomicU64,
    seen: Mutex<Seen>,
}

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// Calls.
    pub operations: Vec<Operation>,
    /// Watches.
    pub watches: Vec<Watch>,
    /// Calls that were answered.
    pub answered: u64,
    /// Answers that were lost.
    pub lost: u64,
    /// Logins.
    pub logins: u64,
    /// Changes of users, roles and authentication that were asked for.
    pub auth_changes: u64,
}

impl Record {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(kernel: &Kernel, tasks: Arc<dyn Tasks>, servers: Arc<Servers>) -> Arc<Self> {
        Arc::new(Self {
            kernel: kernel.clone(),
            tasks,
            servers,
            ended: AtomicBool::new(false),
            writing: AtomicU64::new(0),
            watching: AtomicU64::new(0),
            recorded: AtomicI64::new(0),
            target: AtomicI64::new(0),
            loss: AtomicU64::new(0),
            seen: Mutex::default(),
        })
    }

    /// What was seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        Time(self.kernel.now().since(Monotonic(0)))
    }

    /// Ends the clients; watches go on.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether clients are to end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Resolves after a while.
    #[must_use]
    pub fn sleep(&self, time: Duration) -> Task {
        self.tasks.sleep(time)
    }
}
