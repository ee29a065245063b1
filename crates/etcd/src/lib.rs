//! The server: reads its flags, starts a member, puts listeners in front of it, and stops in order
//! when it is told to.
//!
//! Wiring only: what each part does is in its own crate. The program is [`main`] over the machine's
//! disk; tests run the same over one that fails.

mod descriptors;
#[cfg(feature = "failpoints")]
mod failpoints;
mod http2_debug;
mod listeners;
mod logs;
mod member;
mod network;
mod notify;
mod peer;
mod process;
mod run;
mod service;
mod signals;
mod stand_ins;
mod start_line;
mod system;
mod variables;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use config::{Logging, Notice, Outcome, Surroundings};
use env::{Disk, OpenMode};

use crate::system::words;

/// Reads the process's arguments and environment and runs the server over a disk, to its end.
#[must_use]
pub fn main(disk: Arc<dyn Disk>) -> ExitCode {
    #[cfg(feature = "failpoints")]
    if let Err(reason) = failpoints::start() {
        println!("{reason}");
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let read_file = &|path: &str| read_file(&*disk, path);
    let surroundings = Surroundings { variables, default_host: None, read_file };
    match config::parse(&arguments, &surroundings) {
        Outcome::Exit { code, stdout, stderr } => {
            // Nobody is left to tell that the output is closed.
            let _ = std::io::stdout().write_all(stdout.as_bytes());
            let _ = std::io::stderr().write_all(stderr.as_bytes());
            ExitCode::from(code)
        }
        Outcome::Refused { logging, notices, reason } => match logs::install(&logging) {
            Ok(()) => refuse(&notices, &reason),
            Err(error) => refuse_log(&notices, &error),
        },
        Outcome::Start { config, notices } => {
            if let Err(error) = logs::install(&config.logging) {
                return refuse_log(&notices, &error);
            }
            notices.iter().for_each(Notice::log);
            run::run(&config, disk)
        }
    }
}

/// Most bytes that are read of a configuration file.
const CONFIG_FILE_BYTES_MAX: u64 = 1 << 20;

/// A configuration file, or what is wrong with it in Go's words.
fn read_file(disk: &dyn Disk, path: &str) -> Result<Vec<u8>, String> {
    let fault = |what: &str, error: &std::io::Error| format!("{what} {path}: {}", words(error));
    let file = disk.open(path.as_ref(), OpenMode::Read).map_err(|error| fault("open", &error))?;
    let length = file.len().map_err(|error| fault("stat", &error))?.min(CONFIG_FILE_BYTES_MAX);
    let mut content = vec![0; length as usize];
    let read = file.read_at(&mut content, 0).map_err(|error| fault("read", &error))?;
    content.truncate(read);
    Ok(content)
}

/// Ends for flags that are wrong.
fn refuse(notices: &[Notice], reason: &config::Error) -> ExitCode {
    notices.iter().for_each(Notice::log);
    reason.log();
    ExitCode::FAILURE
}

/// Ends for a log that cannot be opened; says so where logs go by default.
fn refuse_log(notices: &[Notice], error: &logs::Error) -> ExitCode {
    // Standard error is always open.
    let _ = logs::install(&Logging::default());
    refuse(notices, &config::Error::Invalid(error.to_string()))
}
