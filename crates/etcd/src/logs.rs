//! The process's logger, as the flags say.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::system;
use config::{LogOutput, Logging};
use env::{Clock, RealClock};
use telemetry::{Logger, LoggerOptions, Timestamp};

/// Libraries that have a line for every frame.
const QUIET: [&str; 5] = ["h2", "hyper", "hyper_util", "tower", "tonic"];

/// A file for the log that cannot be opened; in Go's words.
#[derive(Debug, thiserror::Error)]
#[error("open sink {path:?}: open {path}: {}", system::words(source))]
pub struct Error {
    path: String,
    source: io::Error,
}

/// Makes this the process's logger.
///
/// # Errors
/// When a file cannot be opened.
pub fn install(logging: &Logging) -> Result<(), Error> {
    let clock = RealClock::new();
    let sinks = logging.outputs.iter().map(sink).collect::<Result<Vec<_>, _>>()?;
    Logger::new(LoggerOptions {
        format: logging.format,
        level: logging.level,
        time: Box::new(move || Timestamp { unix_nanos: clock.wall().0, offset_seconds: 0 }),
        sinks,
        quiet: QUIET.to_vec(),
    })
    .install();
    Ok(())
}

fn sink(output: &LogOutput) -> Result<Box<dyn Write + Send>, Error> {
    Ok(match output {
        LogOutput::Stderr => Box::new(io::stderr()),
        LogOutput::Stdout => Box::new(io::stdout()),
        LogOutput::Nowhere => Box::new(io::sink()),
        LogOutput::File(path) => {
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
            Box::new(file.map_err(|source| Error { path: path.clone(), source })?)
        }
    })
}
