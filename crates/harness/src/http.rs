//! Just enough of an HTTP client to ask a server how it is.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// Its bytes as text, chunk sizes of a chunked body included.
    pub body: String,
}

/// Asks for a path on 127.0.0.1.
///
/// # Errors
/// If nobody answers in 5 s.
pub fn http_get(port: u16, path: &str) -> Result<HttpReply> {
    http_get_at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), path)
}

/// Asks for a path anywhere.
///
/// # Errors
/// If nobody answers in 5 s.
pub fn http_get_at(address: SocketAddr, path: &str) -> Result<HttpReply> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE)).context("set a timeout")?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).context("ask")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).context("read the answer")?;
    let reply = String::from_utf8_lossy(&reply);
    let (head, body) = reply.split_once("\r\n\r\n").context("an answer without an end of head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(HttpReply { status: status.context("an answer without a status")?, body: body.to_owned() })
}
