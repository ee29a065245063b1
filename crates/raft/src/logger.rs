//! Where the core's log lines go.
//!
//! The texts are those of etcd's raft library, since operators and tests know them. A line is
//! formatted only if its level is wanted. Knows no clock and no output.

use std::fmt;
use std::sync::Arc;

/// How much a line matters, least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Level {
    /// For someone who follows the algorithm.
    Debug,
    /// Changes of role, term and configuration.
    Info,
    /// Something was refused or given up.
    Warn,
    /// A message or a state that should not exist.
    Error,
}

/// Takes log lines.
pub trait Logger: Send + Sync {
    /// Whether lines of this level are wanted at all.
    fn enabled(&self, level: Level) -> bool;

    /// Takes one line, without a newline at its end.
    fn log(&self, level: Level, line: fmt::Arguments<'_>);
}

/// Drops every line.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLogger;

impl Logger for NoLogger {
    fn enabled(&self, _: Level) -> bool {
        false
    }

    fn log(&self, _: Level, _: fmt::Arguments<'_>) {}
}

/// The sink that the parts of one member share.
#[derive(Clone)]
pub(crate) struct Log(pub(crate) Arc<dyn Logger>);

impl Log {
    pub(crate) fn line(&self, level: Level, line: fmt::Arguments<'_>) {
        if self.0.enabled(level) {
            self.0.log(level, line);
        }
    }
}

macro_rules! debug {
    ($log:expr, $($arg:tt)+) => { $log.line($crate::Level::Debug, format_args!($($arg)+)) };
}
macro_rules! info {
    ($log:expr, $($arg:tt)+) => { $log.line($crate::Level::Info, format_args!($($arg)+)) };
}
macro_rules! warning {
    ($log:expr, $($arg:tt)+) => { $log.line($crate::Level::Warn, format_args!($($arg)+)) };
}
macro_rules! error {
    ($log:expr, $($arg:tt)+) => { $log.line($crate::Level::Error, format_args!($($arg)+)) };
}
pub(crate) use {debug, error, info, warning};
