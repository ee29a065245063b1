//! Waits for the user to end a command.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{ERROR, Failure};

/// Waits for SIGINT or SIGTERM; gives the exit code that a shell shows for it.
///
/// # Errors
/// If they can't be caught.
pub async fn ended() -> Result<u8, Failure> {
    let caught = |kind| signal(kind).map_err(|error| Failure::new(ERROR, error));
    let mut interrupt = caught(SignalKind::interrupt())?;
    let mut terminate = caught(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    })
}
