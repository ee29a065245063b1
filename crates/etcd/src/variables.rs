//! What `/debug/vars` tells of the process, under the names of Go's `expvar`.

use crate::process;

/// Numbers of Go's heap: here all of the process's memory.
const HEAP: [&str; 6] = ["Alloc", "TotalAlloc", "Sys", "HeapAlloc", "HeapSys", "HeapInuse"];

/// Numbers of Go's runtime without anything here that they could tell.
#[rustfmt::skip]
const NOTHING: [&str; 19] = [
    "Lookups", "Mallocs", "Frees", "HeapIdle", "HeapReleased", "HeapObjects", "StackInuse",
    "StackSys", "MSpanInuse", "MSpanSys", "MCacheInuse", "MCacheSys", "BuckHashSys", "GCSys",
    "OtherSys", "NextGC", "LastGC", "PauseTotalNs", "NumGC",
];

/// Members of a JSON object, sorted by name.
pub fn of_process() -> String {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let line = telemetry::json_strings(arguments);
    let descriptors = process::descriptors_max();
    let resident = process::resident_bytes().unwrap_or(0.0) as u64;
    let heap = HEAP.iter().map(|name| format!("\"{name}\":{resident}"));
    let nothing = NOTHING.iter().map(|name| format!("\"{name}\":0"));
    let memory: Vec<String> = heap.chain(nothing).collect();
    format!(
        "\"cmdline\": {line},\n\"file_descriptor_limit\": {descriptors},\n\"memstats\": {{{}}}",
        memory.join(",")
    )
}
