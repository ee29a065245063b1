//! What happens in the store: operations, compactions, leases, watches.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use env::Monotonic;
use mvcc::Counts;
use telemetry::{Counter, Gauge, Histogram, Registry, exponential_buckets};

/// The metrics of the store.
pub struct Store {
    ranges: Counter,
    puts: Counter,
    deletes: Counter,
    txns: Counter,
    put_bytes: Gauge,
    hash: Histogram,
    hash_revision: Histogram,
    index_pause: Histogram,
    compaction_pause: Histogram,
    compaction_total: Histogram,
    compaction_records: Counter,
    compaction_last: Gauge,
    /// When the compaction under way began.
    compaction_began: Mutex<Option<Monotonic>>,
}

impl Store {
    pub(super) fn new(registry: &Registry) -> Self {
        let hashes = exponential_buckets(0.01, 2.0, 15);
        Self {
            ranges: registry.counter("etcd_mvcc_range_total", "Ranges that were read."),
            puts: registry.counter("etcd_mvcc_put_total", "Puts that were applied."),
            deletes: registry.counter("etcd_mvcc_delete_total", "Deletes that were applied."),
            txns: registry
                .counter("etcd_mvcc_txn_total", "Transactions of more than one operation."),
            put_bytes: registry.gauge(
                "etcd_debugging_mvcc_total_put_size_in_bytes",
                "Bytes of all keys and values put.",
            ),
            hash: registry.histogram(
                "etcd_mvcc_hash_duration_seconds",
                "How long hashes of the database took.",
                &hashes,
            ),
            hash_revision: registry.histogram(
                "etcd_mvcc_hash_rev_duration_seconds",
                "How long hashes of the history took.",
                &hashes,
            ),
            index_pause: registry.histogram(
                "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
                "How long compactions kept others from being applied.",
                &exponential_buckets(0.5, 2.0, 14),
            ),
            compaction_pause: registry.histogram(
                "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
                "How long steps of compactions kept the database file busy.",
                &exponential_buckets(1.0, 2.0, 13),
            ),
            compaction_total: registry.histogram(
                "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
                "How long compactions of the database file took.",
                &exponential_buckets(100.0, 2.0, 14),
            ),
            compaction_records: registry.counter(
                "etcd_debugging_mvcc_db_compaction_keys_total",
                "Records that compactions removed.",
            ),
            compaction_last: registry.gauge(
                "etcd_debugging_mvcc_db_compaction_last",
                "When the last compaction ended, in seconds of Unix time; 0 for none since the start.",
            ),
            compaction_began: Mutex::new(None),
        }
    }

    /// Adds the operations of a request.
    pub fn count(&self, counts: Counts) {
        let pairs = [
            (&self.ranges, counts.ranges),
            (&self.puts, counts.puts),
            (&self.deletes, counts.deletes),
            (&self.txns, counts.txns),
        ];
        for (counter, count) in pairs.into_iter().filter(|(_, count)| *count > 0) {
            counter.add(count);
        }
        if counts.put_bytes > 0 {
            self.put_bytes.add(counts.put_bytes as f64);
        }
    }

    /// The database was hashed.
    pub fn hashed(&self, took: Duration) {
        self.hash.observe_duration(took);
    }

    /// The history was hashed.
    pub fn hashed_history(&self, took: Duration) {
        self.hash_revision.observe_duration(took);
    }

    /// A compaction was applied: its records are still there.
    pub(crate) fn compaction_applied(&self, took: Duration) {
        self.index_pause.observe(milliseconds(took));
    }

    /// A compaction begins to remove records.
    pub(crate) fn compaction_begins(&self, now: Monotonic) {
        *self.began() = Some(now);
    }

    /// A step of it removed records.
    pub(crate) fn compaction_step(&self, took: Duration, removed: usize) {
        self.compaction_pause.observe(milliseconds(took));
        self.compaction_records.add(removed as u64);
    }

    /// It has ended.
    pub(crate) fn compaction_ends(&self, now: Monotonic, unix_seconds: u64) {
        if let Some(began) = self.began().take() {
            self.compaction_total.observe(milliseconds(now.since(began)));
        }
        self.compaction_last.set(unix_seconds as f64);
    }

    fn began(&self) -> std::sync::MutexGuard<'_, Option<Monotonic>> {
        self.compaction_began.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The metrics of leases.
pub(crate) struct Leases {
    granted: Counter,
    revoked: Counter,
    renewed: Counter,
    expired: Counter,
    ttl: Histogram,
}

impl Leases {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            granted: registry
                .counter("etcd_debugging_lease_granted_total", "Leases that were granted."),
            revoked: registry
                .counter("etcd_debugging_lease_revoked_total", "Leases that were revoked."),
            renewed: registry.counter(
                "etcd_debugging_lease_renewed_total",
                "Renewals of leases by this member as the leader.",
            ),
            expired: registry
                .counter("etcd_debugging_server_lease_expired_total", "Leases that expired."),
            ttl: registry.histogram(
                "etcd_debugging_lease_ttl_total",
                "Times to live of leases, in seconds.",
                &exponential_buckets(1.0, 2.0, 24),
            ),
        }
    }

    pub(crate) fn granted(&self, ttl: i64) {
        self.granted.inc();
        self.ttl.observe(ttl as f64);
    }

    pub(crate) fn revoked(&self) {
        self.revoked.inc();
    }

    pub(crate) fn renewed(&self) {
        self.renewed.inc();
    }

    pub(crate) fn expired(&self, count: usize) {
        self.expired.add(count as u64);
    }
}

/// The metrics of watches.
pub struct Watches {
    streams: Gauge,
    watchers: Gauge,
    slow: Gauge,
    pending: Gauge,
    events: Counter,
    send: Histogram,
    send_per_event: Histogram,
    control: Histogram,
    progress: Histogram,
}

impl Watches {
    pub(super) fn new(registry: &Registry) -> Self {
        let durations = exponential_buckets(0.001, 2.0, 14);
        let histogram = |name, help| registry.histogram(name, help, &durations);
        Self {
            streams: registry
                .gauge("etcd_debugging_mvcc_watch_stream_total", "Streams of watches."),
            watchers: registry.gauge("etcd_debugging_mvcc_watcher_total", "Watches."),
            slow: registry
                .gauge("etcd_debugging_mvcc_slow_watcher_total", "Watches that are behind."),
            pending: registry.gauge(
                "etcd_debugging_mvcc_pending_events_total",
                "Events that wait for their streams.",
            ),
            events: registry
                .counter("etcd_debugging_mvcc_events_total", "Events that went to their streams."),
            send: histogram(
                "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds",
                "How long responses with events took from the hub to the transport.",
            ),
            send_per_event: histogram(
                "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds",
                "How long that was for each event.",
            ),
            control: histogram(
                "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds",
                "How long responses without events took from the hub to the transport.",
            ),
            progress: histogram(
                "etcd_debugging_server_watch_send_loop_progress_duration_seconds",
                "How long progress responses took from the hub to the transport.",
            ),
        }
    }

    /// How many streams and watches there are, and how many of these are behind.
    pub(crate) fn counts(&self, streams: usize, watchers: usize, behind: usize) {
        self.streams.set(streams as f64);
        self.watchers.set(watchers as f64);
        self.slow.set(behind as f64);
    }

    /// Events wait for their stream.
    pub(crate) fn queued(&self, events: usize) {
        if events > 0 {
            self.pending.add(events as f64);
        }
    }

    /// Their stream has ended.
    pub(crate) fn dropped(&self, events: usize) {
        if events > 0 {
            self.pending.add(-(events as f64));
        }
    }

    /// Their stream took them.
    pub(crate) fn taken(&self, events: usize) {
        if events > 0 {
            self.pending.add(-(events as f64));
            self.events.add(events as u64);
        }
    }

    /// A response left.
    pub fn sent(&self, kind: Sent, took: Duration) {
        match kind {
            Sent::Events(count) => {
                self.send.observe_duration(took);
                self.send_per_event.observe(took.as_secs_f64() / count.max(1) as f64);
            }
            Sent::Control => self.control.observe_duration(took),
            Sent::Progress => self.progress.observe_duration(took),
        }
    }
}

/// What a response of a watch holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// So many events.
    Events(usize),
    /// The beginning or the end of a watch.
    Control,
    /// How far the stream has been served.
    Progress,
}
