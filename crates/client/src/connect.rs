//! Endpoints, channels and the token that every call carries.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Endpoint, Uri};
use tonic::{Request, Status};

/// How long to wait for a connection unless told otherwise (etcdctl's default).
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Windows for HTTP/2 flow control, in bytes; large lists and snapshots need more than the
/// protocol's 64 KiB.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// A connection to one or several members, which adds the token to each call.
pub type Channel = InterceptedService<tonic::transport::Channel, Credentials>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint is not an address.
    #[error("{endpoint:?} is not an endpoint: {reason}")]
    Endpoint {
        /// As given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered.
    #[error("connect to {endpoint}: {source}")]
    Connect {
        /// As given.
        endpoint: String,
        /// What the transport said.
        source: tonic::transport::Error,
    },
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to wait for a connection.
    pub dial_timeout: Duration,
    /// The token that `Authenticate` gave.
    pub token: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { dial_timeout: DIAL_TIMEOUT, token: None }
    }
}

/// Adds the token to the metadata of a call.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    token: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        Ok(request)
    }
}

/// Connects to one endpoint: `host:port`, `http://host:port`, `unix://path` or `unixs://path`.
///
/// # Errors
/// [`Error::Endpoint`] for what is no address, [`Error::Connect`] when nobody answers in time.
pub async fn connect(endpoint: &str, options: &Options) -> Result<Channel, Error> {
    let bad = |reason: String| Error::Endpoint { endpoint: endpoint.to_owned(), reason };
    let failed = |source| Error::Connect { endpoint: endpoint.to_owned(), source };
    let token = match &options.token {
        Some(token) => Some(token.parse().map_err(|_| bad("the token is not text".to_owned()))?),
        None => None,
    };
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
            let uri = if endpoint.contains("://") {
                endpoint.to_owned()
            } else {
                format!("http://{endpoint}")
            };
            let target = Endpoint::from_shared(uri).map_err(|error| bad(error.to_string()))?;
            configure(target, options).connect().await.map_err(failed)?
        }
    };
    Ok(InterceptedService::new(channel, Credentials { token }))
}

fn unix_path(endpoint: &str) -> Option<&str> {
    endpoint.strip_prefix("unix://").or_else(|| endpoint.strip_prefix("unix:"))
}

fn configure(endpoint: Endpoint, options: &Options) -> Endpoint {
    endpoint
        .connect_timeout(options.dial_timeout)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .tcp_nodelay(true)
}
