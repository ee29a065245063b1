//! The life of the server: start, serve, stop.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use ::auth::password::Cost;
use api::Server;
use config::Config;
use env::Disk;
use httpd::Endpoints;
use telemetry::Registry;
use tokio::sync::watch;

use crate::listeners::Listeners;
use crate::member;
use crate::peer::PeerService;
use crate::signals::{self, Signal};
use crate::{descriptors, notify, process, stand_ins, system, variables};

/// Why a server that ran has ended.
enum End {
    Signal(Signal),
    /// The member cannot go on.
    Failed(String),
    /// The member was removed from its cluster.
    Removed,
}

/// Why a server did not begin to serve.
struct Refused {
    /// What the log ends with.
    words: &'static str,
    reason: String,
}

/// The last words of a server whose start failed, as Go's: whatever the reason, and though
/// discovery has no part in it.
const START_FAILED: &str = "discovery failed";
/// The last words where Go has none, or others each time.
const HAS_TO_STOP: &str = "the server has to stop";

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self { words: HAS_TO_STOP, reason }
    }
}

impl From<node::Error> for Refused {
    fn from(error: node::Error) -> Self {
        if error.stage() == node::Stage::Bootstrap {
            tracing::error!(%error, "bootstrap failed");
        }
        let words = match error.stage() {
            node::Stage::Bootstrap | node::Stage::Later => START_FAILED,
            node::Stage::None => HAS_TO_STOP,
        };
        Self { words, reason: error.to_string() }
    }
}

/// Runs the server until it is told to stop.
pub fn run(config: &Config, disk: Arc<dyn Disk>) -> ExitCode {
    if let Err(error) = signals::ignore_harmless() {
        tracing::warn!(%error, "failed to catch the signals that would end the server for nothing");
    }
    descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(serve(config, disk));
            // What a thread is at may never end, on a disk that has failed.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Refused::from(format!("start the runtime: {error}"))),
    };
    let fail = |words, reason| {
        tracing::error!("zap-level" = "fatal", error = %reason, "{words}");
        ExitCode::FAILURE
    };
    match outcome {
        Ok(End::Signal(signal)) => signal.end(),
        Ok(End::Removed) => ExitCode::SUCCESS,
        Ok(End::Failed(reason)) => fail(HAS_TO_STOP, reason),
        Err(Refused { words, reason }) => fail(words, reason),
    }
}

/// The metrics that belong to no part of the server.
fn registry(config: &Config) -> Registry {
    let registry = Registry::new();
    process::register(&registry);
    stand_ins::register(&registry);
    member::show_features(config, &registry);
    registry
}

/// Sees that the data directory, if there is one, is one: before anything else is begun.
fn check_data_dir(config: &Config, disk: &dyn Disk) -> Result<(), String> {
    match disk.list(&config.data_dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("readdirent {}: {}", config.data_dir.display(), system::words(&error)))
        }
        _ => Ok(()),
    }
}

/// Binds all listeners, as far as the process may have sockets.
async fn bind(config: &Config) -> Result<Listeners, Refused> {
    let clients_max = descriptors::clients_max()?;
    let bound = Listeners::bind(config, clients_max).await;
    bound.map_err(|error| Refused { words: START_FAILED, reason: error.to_string() })
}

/// Says that clients are served, to the log and to who started the server.
fn tell_ready() {
    tracing::info!("ready to serve client requests");
    notify::ready();
}

async fn serve(config: &Config, disk: Arc<dyn Disk>) -> Result<End, Refused> {
    let registry = registry(config);
    check_data_dir(config, &*disk)?;
    let mut listeners = bind(config).await?;
    let (member, transport) =
        tokio::task::block_in_place(|| member::start(config, disk, &registry))?;
    let node = member.node().clone();
    if let Some(threshold) = config.bootstrap_defrag {
        member::defragment_if_worth(&node, threshold).await?;
    }
    let settings = api::Settings {
        txn_ops_max: usize::try_from(config.max_txn_ops).unwrap_or(usize::MAX),
        request_bytes_max: usize::try_from(config.max_request_bytes).unwrap_or(usize::MAX),
        bcrypt_cost: Cost::new(config.bcrypt_cost).unwrap_or(Cost::DEFAULT),
        election: config.election,
    };
    let server = Arc::new(Server::new(node.clone(), settings));
    let endpoints = Endpoints::new(Arc::clone(&server), registry.clone(), variables::of_process);
    let (stop, stopped) = watch::channel(false);
    let peer_service = PeerService::new(node.clone(), transport);
    let mut peers = listeners.serve_peers(config, &peer_service, &stopped);
    listeners.serve_metrics(config, &endpoints, &mut peers, &stopped);
    let end = async {
        tokio::select! {
            signal = signals::wait() => match signal {
                Ok(signal) => End::Signal(signal),
                Err(error) => End::Failed(format!("wait for signals: {error}")),
            },
            reason = node.failed() => End::Failed(reason),
            () = node.removed() => End::Removed,
        }
    };
    tokio::pin!(end);
    // Clients are served when the member is known to its cluster.
    let early = tokio::select! {
        end = &mut end => Some(end),
        () = node.ready() => None,
    };
    let ended = match early {
        Some(End::Failed(reason)) => return Ok(End::Failed(reason)),
        Some(ended) => ended,
        None => {
            let mut tasks =
                listeners.serve_clients(config, &server, &endpoints, &registry, &stopped);
            tell_ready();
            let ended = end.await;
            match &ended {
                End::Signal(signal) => {
                    tracing::info!(signal = signal.name(), "received signal; shutting down");
                    node.hand_over().await;
                }
                // At once: nobody is answered any more, and there is nothing to bring to an end.
                End::Failed(_) => return Ok(ended),
                End::Removed => {}
            }
            node.begin_stop();
            stop.send_replace(true);
            while tasks.join_next().await.is_some() {}
            ended
        }
    };
    tokio::task::block_in_place(|| member.stop());
    stop.send_replace(true);
    while peers.join_next().await.is_some() {}
    Ok(match (ended, node.failure()) {
        (End::Signal(_), Some(reason)) => End::Failed(reason),
        (ended, _) => ended,
    })
}
