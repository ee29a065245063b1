//! Writers: some that write a given amount at once, and some that go on until they are told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

use crate::support::Api;

/// As many at once fill a store.
const FILLERS: u64 = 128;
/// As many go on meanwhile.
const WRITERS: u64 = 8;
/// Keys that those who go on write to.
const KEYS: u64 = 1000;

/// Puts keys numbered from zero, each once, through all members.
pub async fn fill(endpoints: &[String], keys: u64, size: usize) {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for filler in 0..FILLERS {
        let endpoint = &endpoints[filler as usize % endpoints.len()];
        let (api, next) = (Api::connect(endpoint, None).await, Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= keys {
                    return;
                }
                let value = vec![number as u8; size];
                api.put(format!("filled/{number:010}").as_bytes(), &value).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// See the module.
pub struct Writers {
    over: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    tasks: JoinSet<Duration>,
}

impl Writers {
    pub async fn start(endpoints: &[String]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let written = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let api = Api::connect(&endpoints[writer as usize % endpoints.len()], None).await;
            tasks.spawn(write(api, writer, Arc::clone(&over), Arc::clone(&written)));
        }
        Self { over, written, tasks }
    }

    /// Puts so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Ends them; the longest that one of them waited for an answer.
    pub async fn finish(mut self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        while let Some(done) = self.tasks.join_next().await {
            longest = longest.max(done.unwrap());
        }
        longest
    }
}

async fn write(api: Api, writer: u64, over: Arc<AtomicBool>, written: Arc<AtomicU64>) -> Duration {
    let mut longest = Duration::ZERO;
    let mut number = writer;
    while !over.load(Ordering::Relaxed) {
        let key = format!("going-on/{:04}", number % KEYS);
        let start = Instant::now();
        api.put(key.as_bytes(), &number.to_be_bytes()).await.unwrap();
        longest = longest.max(start.elapsed());
        written.fetch_add(1, Ordering::Relaxed);
        number += WRITERS;
    }
    longest
}
