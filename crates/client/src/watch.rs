//! A watch that outlives its connection.
//!
//! Knows one watch on one stream. When the stream breaks, it goes on over the next connection from
//! the revision after the last one that it handed out.
//!
//! Invariants: `next_revision` is greater than the revision of every event handed out and at most
//! one more than what the server said it has sent, so that nothing is missing and nothing comes
//! twice; a revision's events come in one response, since fragments are never asked for.

use std::sync::Arc;

use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use crate::client::Client;
use crate::error::Error;
use crate::grpc::etcdserverpb::watch_client::WatchClient;

/// Requests on their way to the server: the creation and some for progress.
const REQUESTS_MAX: usize = 16;

/// One watch. Ended by dropping it.
#[derive(Debug)]
pub struct Watch {
    client: Arc<Client>,
    request: WatchCreateRequest,
    /// The revision to go on from; 0 until the server has said where the watch begins.
    next_revision: i64,
    stream: Option<Open>,
    /// The server has ended the watch, and said why.
    ended: bool,
}

#[derive(Debug)]
struct Open {
    requests: Sender<WatchRequest>,
    responses: Streaming<WatchResponse>,
    generation: u64,
}

impl Watch {
    /// A watch as the request says; its start revision 0 is "from now on". Nothing is sent before
    /// the first call of [`next`](Self::next) or [`request_progress`](Self::request_progress).
    #[must_use]
    pub fn new(client: Arc<Client>, request: WatchCreateRequest) -> Self {
        let request = WatchCreateRequest { fragment: false, ..request };
        let next_revision = request.start_revision;
        Self { client, request, next_revision, stream: None, ended: false }
    }

    /// The next response with events, progress or the end of the watch (`canceled`), which is the
    /// last; `None` after it. The response to the creation is not shown. May be dropped and called
    /// again at any time.
    ///
    /// # Errors
    /// What the server refused the stream with.
    pub async fn next(&mut self) -> Result<Option<WatchResponse>, Error> {
        let mut tries = 0;
        while !self.ended {
            let open = self.open(&mut tries).await?;
            let generation = open.generation;
            match open.responses.message().await {
                Ok(Some(response)) if self.is_refused_for_the_token(&response) && tries < 3 => {
                    self.client.authenticate().await?;
                    self.stream = None;
                    tries += 1;
                }
                Ok(Some(response)) => {
                    tries = 0;
                    if let Some(response) = self.accept(response) {
                        return Ok(Some(response));
                    }
                }
                Ok(None) => self.reconnect(generation, &mut tries).await,
                Err(status) => {
                    let error = Error::from(status);
                    if self.client.is_about_the_token(&error) {
                        self.client.authenticate().await?;
                    } else if !error.is_unavailable() {
                        return Err(error);
                    }
                    self.reconnect(generation, &mut tries).await;
                }
            }
        }
        Ok(None)
    }

    /// Asks the server to say up to which revision everything has been sent.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn request_progress(&mut self) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        let progress = RequestUnion::ProgressRequest(WatchProgressRequest {});
        let open = self.open(&mut 0).await?;
        // A stream that breaks now is seen by `next`.
        let _ = open.requests.send(WatchRequest { request_union: Some(progress) }).await;
        Ok(())
    }

    /// The server ended the watch because of the token, and a new one may do.
    fn is_refused_for_the_token(&self, response: &WatchResponse) -> bool {
        response.canceled && {
            // The reason is an error as Go prints it: `rpc error: code = ... desc = <text>`.
            let reason = response.cancel_reason.rsplit("desc = ").next().unwrap_or_default();
            let status = tonic::Status::unauthenticated(reason);
            self.client.is_about_the_token(&Error::from(status))
        }
    }

    /// What the caller gets to see of a response.
    fn accept(&mut self, response: WatchResponse) -> Option<WatchResponse> {
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        if response.canceled {
            self.ended = true;
            return Some(response);
        }
        if response.created {
            // "From now on" gets a number, so that a new connection goes on from here.
            if self.next_revision == 0 {
                self.next_revision = revision + 1;
            }
            return None;
        }
        let last = response.events.last().and_then(|event| event.kv.as_ref());
        let sent = last.map_or(revision, |kv| kv.mod_revision);
        self.next_revision = self.next_revision.max(sent + 1);
        Some(response)
    }

    async fn reconnect(&mut self, generation: u64, tries: &mut u32) {
        self.stream = None;
        *tries += 1;
        self.client.leave(generation).await;
        self.client.pause(*tries).await;
    }

    /// The stream, made where there is none.
    async fn open(&mut self, tries: &mut u32) -> Result<&mut Open, Error> {
        while self.stream.is_none() {
            let (channel, generation) = self.client.connected().await?;
            match self.create(channel, generation).await {
                Ok(open) => self.stream = Some(open),
                Err(error) if self.client.is_about_the_token(&error) && *tries < 3 => {
                    *tries += 1;
                    self.client.authenticate().await?;
                }
                Err(error) if error.is_unavailable() => self.reconnect(generation, tries).await,
                Err(error) => return Err(error),
            }
        }
        Ok(self.stream.as_mut().expect("the loop ends with a stream"))
    }

    async fn create(&self, over: crate::Channel, generation: u64) -> Result<Open, Error> {
        let (requests, receiver) = channel(REQUESTS_MAX);
        let create =
            WatchCreateRequest { start_revision: self.next_revision, ..self.request.clone() };
        let create = RequestUnion::CreateRequest(create);
        let first = WatchRequest { request_union: Some(create) };
        requests.try_send(first).expect("a new channel has room");
        let mut request = Request::new(ReceiverStream::new(receiver));
        // A member that lost its leader ends the stream instead of keeping it open and silent.
        request.metadata_mut().insert("hasleader", "true".parse().expect("it is text"));
        let mut client = WatchClient::new(over).max_decoding_message_size(usize::MAX);
        let responses = client.watch(request).await?.into_inner();
        Ok(Open { requests, responses, generation })
    }
}
