//! How the process is told to stop, and how it ends then.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

/// A signal that stops the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The usual way.
    Terminate,
}

impl Signal {
    const fn number(self) -> i32 {
        match self {
            Self::Interrupt => signal_hook::consts::SIGINT,
            Self::Terminate => signal_hook::consts::SIGTERM,
        }
    }

    /// Go's name for it, as its log line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupt",
            Self::Terminate => "terminated",
        }
    }

    /// Ends the process as Go's etcd does: by the signal, so that whoever started it sees that; as
    /// the first process of a container, where a signal's default action is nothing, by code 0.
    pub fn end(self) -> ExitCode {
        if std::process::id() != 1 {
            // Returns only if the signal could not be raised.
            let _ = signal_hook::low_level::emulate_default_handler(self.number());
        }
        ExitCode::SUCCESS
    }
}

/// Lets a write that would make a file longer than this process may (`ulimit -f`, `LimitFSIZE`)
/// fail like any other, with the reason, in the place of the signal that ends the process without
/// one.
///
/// # Errors
/// When the system does not let the signal be caught.
pub fn let_long_files_fail() -> std::io::Result<()> {
    let caught = std::sync::Arc::default();
    signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), caught).map(|_| ())
}

/// Waits for one.
///
/// # Errors
/// When the system does not let signals be caught.
pub async fn wait() -> std::io::Result<Signal> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    })
}
