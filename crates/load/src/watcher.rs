//! Watches: opened again from where they were when their stream breaks, until everything that was
//! written has come.

use crate::api::Api;
use crate::shared::Shared;
use checker::{Member, Watch, WatchAnswer};
use env::{Rng as _, SeededRng};
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::etcdserverpb::{WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tonic::Streaming;

const DIAL_MAX: Duration = Duration::from_secs(1);

/// How long the answer to a creation may take before another stream is tried.
const CREATE_MAX: Duration = Duration::from_secs(5);

/// Between questions how far a watch is.
const PROGRESS_PAUSE: Duration = Duration::from_millis(700);

const TRY_PAUSE: Duration = Duration::from_millis(50);

/// Who watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On this member only.
    Member(Member),
    /// On any member: when one fails, on the next. What it has seen may be compacted.
    Any,
}

/// A watch that outlives its streams.
pub struct Watcher {
    shared: Arc<Shared>,
    client: u32,
    place: Place,
    request: WatchCreateRequest,
    rng: SeededRng,
    turn: usize,
    /// The watches so far, each going on with the one before.
    watches: Vec<Watch>,
    /// Everything before was received.
    next: i64,
    /// The stream is closed and opened again after so long.
    reopen: Option<Duration>,
    /// When waiting for the last events ends.
    deadline: Duration,
}

/// Why reading a stream ended.
#[derive(PartialEq, Eq)]
enum End {
    /// Everything has come, or never will.
    Finished,
    /// It broke, or was closed.
    Broken,
    /// The member ended the watch.
    Canceled { compact_revision: i64 },
}

impl Watcher {
    pub fn new(
        shared: Arc<Shared>,
        client: u32,
        place: Place,
        request: WatchCreateRequest,
        rng: SeededRng,
    ) -> Self {
        let (next, deadline) = (request.start_revision, Duration::from_secs(30));
        Self {
            shared,
            client,
            place,
            request,
            rng,
            turn: client as usize,
            watches: Vec::new(),
            next,
            reopen: None,
            deadline,
        }
    }

    /// Closes and opens the stream every so often.
    #[must_use]
    pub const fn reopened_every(mut self, time: Duration) -> Self {
        self.reopen = Some(time);
        self
    }

    /// Watches until everything up to the end of the load has come, then hands in the record.
    pub async fn run(mut self) {
        let mut target_since: Option<Instant> = None;
        loop {
            let late = target_since.is_some_and(|since| since.elapsed() > self.deadline);
            if self.is_complete() || late || self.is_gone() {
                break;
            }
            if self.shared.target.load(Ordering::Acquire) > 0 {
                target_since.get_or_insert_with(Instant::now);
            }
            let Some((member, api)) = self.connect().await else {
                tokio::time::sleep(TRY_PAUSE).await;
                continue;
            };
            match self.read(member, &api, &mut target_since).await {
                End::Finished => break,
                End::Broken => {
                    self.turn += 1;
                    tokio::time::sleep(TRY_PAUSE).await;
                }
                End::Canceled { compact_revision } => {
                    self.next = self.next.max(compact_revision);
                }
            }
        }
        self.hand_in();
    }

    fn is_gone(&self) -> bool {
        matches!(self.place, Place::Member(member) if self.shared.is_removed(member))
    }

    fn is_complete(&self) -> bool {
        let target = self.shared.target.load(Ordering::Acquire);
        target > 0 && self.next > target
    }

    async fn connect(&self) -> Option<(Member, Api)> {
        let (member, endpoint) = match self.place {
            Place::Member(member) => (member, self.shared.endpoint(member)),
            Place::Any => {
                let members = self.shared.members();
                members[self.turn % members.len()].clone()
            }
        };
        Api::connect(&endpoint, DIAL_MAX).await.ok().map(|api| (member, api))
    }

    /// Reads one stream to its end.
    async fn read(&mut self, member: Member, api: &Api, since: &mut Option<Instant>) -> End {
        let request = WatchCreateRequest { start_revision: self.next, ..self.request.clone() };
        let begin = self.shared.now();
        let Some((requests, mut responses, created)) = open(api, request.clone()).await else {
            return End::Broken;
        };
        let created_revision = created.header.as_ref().map(|header| header.revision);
        if self.next == 0 {
            self.next = created_revision.unwrap_or_default() + 1;
        }
        let follows = self.watches.len().checked_sub(1);
        self.watches.push(Watch {
            client: self.client,
            member,
            begin,
            request,
            created_revision,
            responses: Vec::new(),
            live: false,
            follows,
        });
        let opened = Instant::now();
        let mut asked = Instant::now();
        if created.canceled {
            return self.take(created);
        }
        loop {
            if self.is_complete() {
                // It was there to the end, and everything came.
                self.current().live = true;
                return End::Finished;
            }
            if self.reopen.is_some_and(|time| opened.elapsed() > time) || self.is_gone() {
                return End::Broken;
            }
            if self.shared.target.load(Ordering::Acquire) > 0 {
                let waiting = since.get_or_insert_with(Instant::now);
                if waiting.elapsed() > self.deadline {
                    // It is there, and silent: what is missing will be found.
                    self.current().live = true;
                    return End::Finished;
                }
            }
            if asked.elapsed() > PROGRESS_PAUSE {
                asked = Instant::now();
                ask_progress(&requests).await;
            }
            let wait = PROGRESS_PAUSE / 2 + Duration::from_millis(self.rng.below(50));
            match tokio::time::timeout(wait, responses.message()).await {
                Err(_) => {}
                Ok(Ok(Some(response))) => match self.take(response) {
                    End::Finished => {}
                    end => return end,
                },
                Ok(Ok(None) | Err(_)) => return End::Broken,
            }
        }
    }

    fn current(&mut self) -> &mut Watch {
        self.watches.last_mut().expect("a stream that is read has a record")
    }

    /// Records a response. `Finished` means that the stream goes on.
    fn take(&mut self, response: WatchResponse) -> End {
        let at = self.shared.now();
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        self.shared.see(revision);
        let answer = WatchAnswer::of(at, response);
        if let Some(next) = answer.next() {
            self.next = self.next.max(next);
        }
        if self.place == Place::Any {
            self.shared.recorded.store(self.next - 1, Ordering::Release);
        }
        let end = match (answer.canceled, answer.compact_revision) {
            (true, compact_revision @ 1..) => End::Canceled { compact_revision },
            (true, _) => End::Broken,
            (false, _) => End::Finished,
        };
        self.current().responses.push(answer);
        end
    }

    fn hand_in(self) {
        let Self { shared, client, watches, next, .. } = self;
        shared.record(|record| {
            if watches.is_empty() {
                record.broken.push(format!("watch of client {client} from {next} never began"));
            }
            let offset = record.watches.len();
            record.watches.extend(watches.into_iter().map(|watch| {
                let follows = watch.follows.map(|before| before + offset);
                Watch { follows, ..watch }
            }));
        });
    }
}

/// Opens a stream with one watch, and waits for the answer to its creation.
async fn open(
    api: &Api,
    request: WatchCreateRequest,
) -> Option<(Sender<WatchRequest>, Streaming<WatchResponse>, WatchResponse)> {
    let (requests, receiver) = tokio::sync::mpsc::channel(4);
    let create = RequestUnion::CreateRequest(request);
    requests.try_send(WatchRequest { request_union: Some(create) }).ok()?;
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut request = tonic::Request::new(stream);
    // A member that lost its leader ends the stream instead of keeping it open and silent.
    request.metadata_mut().insert("hasleader", "true".parse().expect("it is text"));
    let mut client = api.watch.clone();
    let creation = async {
        let mut responses = client.watch(request).await.ok()?.into_inner();
        let created = responses.message().await.ok()??;
        Some((requests, responses, created))
    };
    tokio::time::timeout(CREATE_MAX, creation).await.ok()?
}

async fn ask_progress(requests: &Sender<WatchRequest>) {
    let union = RequestUnion::ProgressRequest(WatchProgressRequest {});
    // A stream that has broken is seen by its reader.
    let _ = requests.send(WatchRequest { request_union: Some(union) }).await;
}
