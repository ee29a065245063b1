//! zap's levels.

use std::fmt;
use std::str::FromStr;

/// zap's levels, least severe first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Level {
    /// For developers.
    Debug,
    /// Normal operation.
    Info,
    /// Something to watch.
    Warn,
    /// A human must look.
    Error,
    /// A bug that a development build would panic on.
    DPanic,
    /// Before a panic.
    Panic,
    /// Before the end of the process.
    Fatal,
}

/// All levels, by their number.
pub const LEVELS: [Level; 7] = [
    Level::Debug,
    Level::Info,
    Level::Warn,
    Level::Error,
    Level::DPanic,
    Level::Panic,
    Level::Fatal,
];

/// A level's name that zap does not know; prints zap's own words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownLevel(pub String);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unrecognized level: {:?}", self.0)
    }
}

impl std::error::Error for UnknownLevel {}

impl Level {
    /// The name in a log line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::DPanic => "dpanic",
            Self::Panic => "panic",
            Self::Fatal => "fatal",
        }
    }

    /// The least severe `tracing` level that this one lets through. Events above `error` arrive as
    /// errors with another name, so those must pass.
    pub(super) const fn tracing(self) -> tracing::Level {
        match self {
            Self::Debug => tracing::Level::DEBUG,
            Self::Info => tracing::Level::INFO,
            Self::Warn => tracing::Level::WARN,
            Self::Error | Self::DPanic | Self::Panic | Self::Fatal => tracing::Level::ERROR,
        }
    }
}

impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    /// Reads a name in any case; an empty one is `info`, as in zap.
    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "" => Ok(Self::Info),
            "warning" => Ok(Self::Warn),
            _ => {
                let found = LEVELS.into_iter().find(|level| level.name() == lower);
                found.ok_or_else(|| UnknownLevel(name.to_owned()))
            }
        }
    }
}
