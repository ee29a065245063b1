//! Many watches of one key, and clients that put to it.
//!
//! Every put is an event for every watch. A load is over when all events of all its puts have come.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use client::Channel;
use client::grpc::etcdserverpb::kv_client::KvClient;
use client::grpc::etcdserverpb::watch_client::WatchClient;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{PutRequest, WatchCreateRequest, WatchRequest, WatchResponse};
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::Arguments;
use crate::latency::Latencies;
use crate::load::Stopwatch;
use crate::report::Report;

const KEY: &[u8] = b"watched";

/// What is watched by how many.
#[derive(Clone, Copy, Debug)]
pub struct Watching {
    /// Streams.
    pub streams: usize,
    /// Watches over all of them.
    pub watchers: usize,
    /// Bytes of a value.
    pub val_size: usize,
}

/// What all readers have heard.
struct Heard {
    /// Times in values count from here.
    origin: Instant,
    events: AtomicU64,
    newest_revision: AtomicI64,
    /// Told when events have come.
    more: Notify,
}

async fn connect(arguments: &Arguments) -> Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for endpoint in arguments.endpoints_of_connections() {
        let channel = client::connect(endpoint, &client::Options::default()).await;
        channels.push(channel.with_context(|| format!("connect to {endpoint}"))?);
    }
    Ok(channels)
}

/// Begins the watches, puts, and waits for the events.
pub async fn run(arguments: &Arguments, watching: Watching) -> Result<Report> {
    let channels = connect(arguments).await?;
    let heard = Arc::new(Heard {
        origin: Instant::now(),
        events: AtomicU64::new(0),
        newest_revision: AtomicI64::new(0),
        more: Notify::new(),
    });
    let Watching { streams, watchers, .. } = watching;
    ensure!(streams > 0 && watchers >= streams, "every stream needs a watch");
    let puts = Puts { warm_up: arguments.warm_up, all: arguments.warm_up + arguments.total };
    let mut readers = Vec::new();
    for number in 0..streams {
        let watches = watchers / streams + usize::from(number < watchers % streams);
        let stream = open(&channels[number % channels.len()], watches).await?;
        readers.push(tokio::spawn(read(stream, Arc::clone(&heard), watches as u64, puts)));
    }
    put(arguments, &channels, watching, &heard, 0..puts.warm_up).await?;
    while heard.events.load(Ordering::Acquire) < puts.warm_up * watchers as u64 {
        heard.more.notified().await;
    }
    let clock = Stopwatch::start(arguments)?;
    put(arguments, &channels, watching, &heard, puts.warm_up..puts.all).await?;
    let mut latencies = Latencies::default();
    for reader in readers {
        latencies.merge(&reader.await.context("a reader panicked")??);
    }
    let (elapsed, servers) = clock.stop(arguments)?;
    let newest_revision = heard.newest_revision.load(Ordering::Relaxed);
    let requests = arguments.total * watchers as u64;
    Ok(Report { requests, elapsed, latencies, servers, newest_revision })
}

/// How many puts there are.
#[derive(Clone, Copy)]
struct Puts {
    warm_up: u64,
    /// With the warm-up.
    all: u64,
}

/// A stream; the server ends it when the sender is dropped.
type Stream = (mpsc::Sender<WatchRequest>, Streaming<WatchResponse>);

/// A stream with so many watches, all of them begun.
async fn open(channel: &Channel, watches: usize) -> Result<Stream> {
    let (sender, receiver) = mpsc::channel(16);
    let mut client = WatchClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    let requests = sender.clone();
    // Beside the reading below: a server may answer before it takes further requests.
    let creates = tokio::spawn(async move {
        for _ in 0..watches {
            let create = WatchCreateRequest { key: KEY.into(), ..WatchCreateRequest::default() };
            let request_union = Some(RequestUnion::CreateRequest(create));
            if sender.send(WatchRequest { request_union }).await.is_err() {
                return;
            }
        }
    });
    let mut responses = client.watch(ReceiverStream::new(receiver)).await?.into_inner();
    for _ in 0..watches {
        let response = responses.message().await?.context("the stream of watches ended")?;
        ensure!(response.created && !response.canceled, "refused: {}", response.cancel_reason);
    }
    creates.await.context("the task that creates watches panicked")?;
    Ok((requests, responses))
}

/// Reads all events of a stream's watches; gives how long those after the warm-up took.
async fn read(stream: Stream, heard: Arc<Heard>, watches: u64, puts: Puts) -> Result<Latencies> {
    let (_requests, mut responses) = stream;
    let mut latencies = Latencies::default();
    let mut events = 0;
    while events < puts.all * watches {
        let response = responses.message().await?.context("a stream of watches ended")?;
        ensure!(!response.canceled, "a watch was cancelled: {}", response.cancel_reason);
        let now = heard.origin.elapsed();
        for event in &response.events {
            events += 1;
            if events > puts.warm_up * watches {
                let value = event.kv.as_ref().map(|kv| &kv.value[..]).unwrap_or_default();
                latencies.record(now.saturating_sub(sent_at(value)?));
            }
        }
        let revision = response.header.map_or(0, |header| header.revision);
        heard.newest_revision.fetch_max(revision, Ordering::Relaxed);
        heard.events.fetch_add(response.events.len() as u64, Ordering::Release);
        heard.more.notify_one();
    }
    Ok(latencies)
}

fn sent_at(value: &[u8]) -> Result<Duration> {
    let nanos = value.first_chunk().context("an event without a time")?;
    Ok(Duration::from_nanos(u64::from_be_bytes(*nanos)))
}

/// Sends the puts of these numbers from all clients at once.
async fn put(
    arguments: &Arguments,
    channels: &[Channel],
    watching: Watching,
    heard: &Arc<Heard>,
    numbers: std::ops::Range<u64>,
) -> Result<()> {
    let next = Arc::new(AtomicU64::new(numbers.start));
    let writers: Vec<_> = (0..arguments.clients.max(1))
        .map(|number| {
            let mut kv = KvClient::new(channels[number % channels.len()].clone());
            let (heard, next) = (Arc::clone(heard), Arc::clone(&next));
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < numbers.end {
                    let nanos = heard.origin.elapsed().as_nanos() as u64;
                    let mut value = nanos.to_be_bytes().to_vec();
                    value.resize(watching.val_size.max(value.len()), b'v');
                    let value = Bytes::from(value);
                    let put = PutRequest { key: KEY.into(), value, ..PutRequest::default() };
                    kv.put(put).await?;
                }
                Ok::<_, tonic::Status>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await.context("a writer panicked")??;
    }
    Ok(())
}
