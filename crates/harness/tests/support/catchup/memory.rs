//! The memory of a process that no file stands behind (`RssAnon`), over a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// From one look to the next.
const PERIOD: Duration = Duration::from_millis(10);

/// A process that is looked at until [`Watched::finish`].
pub struct Watched {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

/// What was seen, in MiB.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The middle of all looks.
    pub usual: f64,
    pub peak: f64,
}

impl Watched {
    pub fn new(pid: u32) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            loop {
                seen.push(anonymous_kib(pid));
                if told.load(Ordering::Relaxed) {
                    return seen;
                }
                std::thread::sleep(PERIOD);
            }
        });
        Self { over, thread }
    }

    pub fn finish(self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        let mut seen = self.thread.join().unwrap();
        seen.sort_unstable();
        let mib = |kib: u64| kib as f64 / 1024.0;
        Seen { usual: mib(seen[seen.len() / 2]), peak: mib(*seen.last().unwrap()) }
    }
}

fn anonymous_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let text = line.expect("Linux tells it").trim().trim_end_matches(" kB");
    text.parse().unwrap()
}
