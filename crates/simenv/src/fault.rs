//! What can go wrong with an operation, and who decides that it does.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// What is asked of the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operation {
    /// A file that is there is opened.
    Open,
    /// A file or directory is made.
    Create,
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// A length is set, or space reserved.
    Resize,
    /// A file is synced.
    Sync,
    /// A name is changed.
    Rename,
    /// A name is removed.
    Remove,
    /// A directory is synced.
    SyncDir,
}

impl Operation {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Create,
        Self::Read,
        Self::Write,
        Self::Resize,
        Self::Sync,
        Self::Rename,
        Self::Remove,
        Self::SyncDir,
    ];

    /// Whether it leaves the disk as it is.
    #[must_use]
    pub const fn only_looks(self) -> bool {
        matches!(self, Self::Open | Self::Read)
    }
}

/// What happens to an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It gives an error and has done nothing. After a failed sync of a file nothing is known of the
    /// writes before it, and a later sync that goes well says nothing of them: the system takes them
    /// for written. They go on being read, until the system is told to forget them.
    Error(ErrorKind),
    /// A write gives an error, and its first half is done. Other operations: as
    /// [`Error`](Self::Error).
    Half(ErrorKind),
    /// It takes so much longer.
    Slow(Duration),
    /// It is told to be done, and nothing is: a sync that made nothing durable, a write that never
    /// arrived.
    Lie,
}

/// Asked before every operation.
pub(crate) type Decider = Box<dyn FnMut(Operation, &Path) -> Option<Fault> + Send>;

/// How long operations take.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Each operation.
    pub operation: Duration,
    /// A sync.
    pub sync: Duration,
    /// A byte read or written, in nanoseconds.
    pub byte_nanos: u64,
}

impl Default for Latency {
    fn default() -> Self {
        let (operation, sync) = (Duration::from_micros(5), Duration::from_millis(1));
        Self { operation, sync, byte_nanos: 1 }
    }
}

impl Latency {
    pub(crate) fn of(&self, operation: Operation, bytes: usize) -> Duration {
        match operation {
            Operation::Sync | Operation::SyncDir => self.sync,
            _ => self.operation + Duration::from_nanos(self.byte_nanos * bytes as u64),
        }
    }
}

/// What was done and what went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Operations by kind, in the order of [`Operation::ALL`].
    operations: [u64; Operation::ALL.len()],
    /// Faults by kind: errors, half writes, slow ones, lies.
    pub errors: u64,
    /// Writes that were half done.
    pub halves: u64,
    /// Operations that took longer.
    pub slow: u64,
    /// Operations that were told to be done and were not.
    pub lies: u64,
    /// Writes refused for want of room.
    pub full: u64,
}

impl Counts {
    /// How often an operation was asked for.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.operations[operation as usize]
    }

    pub(crate) fn add(&mut self, operation: Operation) {
        self.operations[operation as usize] += 1;
    }

    pub(crate) fn add_fault(&mut self, fault: Fault) {
        match fault {
            Fault::Error(_) => self.errors += 1,
            Fault::Half(_) => self.halves += 1,
            Fault::Slow(_) => self.slow += 1,
            Fault::Lie => self.lies += 1,
        }
    }
}
