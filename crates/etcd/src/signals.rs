//! How the process is told to stop, and how it ends then.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

/// The real-time signals that are free to use (signal(7)).
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

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

/// Lets the process live on with signals that Go programs take no notice of and that end others: a
/// tool that sends one to its servers means no harm. With them that of a file that grows longer than
/// it may (`ulimit -f`, `LimitFSIZE`): the write then fails like any other, with the reason.
///
/// # Errors
/// When the system does not let a signal be caught.
pub fn ignore_harmless() -> std::io::Result<()> {
    use rustix::process::Signal;
    let named = [
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::IO,
        Signal::POWER,
        Signal::XCPU,
        Signal::XFSZ,
    ];
    let seen = std::sync::Arc::default();
    for number in named.into_iter().map(Signal::as_raw).chain(REAL_TIME) {
        // Noted where nobody looks.
        signal_hook::flag::register(number, std::sync::Arc::clone(&seen))?;
    }
    Ok(())
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
