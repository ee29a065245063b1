//! What the process took so far, as the system tells it.

use std::time::Duration;

/// `/proc/self/stat` counts time in hundredths of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of all threads.
#[must_use]
pub fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    TICK * ticks
}

/// How much address space the process has now and had at most, in bytes. What is allocated at once
/// and large comes from the system, and shows in it.
#[must_use]
pub fn address_space() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or_default() << 10
    };
    (of("VmSize:"), of("VmPeak:"))
}
