//! What all clients of a load share: the clock, the members, the end, and the record.

use crate::send::Failure;
use checker::{Hash, Member, Operation, Time, Watch};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub struct Shared {
    start: Instant,
    ended: AtomicBool,
    endpoints: RwLock<Vec<String>>,
    /// Members that are gone for good.
    removed: RwLock<Vec<Member>>,
    /// What has been watched without a gap: only what is below may be compacted.
    pub recorded: AtomicI64,
    /// The newest revision that anybody saw.
    pub newest: AtomicI64,
    /// Calls that were answered.
    pub answered: AtomicU64,
    /// Watches of this revision and beyond are complete; 0 while more is written.
    pub target: AtomicI64,
    record: Mutex<Record>,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Record {
    pub operations: Vec<Operation>,
    pub watches: Vec<Watch>,
    pub hashes: Vec<Hash>,
    pub starts: Vec<(Member, Time)>,
    pub failures: Vec<Failure>,
    /// Compactions after which every member gave its hash.
    pub compared: u64,
    /// Leases that were to be kept alive and ended nevertheless.
    pub kept_lost: u64,
    /// What could not be recorded.
    pub broken: Vec<String>,
}

impl Shared {
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            start: Instant::now(),
            ended: AtomicBool::new(false),
            endpoints: RwLock::new(endpoints),
            removed: RwLock::default(),
            recorded: AtomicI64::new(0),
            newest: AtomicI64::new(0),
            answered: AtomicU64::new(0),
            target: AtomicI64::new(0),
            record: Mutex::default(),
        }
    }

    /// The time since the beginning.
    pub fn now(&self) -> Time {
        Time(self.start.elapsed())
    }

    /// Ends the load; watches go on.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether the load has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Adds a member.
    pub fn add_member(&self, endpoint: String) -> Member {
        let mut endpoints = self.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        endpoints.push(endpoint);
        Member(endpoints.len() as u32 - 1)
    }

    /// Takes a member out for good.
    pub fn remove_member(&self, member: Member) {
        self.removed.write().unwrap_or_else(PoisonError::into_inner).push(member);
    }

    /// Whether a member was taken out.
    pub fn is_removed(&self, member: Member) -> bool {
        self.removed.read().unwrap_or_else(PoisonError::into_inner).contains(&member)
    }

    /// The members that are there, with their addresses.
    pub fn members(&self) -> Vec<(Member, String)> {
        let endpoints = self.endpoints.read().unwrap_or_else(PoisonError::into_inner).clone();
        let numbered = endpoints.into_iter().enumerate();
        let members = numbered.map(|(number, endpoint)| (Member(number as u32), endpoint));
        members.filter(|(member, _)| !self.is_removed(*member)).collect()
    }

    /// A member's address.
    pub fn endpoint(&self, member: Member) -> String {
        let endpoints = self.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        endpoints[member.0 as usize].clone()
    }

    /// Notes that a revision was seen.
    pub fn see(&self, revision: i64) {
        self.newest.fetch_max(revision, Ordering::Relaxed);
    }

    /// Adds to the record.
    pub fn record<T>(&self, add: impl FnOnce(&mut Record) -> T) -> T {
        add(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits, unless the load ends before.
    pub async fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.has_ended() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_millis(100))).await;
        }
    }
}
