//! The listeners: one service on all client addresses, another on the peers'.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use api::Server;
use config::Config;
use httpd::{Address, Endpoints, Listener};
use membership::Url;
use rpc::Grpc;
use telemetry::Registry;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::peer::PeerService;
use crate::service::ClientService;
use crate::system;

/// The bound sockets of a member.
pub struct Listeners {
    clients: Vec<(Url, Listener)>,
    /// For clients' plain HTTP, if not among `clients`.
    http: Vec<(Url, Listener)>,
    metrics: Vec<(Url, Listener)>,
    peers: Vec<(Url, Listener)>,
    /// What clients' connections take, all together.
    client_connections: Arc<Semaphore>,
}

/// Why there are no listeners; in Go's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a port.
    #[error("listen tcp: address {0}: invalid port")]
    Port(String),
    /// The host is not known.
    #[error("listen tcp: lookup {host}: {}", system::words(source))]
    Host {
        /// Its name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be listened there.
    #[error("listen {network} {address}: bind: {}", system::words(source))]
    Bind {
        /// `tcp` or `unix`.
        network: &'static str,
        /// Where.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
}

impl Listeners {
    /// Binds all addresses, before anything else of the member is touched; clients get at most so
    /// many connections.
    ///
    /// # Errors
    /// Of the first address that cannot be bound.
    pub async fn bind(config: &Config, clients_max: usize) -> Result<Self, Error> {
        Ok(Self {
            clients: bind_all(&config.listen_client_urls).await?,
            http: bind_all(&config.listen_client_http_urls).await?,
            metrics: bind_all(&config.listen_metrics_urls).await?,
            peers: bind_all(&config.listen_peer_urls).await?,
            client_connections: Arc::new(Semaphore::new(clients_max.min(Semaphore::MAX_PERMITS))),
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
            let service = service.clone();
            let service = move |_| service.clone();
            tasks.spawn(httpd::serve(listener, service, limits(config), stop.clone()));
        }
        tasks
    }

    /// Serves metrics and health until `stop` turns true.
    pub fn serve_metrics(
        &mut self,
        config: &Config,
        endpoints: &Endpoints<Server>,
        tasks: &mut JoinSet<()>,
        stop: &watch::Receiver<bool>,
    ) {
        for (url, listener) in self.metrics.drain(..) {
            tracing::info!(address = %url, "serving metrics");
            let service = ClientService::new(None, Some(endpoints.of_metrics()));
            let service = move |remote| service.of(remote);
            tasks.spawn(httpd::serve(listener, service, limits(config), stop.clone()));
        }
    }

    /// Serves clients until `stop` turns true: gRPC and plain HTTP on the same listeners, unless
    /// plain HTTP has some of its own.
    pub fn serve_clients(
        &mut self,
        config: &Config,
        server: &Arc<Server>,
        endpoints: &Endpoints<Server>,
        registry: &Registry,
        stop: &watch::Receiver<bool>,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let request_bytes_max = usize::try_from(config.max_request_bytes).unwrap_or(usize::MAX);
        let settings = rpc::Settings {
            request_bytes_max,
            slow_call: config.warning_unary_request_duration,
            handling_times: config.extensive_metrics,
        };
        let grpc = Grpc::new(Arc::clone(server), settings, registry);
        let is_split = !self.http.is_empty();
        let shared = endpoints.clone();
        let clients = ClientService::new(Some(grpc), (!is_split).then_some(shared));
        let http = ClientService::new(None, Some(endpoints.clone()));
        let traffic = if is_split { "grpc" } else { "grpc+http" };
        let all = self.clients.drain(..).map(|bound| (bound, clients.clone(), traffic));
        let all = all.chain(self.http.drain(..).map(|bound| (bound, http.clone(), "http")));
        for ((url, listener), service, traffic) in all {
            tracing::info!(traffic, address = %url, "serving client traffic insecurely; this is \
                strongly discouraged!");
            let service = move |remote| service.of(remote);
            let connections = Some(Arc::clone(&self.client_connections));
            let limits = httpd::Limits { connections, ..limits(config) };
            tasks.spawn(httpd::serve(listener, service, limits, stop.clone()));
        }
        tasks
    }
}

fn limits(config: &Config) -> httpd::Limits {
    httpd::Limits { concurrent_streams_max: config.max_concurrent_streams, connections: None }
}

async fn bind_all(urls: &[Url]) -> Result<Vec<(Url, Listener)>, Error> {
    let mut listeners = Vec::new();
    for url in urls {
        let address = address(url).await?;
        let network = if url.is_unix() { "unix" } else { "tcp" };
        let bound = Listener::bind(&address).await;
        let listener = bound.map_err(|source| Error::Bind { network, address, source })?;
        listeners.push((url.clone(), listener));
    }
    Ok(listeners)
}

/// Where a URL says to listen: a name is looked up here, once.
async fn address(url: &Url) -> Result<Address, Error> {
    if let Some(path) = url.socket_path() {
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    let port = url.port();
    let port = match port {
        "" => 0,
        port => port.parse::<u16>().map_err(|_| Error::Port(port.to_owned()))?,
    };
    let fail = |source| Error::Host { host: url.hostname().to_owned(), source };
    let mut found = tokio::net::lookup_host((url.hostname(), port)).await.map_err(fail)?;
    let missing = || fail(io::Error::new(io::ErrorKind::NotFound, "no such host"));
    found.next().map(Address::Tcp).ok_or_else(missing)
}
