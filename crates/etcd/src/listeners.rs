//! The listeners: one service on all client addresses, another on the peers'.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use api::Server;
use config::Config;
use httpd::{Address, Endpoints, Listener};
use membership::Url;
use rpc::Grpc;
use telemetry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::peer::PeerService;
use crate::service::ClientService;

/// The bound sockets of a member.
pub struct Listeners {
    clients: Vec<(Url, Listener)>,
    peers: Vec<(Url, Listener)>,
}

/// Why there are no listeners.
#[derive(Debug, thiserror::Error)]
#[error("listen {url}: {source}")]
pub struct Error {
    url: Url,
    source: io::Error,
}

impl Listeners {
    /// Binds all addresses, before anything else of the member is touched.
    ///
    /// # Errors
    /// Of the first address that cannot be bound.
    pub async fn bind(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            clients: bind_all(&config.listen_client_urls).await?,
            peers: bind_all(&config.listen_peer_urls).await?,
        })
    }

    /// Serves peers until `stop` turns true.
    pub fn serve_peers(
        &mut self,
        config: &Config,
        service: &PeerService,
        stop: &watch::Receiver<bool>,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for (url, listener) in self.peers.drain(..) {
            tracing::info!(address = %url, "serving peer traffic");
            tasks.spawn(httpd::serve(listener, service.clone(), limits(config), stop.clone()));
        }
        tasks
    }

    /// Serves clients until `stop` turns true.
    pub fn serve_clients(
        &mut self,
        config: &Config,
        server: Server,
        registry: &Registry,
        stop: &watch::Receiver<bool>,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let request_bytes_max = usize::try_from(config.max_request_bytes).unwrap_or(usize::MAX);
        let server = Arc::new(server);
        let grpc = Grpc::new(Arc::clone(&server), rpc::Limits { request_bytes_max }, registry);
        let endpoints = Endpoints::new(server, registry.clone());
        for (url, listener) in self.clients.drain(..) {
            let service = ClientService::new(grpc.clone(), endpoints.clone());
            tracing::info!(address = %url, "serving client traffic insecurely; this is strongly \
                discouraged!");
            tasks.spawn(httpd::serve(listener, service, limits(config), stop.clone()));
        }
        tasks
    }
}

fn limits(config: &Config) -> httpd::Limits {
    httpd::Limits { concurrent_streams_max: config.max_concurrent_streams }
}

async fn bind_all(urls: &[Url]) -> Result<Vec<(Url, Listener)>, Error> {
    let mut listeners = Vec::new();
    for url in urls {
        let fail = |source| Error { url: url.clone(), source };
        let address = address(url).await.map_err(fail)?;
        listeners.push((url.clone(), Listener::bind(&address).await.map_err(fail)?));
    }
    Ok(listeners)
}

/// Where a URL says to listen: a name is looked up here, once.
async fn address(url: &Url) -> io::Result<Address> {
    if let Some(path) = url.socket_path() {
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    let mut found = tokio::net::lookup_host(url.host()).await?;
    let first: Option<SocketAddr> = found.next();
    let missing = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    first.map(Address::Tcp).ok_or_else(missing)
}
