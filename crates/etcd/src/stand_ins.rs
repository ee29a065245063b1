//! Metrics of parts that Go's server has and this one has not, under their names, since dashboards
//! and alerts ask for them: Go's runtime, the store of API v2, the gRPC proxy.
//!
//! Each tells what comes nearest to it here, or zero where there is no such thing.

use telemetry::{Kind, Registry};
use tokio::runtime::Handle;

use crate::process;

/// Gauges without anything here that they could tell.
const ZERO_GAUGES: &[&str] = &[
    "etcd_debugging_store_watchers",
    "etcd_grpc_proxy_cache_hits_total",
    "etcd_grpc_proxy_cache_keys_total",
    "etcd_grpc_proxy_cache_misses_total",
    "etcd_grpc_proxy_watchers_coalescing_total",
    "go_gc_gogc_percent",
    "go_gc_gomemlimit_bytes",
    "go_memstats_buck_hash_sys_bytes",
    "go_memstats_gc_sys_bytes",
    "go_memstats_heap_idle_bytes",
    "go_memstats_heap_objects",
    "go_memstats_heap_released_bytes",
    "go_memstats_last_gc_time_seconds",
    "go_memstats_mcache_inuse_bytes",
    "go_memstats_mcache_sys_bytes",
    "go_memstats_mspan_inuse_bytes",
    "go_memstats_mspan_sys_bytes",
    "go_memstats_next_gc_bytes",
    "go_memstats_other_sys_bytes",
    "go_memstats_stack_inuse_bytes",
    "go_memstats_stack_sys_bytes",
];

/// Counters without anything here that they could count.
const ZERO_COUNTERS: &[&str] = &[
    "etcd_debugging_store_expires_total",
    "etcd_debugging_store_watch_requests_total",
    "etcd_grpc_proxy_events_coalescing_total",
    "go_memstats_alloc_bytes_total",
    "go_memstats_frees_total",
    "go_memstats_mallocs_total",
];

/// Gauges of Go's heap: here all of the process's memory.
const HEAP_GAUGES: &[&str] = &[
    "go_memstats_alloc_bytes",
    "go_memstats_heap_alloc_bytes",
    "go_memstats_heap_inuse_bytes",
    "go_memstats_heap_sys_bytes",
    "go_memstats_sys_bytes",
];

const NOTHING: &str = "Always 0: this server has no such thing, or does not count it.";
const HEAP: &str = "Memory of the process that is in RAM.";

/// Registers them; to be called within the runtime that serves.
pub fn register(registry: &Registry) {
    for name in ZERO_GAUGES {
        registry.gauge_fn(name, NOTHING, || 0.0);
    }
    for name in ZERO_COUNTERS {
        registry.counter_fn(name, NOTHING, || 0.0);
    }
    for name in HEAP_GAUGES {
        registry.gauge_fn(name, HEAP, || process::resident_bytes().unwrap_or_default());
    }
    registry.collect("go_gc_duration_seconds", NOTHING, Kind::Summary, |samples| {
        for quantile in ["0", "0.25", "0.5", "0.75", "1"] {
            samples.add("", &[("quantile", quantile)], 0.0);
        }
        samples.add("_sum", &[], 0.0);
        samples.add("_count", &[], 0.0);
    });
    one(registry, "go_info", "What this server is made with.", "version");
    one(registry, "etcd_server_go_version", "What this server is made with.", "server_go_version");
    registry.gauge_fn("go_threads", "Threads of the process.", || {
        process::threads().unwrap_or_default()
    });
    let runtime = Handle::current().metrics();
    let workers = runtime.clone();
    registry.gauge_fn("go_goroutines", "Tasks of the network runtime.", move || {
        runtime.num_alive_tasks() as f64
    });
    registry.gauge_fn(
        "go_sched_gomaxprocs_threads",
        "Threads that the network runtime's tasks share.",
        move || workers.num_workers() as f64,
    );
}

/// A gauge of 1 with a label for the version.
fn one(registry: &Registry, name: &'static str, help: &'static str, label: &'static str) {
    registry.gauges(name, help, &[label]).with(&[config::GO_VERSION]).set(1.0);
}
