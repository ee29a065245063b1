//! Tells the service manager that the server is ready: `READY=1` to the socket that `NOTIFY_SOCKET`
//! names, as systemd's `Type=notify` units wait for.
//!
//! Knows nothing of the server. Without the variable nothing is sent.

use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Result};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

const READY: &[u8] = b"READY=1";

/// Tells it, and says so in the log.
pub fn ready() {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    tracing::info!("notifying init daemon");
    match send(&socket) {
        Ok(()) => tracing::info!("successfully notified init daemon"),
        Err(error) => tracing::error!(%error, "failed to notify systemd for readiness"),
    }
}

/// Sends to a socket in the file system, or to an abstract one, whose name begins with `@`.
fn send(socket: &OsStr) -> Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    // The server is not held up by a service manager that does not read.
    sender.set_nonblocking(true)?;
    match sender.send_to_addr(READY, &address)? {
        sent if sent == READY.len() => Ok(()),
        _ => Err(Error::from(ErrorKind::WriteZero)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::Folder;

    fn received(manager: &UnixDatagram) -> Vec<u8> {
        manager.set_nonblocking(true).unwrap();
        let mut message = [0; 64];
        let length = manager.recv(&mut message).unwrap();
        message[..length].to_vec()
    }

    #[test]
    fn readiness_goes_to_the_socket_at_a_path() {
        let folder = Folder::new("notify").unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str()).unwrap();
        assert_eq!(received(&manager), b"READY=1");
    }

    #[test]
    fn readiness_goes_to_an_abstract_socket() {
        let name = format!("oxetcd-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}"))).unwrap();
        assert_eq!(received(&manager), b"READY=1");
    }

    #[test]
    fn a_socket_that_is_not_there_is_an_error() {
        let folder = Folder::new("notify").unwrap();
        let error = send(folder.path().join("none").as_os_str()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
