//! Keeps a lease alive: asks for renewal each third of its time to live.
//!
//! Invariants: a lease is given up only when the server says that it is gone, or when its time to
//! live has passed since the last renewal.

use std::sync::Arc;
use std::time::Duration;

use proto::etcdserverpb::{LeaseKeepAliveRequest, LeaseKeepAliveResponse};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use types::LeaseId;

use crate::client::Client;
use crate::error::Error;
use crate::grpc::etcdserverpb::lease_client::LeaseClient;

/// Until the server has said more, a lease is taken to live so long (clientv3's default).
const TTL_UNKNOWN: Duration = Duration::from_secs(5);

/// How long one renewal may take before it is tried over a new stream.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A lease that is being kept alive. It is left to expire by dropping this.
#[derive(Debug)]
pub struct KeepAlive {
    client: Arc<Client>,
    lease: LeaseId,
    stream: Option<Open>,
    /// When to renew.
    next: Instant,
    /// When the lease is gone unless it is renewed.
    deadline: Instant,
    gone: bool,
}

#[derive(Debug)]
struct Open {
    requests: Sender<LeaseKeepAliveRequest>,
    responses: Streaming<LeaseKeepAliveResponse>,
    generation: u64,
}

impl KeepAlive {
    /// Begins with a lease; the first renewal is at once.
    #[must_use]
    pub fn new(client: Arc<Client>, lease: LeaseId) -> Self {
        let now = Instant::now();
        let deadline = now + TTL_UNKNOWN;
        Self { client, lease, stream: None, next: now, deadline, gone: false }
    }

    /// Waits until renewal is due, renews, and tells the answer; `None` when the lease is gone.
    ///
    /// # Errors
    /// What the server refused the stream with.
    pub async fn next(&mut self) -> Result<Option<LeaseKeepAliveResponse>, Error> {
        tokio::time::sleep_until(self.next).await;
        let mut tries = 0;
        while !self.gone {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.gone = true;
                break;
            }
            let answer = tokio::time::timeout(left.min(ANSWER_MAX), self.renew()).await;
            match answer {
                Ok(Ok(response)) if response.ttl > 0 => {
                    let ttl = Duration::from_secs(response.ttl.unsigned_abs());
                    self.next = Instant::now() + ttl / 3;
                    self.deadline = Instant::now() + ttl;
                    return Ok(Some(response));
                }
                Ok(Ok(_)) => self.gone = true,
                Ok(Err(error)) if self.client.is_about_the_token(&error) => {
                    self.client.authenticate().await?;
                    self.again(&mut tries).await;
                }
                Ok(Err(error)) if !error.is_unavailable() => return Err(error),
                Ok(Err(_)) | Err(_) => self.again(&mut tries).await,
            }
        }
        Ok(None)
    }

    async fn again(&mut self, tries: &mut u32) {
        if let Some(open) = self.stream.take() {
            self.client.leave(open.generation).await;
        }
        *tries += 1;
        self.client.pause(*tries).await;
    }

    async fn renew(&mut self) -> Result<LeaseKeepAliveResponse, Error> {
        let ended = || Error::from(tonic::Status::unavailable("the stream has ended"));
        let request = LeaseKeepAliveRequest { id: self.lease.0 };
        let open = match &mut self.stream {
            Some(open) => {
                open.requests.send(request).await.map_err(|_| ended())?;
                open
            }
            empty => {
                let (channel_to_use, generation) = self.client.connected().await?;
                let (requests, receiver) = channel(1);
                requests.try_send(request).expect("a new channel has room");
                let mut client = LeaseClient::new(channel_to_use);
                let responses = client.lease_keep_alive(ReceiverStream::new(receiver)).await?;
                let responses = responses.into_inner();
                empty.insert(Open { requests, responses, generation })
            }
        };
        open.responses.message().await?.ok_or_else(ended)
    }
}
