//! The load tool: the same requests to one server after another, with the server's own cost.
//!
//! Figures: requests per second, latency at quantiles, CPU seconds of the server per 100,000
//! requests and its resident memory (both only when the server's process id is given).

mod latency;
mod load;
mod process;
mod workload;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures an etcd server.
#[derive(Parser, Debug)]
#[command(name = "benchmark", version)]
struct Arguments {
    /// The server's client address.
    #[arg(long, global = true, default_value = "127.0.0.1:2379")]
    endpoint: String,
    /// The server's process id, to read its CPU time and memory.
    #[arg(long, global = true)]
    pid: Option<u32>,
    /// Concurrent clients: each has one request on its way.
    #[arg(long, global = true, default_value_t = 1)]
    clients: usize,
    /// Connections that the clients share.
    #[arg(long, global = true, default_value_t = 1)]
    conns: usize,
    /// Requests in all.
    #[arg(long, global = true, default_value_t = 10_000)]
    total: u64,
    #[command(subcommand)]
    workload: Workload,
}

/// What to send.
#[derive(Subcommand, Clone, Debug)]
enum Workload {
    /// Puts.
    Put {
        /// Bytes of a key.
        #[arg(long, default_value_t = 8)]
        key_size: usize,
        /// Bytes of a value.
        #[arg(long, default_value_t = 8)]
        val_size: usize,
        /// How many keys there are; request n goes to key n modulo this.
        #[arg(long, default_value_t = 1)]
        key_space_size: u64,
    },
    /// Ranges.
    Range {
        /// The first key.
        key: String,
        /// The end of the range, exclusive; none for the one key.
        range_end: Option<String>,
        /// At most this many keys; 0 for all.
        #[arg(long, default_value_t = 0)]
        limit: i64,
        /// At this revision; 0 for the newest.
        #[arg(long, default_value_t = 0)]
        rev: i64,
        /// `l` linearizable or `s` serializable.
        #[arg(long, default_value = "l")]
        consistency: String,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(load::run(&arguments))?;
    println!("{report}");
    Ok(())
}
