//! What `/metrics` says of the process: `process_*` and `os_fd_*`, read from `/proc` when it is
//! asked for.
//!
//! Knows nothing of etcd. What cannot be read is left out.

use std::fs;

use rustix::process::{Resource, getrlimit};
use telemetry::{Kind, Registry};

/// Registers the metrics.
pub fn register(registry: &Registry) {
    let counter = |name, help, value: fn() -> Option<f64>| {
        optional(registry, name, help, Kind::Counter, value)
    };
    let gauge =
        |name, help, value: fn() -> Option<f64>| optional(registry, name, help, Kind::Gauge, value);
    counter("process_cpu_seconds_total", "CPU time used, user and system, in seconds.", || {
        Some(Stat::read()?.cpu_seconds())
    });
    gauge("process_start_time_seconds", "When the process began, in seconds of Unix time.", || {
        Some(boot_time()? + Stat::read()?.start_seconds())
    });
    gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", || {
        Some(Stat::read()?.resident_bytes())
    });
    gauge("process_virtual_memory_bytes", "Address space of the process.", || {
        Some(Stat::read()?.virtual_bytes)
    });
    gauge("process_virtual_memory_max_bytes", "Address space that the process may have.", || {
        limit(Resource::As)
    });
    gauge("process_max_fds", "File descriptors that the process may have.", || {
        limit(Resource::Nofile)
    });
    gauge("os_fd_limit", "File descriptors that the process may have.", || limit(Resource::Nofile));
    gauge("process_open_fds", "File descriptors that the process has.", open_descriptors);
    gauge("os_fd_used", "File descriptors that the process has.", open_descriptors);
    counter(
        "process_network_receive_bytes_total",
        "Bytes that came by IP in the network namespace of the process.",
        || octets("InOctets"),
    );
    counter(
        "process_network_transmit_bytes_total",
        "Bytes that left by IP in the network namespace of the process.",
        || octets("OutOctets"),
    );
}

/// How many threads the process has.
pub fn threads() -> Option<f64> {
    Some(Stat::read()?.threads)
}

/// How many file descriptors the process may have.
pub fn descriptors_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many bytes of the process are in RAM.
pub fn resident_bytes() -> Option<f64> {
    Some(Stat::read()?.resident_bytes())
}

fn optional(
    registry: &Registry,
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn() -> Option<f64>,
) {
    registry.collect(name, help, kind, move |samples| {
        if let Some(value) = value() {
            samples.add("", &[], value);
        }
    });
}

/// A line of `/proc/self/stat`.
struct Stat {
    cpu_ticks: f64,
    threads: f64,
    start_ticks: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Reads the fields behind the program's name, which may hold spaces and brackets.
    fn parse(line: &str) -> Option<Self> {
        /// The number of the first field behind the name, as `proc(5)` counts.
        const FIRST: usize = 3;
        let (_, behind) = line.rsplit_once(')')?;
        let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - FIRST)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }

    fn cpu_seconds(&self) -> f64 {
        self.cpu_ticks / ticks_per_second()
    }

    fn start_seconds(&self) -> f64 {
        self.start_ticks / ticks_per_second()
    }

    fn resident_bytes(&self) -> f64 {
        self.resident_pages * rustix::param::page_size() as f64
    }
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// When the machine began, in seconds of Unix time.
fn boot_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// A resource's limit; without one, what Prometheus' own library says: the largest number there is.
fn limit(resource: Resource) -> Option<f64> {
    Some(getrlimit(resource).current.unwrap_or(u64::MAX) as f64)
}

fn open_descriptors() -> Option<f64> {
    // The folder's own descriptor is open while it is read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn octets(name: &str) -> Option<f64> {
    of_table(&fs::read_to_string("/proc/self/net/netstat").ok()?, "IpExt:", name)
}

/// A value of a table whose lines come in pairs: names, then numbers.
fn of_table(text: &str, table: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines().filter(|line| line.starts_with(table));
    let (names, values) = (lines.next()?, lines.next()?);
    let position = names.split_ascii_whitespace().position(|other| other == name)?;
    values.split_ascii_whitespace().nth(position)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let line = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 9 0 500 4096 3 x";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.cpu_ticks, 42.0);
        assert_eq!((stat.threads, stat.start_ticks), (9.0, 500.0));
        assert_eq!((stat.virtual_bytes, stat.resident_pages), (4096.0, 3.0));
        assert!(Stat::parse("7 (etcd) S 1").is_none());
    }

    #[test]
    fn a_value_stands_below_its_name() {
        let text = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InPkts InOctets\nIpExt: 5 700\n";
        assert_eq!(of_table(text, "IpExt:", "InOctets"), Some(700.0));
        assert_eq!(of_table(text, "IpExt:", "OutOctets"), None);
    }

    #[test]
    fn all_of_it_can_be_read_here() {
        let registry = Registry::new();
        register(&registry);
        let text = registry.render();
        let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!(families, 11, "{text}");
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes ") > 0.0);
        assert!(value("process_open_fds ") < value("process_max_fds "));
        assert!(value("process_start_time_seconds ") > 1.7e9);
    }
}
