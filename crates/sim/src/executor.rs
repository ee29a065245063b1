//! Runs tasks on the simulation's one thread, each when its turn is chosen.
//!
//! Knows no time: what waits is woken.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

use crate::kernel::Owner;

/// A task. All run on one thread.
pub type Local = Pin<Box<dyn Future<Output = ()>>>;

/// A task's number.
pub type TaskId = u64;

/// The tasks that were woken and not polled since.
#[derive(Clone, Default)]
pub struct Woken(Arc<Mutex<Vec<TaskId>>>);

impl Woken {
    fn add(&self, id: TaskId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    fn take_into(&self, into: &mut Vec<TaskId>) {
        into.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whether a task is in the list of those that were woken.
struct Flag {
    id: TaskId,
    is_listed: AtomicBool,
    woken: Woken,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_listed.swap(true, Ordering::Relaxed) {
            self.woken.add(self.id);
        }
    }
}

struct Running {
    owner: Owner,
    task: Local,
    flag: Arc<Flag>,
    waker: Waker,
}

/// All tasks.
pub struct Executor {
    woken: Woken,
    tasks: BTreeMap<TaskId, Running>,
    next: TaskId,
    ready: Vec<TaskId>,
}

impl Executor {
    /// No tasks yet.
    #[must_use]
    pub const fn new(woken: Woken) -> Self {
        Self { woken, tasks: BTreeMap::new(), next: 0, ready: Vec::new() }
    }

    /// Adds a task.
    pub fn begin(&mut self, owner: Owner, task: Local) -> TaskId {
        let id = self.next;
        self.next += 1;
        let flag =
            Arc::new(Flag { id, is_listed: AtomicBool::new(true), woken: self.woken.clone() });
        let waker = Waker::from(Arc::clone(&flag));
        self.tasks.insert(id, Running { owner, task, flag, waker });
        self.ready.push(id);
        id
    }

    /// The tasks that want to be polled, with their owners.
    pub fn ready(&mut self) -> impl Iterator<Item = (TaskId, Owner)> {
        self.woken.take_into(&mut self.ready);
        let tasks = &self.tasks;
        self.ready.retain(|id| tasks.contains_key(id));
        // In which order a channel wakes those who wait for it may be chance that is not ours.
        self.ready.sort_unstable();
        self.ready.iter().map(|id| (*id, tasks[id].owner))
    }

    /// Polls a task; whether it has ended.
    pub fn poll(&mut self, id: TaskId) -> bool {
        self.ready.retain(|ready| *ready != id);
        let Some(running) = self.tasks.get_mut(&id) else { return true };
        running.flag.is_listed.store(false, Ordering::Relaxed);
        let mut context = Context::from_waker(&running.waker);
        let is_over = running.task.as_mut().poll(&mut context).is_ready();
        if is_over {
            self.tasks.remove(&id);
        }
        is_over
    }

    /// Ends all tasks of an owner.
    pub fn end(&mut self, owner: Owner) {
        self.tasks.retain(|_, running| running.owner != owner);
    }
}
