//! One connection to one endpoint, and what every call over it carries.
//!
//! Knows nothing of several endpoints, of users, or of trying again.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Endpoint, Uri};
use tonic::{Request, Status};

use crate::Error;

/// How long to wait for a connection unless told otherwise (etcdctl's default).
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Pings more often than this make Go's server close the connection with `too_many_pings`; gRPC's
/// Go client raises shorter times to it as well.
const KEEPALIVE_TIME_MIN: Duration = Duration::from_secs(10);

/// Windows for HTTP/2 flow control, in bytes; large lists and snapshots need more than the
/// protocol's 64 KiB.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// A connection to a member, which adds the token to each call.
pub type Channel = InterceptedService<tonic::transport::Channel, Credentials>;

/// How to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to wait for a connection.
    pub dial_timeout: Duration,
    /// The token that `Authenticate` gave.
    pub token: Option<String>,
    /// How long a connection with calls on it may be silent before it is pinged. Raised to 10 s.
    pub keepalive_time: Duration,
    /// How long the answer to a ping may take.
    pub keepalive_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dial_timeout: DIAL_TIMEOUT,
            token: None,
            keepalive_time: KEEPALIVE_TIME_MIN,
            keepalive_timeout: Duration::from_secs(6),
        }
    }
}

/// Adds the token and the version of the API to the metadata of a call. Clones share the token, so
/// that a renewed one reaches the connections that exist.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    token: Arc<RwLock<Option<MetadataValue<Ascii>>>>,
}

impl Credentials {
    /// Replaces the token.
    ///
    /// # Errors
    /// [`Error::Token`] if it can't be put into metadata.
    pub fn set(&self, token: Option<&str>) -> Result<(), Error> {
        let token = match token {
            Some(text) => Some(text.parse().map_err(|_| Error::Token)?),
            None => None,
        };
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let version = MetadataValue::from_static(proto::version::API);
        request.metadata_mut().insert("client-api-version", version);
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = token.as_ref() {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(request)
    }
}

/// Connects to one endpoint: `host:port`, `:port`, `http://host:port`, `unix://path` or `unix:path`.
///
/// # Errors
/// [`Error::Endpoint`] for what is no address, [`Error::Connect`] when nobody answers in time,
/// [`Error::Token`] for a token that can't be sent.
pub async fn connect(endpoint: &str, options: &Options) -> Result<Channel, Error> {
    let credentials = Credentials::default();
    credentials.set(options.token.as_deref())?;
    connect_as(endpoint, options, credentials).await
}

/// Connects with a token that may change later.
pub(crate) async fn connect_as(
    endpoint: &str,
    options: &Options,
    credentials: Credentials,
) -> Result<Channel, Error> {
    let bad = |reason: String| Error::Endpoint { endpoint: endpoint.to_owned(), reason };
    let failed = |source| Error::Connect { endpoint: endpoint.to_owned(), source };
    let channel = match unix_path(endpoint) {
        Some(path) => {
            let configured = configure(Endpoint::from_static("http://localhost"), options);
            let path = path.to_owned();
            let connector = tower::service_fn(move |_: Uri| {
                let path = path.clone();
                async move { tokio::net::UnixStream::connect(path).await.map(TokioIo::new) }
            });
            configured.connect_with_connector(connector).await.map_err(failed)?
        }
        None => {
            if endpoint.starts_with("https://") {
                return Err(bad("TLS is not there yet".to_owned()));
            }
            let (scheme, address) = endpoint.split_once("://").unwrap_or(("http", endpoint));
            // Without a host it is this machine.
            let host = if address.starts_with(':') { "localhost" } else { "" };
            let uri = format!("{scheme}://{host}{address}");
            let target = Endpoint::from_shared(uri).map_err(|error| bad(error.to_string()))?;
            configure(target, options).connect().await.map_err(failed)?
        }
    };
    Ok(InterceptedService::new(channel, credentials))
}

fn unix_path(endpoint: &str) -> Option<&str> {
    endpoint.strip_prefix("unix://").or_else(|| endpoint.strip_prefix("unix:"))
}

fn configure(endpoint: Endpoint, options: &Options) -> Endpoint {
    endpoint
        .connect_timeout(options.dial_timeout)
        .http2_keep_alive_interval(options.keepalive_time.max(KEEPALIVE_TIME_MIN))
        .keep_alive_timeout(options.keepalive_timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true)
}
