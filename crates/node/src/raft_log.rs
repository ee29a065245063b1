//! Raft's log lines as events.

use std::fmt::Arguments;

use raft::{Level, Logger};

/// Hands raft's lines on to `tracing`.
pub(crate) struct RaftLog;

impl Logger for RaftLog {
    fn enabled(&self, level: Level) -> bool {
        match level {
            Level::Debug => tracing::enabled!(tracing::Level::DEBUG),
            Level::Info => tracing::enabled!(tracing::Level::INFO),
            Level::Warn | Level::Error => true,
        }
    }

    fn log(&self, level: Level, line: Arguments<'_>) {
        match level {
            Level::Debug => tracing::debug!("{line}"),
            Level::Info => tracing::info!("{line}"),
            Level::Warn => tracing::warn!("{line}"),
            Level::Error => tracing::error!("{line}"),
        }
    }
}
