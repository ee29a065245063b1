//! Connections to peers: how they are opened, and HTTP/1.1 over them.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use crate::address::{Address, PeerUrl};

/// How long a TCP connection may be idle before its other end is asked whether it lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;
/// How long an address is tried before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);
/// Names that are looked up at one time.
static LOOKUPS: Semaphore = Semaphore::const_new(16);

/// What a connection is made of.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection that is being opened.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send + 'a>>;

/// Opens connections.
pub trait Connector: Send + Sync + 'static {
    /// Opens a connection to a peer. The caller limits how long it may take.
    fn connect<'a>(&'a self, url: &'a PeerUrl) -> Connecting<'a>;
}

/// Opens connections without TLS.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Connector for Plain {
    fn connect<'a>(&'a self, url: &'a PeerUrl) -> Connecting<'a> {
        Box::pin(async move {
            if url.is_secure() {
                let reason = format!("{url}: there is no TLS here");
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
            let io: Box<dyn Io> = match url.address() {
                Address::Tcp { host, port } => {
                    let stream = dial(resolve(host, *port).await?).await?;
                    set_options(&stream)?;
                    Box::new(stream)
                }
                Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            };
            Ok(io)
        })
    }
}

/// The addresses of a host, at most [`ADDRESSES_MAX`].
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // A resolver that hangs holds a thread longer than anybody waits for it here.
    let turn = LOOKUPS.acquire().await.map_err(io::Error::other)?;
    let host = host.to_owned();
    let lookup = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let addresses = (host.as_str(), port).to_socket_addrs()?;
        Ok(addresses.take(ADDRESSES_MAX).collect())
    });
    lookup.await.map_err(io::Error::other)?
}

/// Connects to the first address that answers; each has a head start before the next.
async fn dial(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    if let [address] = addresses[..] {
        return TcpStream::connect(address).await;
    }
    let mut attempts = JoinSet::new();
    for (position, address) in (0..).zip(addresses) {
        attempts.spawn(async move {
            tokio::time::sleep(HEAD_START * position).await;
            TcpStream::connect(address).await
        });
    }
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "no such host");
    while let Some(attempt) = attempts.join_next().await {
        match attempt.map_err(io::Error::other) {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) | Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    Ok(sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?)
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection.
    #[error("dial {url}: {source}")]
    Connect {
        /// Where to.
        url: String,
        /// What the system says.
        source: io::Error,
    },
    /// The connection failed.
    #[error("{}", cause_of(.0))]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("{action}: i/o timeout")]
    Timeout {
        /// What did, as a verb in the present tense.
        action: &'static str,
    },
    /// The answer is larger than it may be, or its body broke off.
    #[error("read the answer's body: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// The request could not be put together.
    #[error("make a request: {0}")]
    Request(#[from] http::Error),
}

/// An error of hyper's with what caused it, which it does not print by itself.
fn cause_of(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What a request carries.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// An HTTP/1.1 connection. Closed when dropped, even amid an answer.
pub(crate) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    driver: AbortHandle,
}

impl Connection {
    /// Opens a connection within `timeout`.
    pub(crate) async fn open(
        connector: &dyn Connector,
        url: &PeerUrl,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let connected = tokio::time::timeout(timeout, connector.connect(url)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let io = connected.map_err(|source| Error::Connect { url: url.to_string(), source })?;
        let (sender, connection) = http1::handshake(TokioIo::new(io)).await?;
        // How it ends is told by the request that it carries.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, driver })
    }

    /// Whether another request can be sent.
    pub(crate) fn is_usable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request; the answer's body is read while this lives.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn names_lead_to_whichever_address_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let addresses = resolve("localhost", open.port()).await.unwrap();
        assert!(addresses.contains(&open), "{addresses:?}");
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let stream = dial(vec![closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        let refused = dial(vec![closed, closed]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(dial(Vec::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        let zoned = resolve("::1", 1).await.unwrap();
        assert_eq!(zoned, ["[::1]:1".parse().unwrap()]);
    }
}
