//! The load tool: the same requests to one server, or to the members of a cluster, with the
//! servers' own cost.
//!
//! Figures: requests per second, latency at quantiles, and for each server whose process id is
//! given its CPU seconds per 100,000 requests and its resident memory.

mod latency;
mod load;
mod process;
mod report;
mod unary;
mod watch;
mod workload;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures etcd servers.
#[derive(Parser, Debug)]
#[command(name = "benchmark", version)]
struct Arguments {
    /// The servers' client addresses, separated by commas; connections go to them in turn.
    #[arg(long, global = true, value_delimiter = ',', default_value = "127.0.0.1:2379")]
    endpoints: Vec<String>,
    /// The servers' process ids, separated by commas, to read their CPU time and memory.
    #[arg(long, global = true, value_delimiter = ',')]
    pids: Vec<u32>,
    /// Concurrent clients: each has one request on its way.
    #[arg(long, global = true, default_value_t = 1)]
    clients: usize,
    /// Connections that the clients share.
    #[arg(long, global = true, default_value_t = 1)]
    conns: usize,
    /// Requests in all, after those of the warm-up.
    #[arg(long, global = true, default_value_t = 10_000)]
    total: u64,
    /// Requests that are sent first and not counted, of the same kind.
    #[arg(long, global = true, default_value_t = 0)]
    warm_up: u64,
    /// How to print the figures.
    #[arg(long, global = true, default_value = "simple")]
    format: Format,
    #[command(subcommand)]
    workload: Workload,
}

impl Arguments {
    /// The address for each connection.
    fn endpoints_of_connections(&self) -> impl Iterator<Item = &str> {
        self.endpoints.iter().map(String::as_str).cycle().take(self.conns.max(1))
    }
}

/// How to print.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// A line for readers.
    Simple,
    /// An object for programs.
    Json,
}

/// What to send.
#[derive(Subcommand, Clone, Debug)]
enum Workload {
    /// Puts.
    Put {
        /// Bytes of a key, without its suffix.
        #[arg(long, default_value_t = 8)]
        key_size: usize,
        /// Bytes of a value.
        #[arg(long, default_value_t = 8)]
        val_size: usize,
        /// How many keys there are; request n goes to key n times the stride modulo this.
        #[arg(long, default_value_t = 1)]
        key_space_size: u64,
        /// From the key of one request to that of the next.
        #[arg(long, default_value_t = 1)]
        key_stride: u64,
        /// Behind each key.
        #[arg(long, default_value = "")]
        key_suffix: String,
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
    /// Puts to one key that many watch. Counts events; latency is from put to event.
    Watch {
        /// Streams, spread over the connections.
        #[arg(long, default_value_t = 4)]
        streams: usize,
        /// Watches, spread over the streams.
        #[arg(long, default_value_t = 1000)]
        watchers: usize,
        /// Bytes of a value, at least eight.
        #[arg(long, default_value_t = 64)]
        val_size: usize,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(load::run(&arguments))?;
    match arguments.format {
        Format::Simple => println!("{report}"),
        Format::Json => println!("{}", serde_json::to_string(&report.figures())?),
    }
    Ok(())
}
