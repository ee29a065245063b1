//! Watches: opened again from where they were when their stream breaks, until everything that was
//! written has come.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use checker::{Member, Watch, WatchAnswer};
use env::{Rng as _, SeededRng};
use node::{WatchRequests, WatchStream};
use proto::etcdserverpb::watch_create_request::FilterType;
use proto::etcdserverpb::{WatchCreateRequest, WatchResponse};
use types::KeyRange;
use watch::{Create, Filter};

use crate::clients::send::plain;
use crate::clients::session::Session;
use crate::servers::Served;

/// Between questions how far a watch is.
const PROGRESS_PAUSE: Duration = Duration::from_millis(900);
/// Between tries to find the member.
const TRY_PAUSE: Duration = Duration::from_millis(100);
/// A stream of this many is closed and opened again.
const REOPENED: u64 = 40;

/// Watches from later on begin up to here.
const FUTURE_MAX: u64 = 1500;

/// Who watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On this member only.
    Member(usize),
    /// On any member: when one fails, on the next. What it has seen may be compacted.
    Any,
}

/// Why reading a stream ended.
#[derive(PartialEq, Eq)]
enum End {
    /// Everything has come.
    Finished,
    /// It broke, or was closed.
    Broken,
    /// The member ended the watch.
    Canceled { compact_revision: i64 },
}

/// A watch that is asked for before the real one, on its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trial {
    /// From a revision that never was.
    Negative,
    /// The stream's first one, which is ended at once.
    First,
}

fn trial(rng: &mut SeededRng) -> Option<Trial> {
    match rng.below(12) {
        0 => Some(Trial::Negative),
        1 => Some(Trial::First),
        _ => None,
    }
}

/// A watch of every change.
pub(super) fn everything() -> WatchCreateRequest {
    WatchCreateRequest {
        key: Bytes::from_static(b"\0"),
        range_end: Bytes::from_static(b"\0"),
        start_revision: 2,
        ..WatchCreateRequest::default()
    }
}

/// A watch of anything.
pub(super) fn something(rng: &mut SeededRng) -> WatchCreateRequest {
    let (key, range_end) = match rng.below(4) {
        0 => ("\0", "\0"),
        1 => ("registry/", "registry0"),
        2 => ("k/003", ""),
        _ => ("k/", "k/010"),
    };
    let filters = match rng.below(6) {
        0 => vec![FilterType::Noput.into()],
        1 => vec![FilterType::Nodelete.into()],
        _ => Vec::new(),
    };
    WatchCreateRequest {
        key: Bytes::from_static(key.as_bytes()),
        range_end: Bytes::from_static(range_end.as_bytes()),
        start_revision: match rng.below(6) {
            0 | 1 => 0,
            // It may be long until then, or for ever.
            2 => 2 + rng.below(FUTURE_MAX) as i64,
            _ => 2,
        },
        filters,
        prev_kv: rng.below(3) == 0,
        progress_notify: rng.below(2) == 0,
        fragment: rng.below(4) == 0,
        ..WatchCreateRequest::default()
    }
}

struct Watcher {
    session: Session,
    place: Place,
    request: WatchCreateRequest,
    watches: Vec<Watch>,
    /// Everything before was received.
    next: i64,
}

pub(super) async fn run(session: Session, place: Place, request: WatchCreateRequest) {
    let next = request.start_revision;
    let record = std::sync::Arc::clone(&session.record);
    let mut watcher = Watcher { session, place, request, watches: Vec::new(), next };
    record.watching.fetch_add(1, Ordering::Relaxed);
    watcher.watch().await;
    let mut seen = record.seen();
    let offset = seen.watches.len();
    seen.watches.extend(watcher.watches.into_iter().map(|watch| {
        let follows = watch.follows.map(|before| before + offset);
        Watch { follows, ..watch }
    }));
    drop(seen);
    record.watching.fetch_sub(1, Ordering::Relaxed);
}

impl Watcher {
    async fn watch(&mut self) {
        while !self.is_complete() {
            let Some(served) = self.member() else {
                // At the end all members run: this one is none any more.
                if self.session.record.target.load(Ordering::Relaxed) > 0 {
                    return;
                }
                self.session.record.sleep(TRY_PAUSE).await;
                continue;
            };
            match self.read(&served).await {
                End::Finished => return,
                End::Broken => {
                    self.session.wander();
                    self.session.pause(TRY_PAUSE).await;
                }
                End::Canceled { compact_revision } => self.next = self.next.max(compact_revision),
            }
        }
    }

    fn member(&mut self) -> Option<Served> {
        let servers = &self.session.record.servers;
        match self.place {
            Place::Member(number) => servers.get(number),
            Place::Any => {
                let all = servers.all();
                let chosen = self.session.rng.below(all.len().max(1) as u64) as usize;
                all.get(chosen).cloned()
            }
        }
    }

    fn is_complete(&self) -> bool {
        let target = self.session.record.target.load(Ordering::Relaxed);
        target > 0 && self.next > target
    }

    /// Reads one stream to its end.
    async fn read(&mut self, served: &Served) -> End {
        let request = WatchCreateRequest { start_revision: self.next, ..self.request.clone() };
        let begin = self.session.record.now();
        let (requests, mut responses) = served.node.open_watch();
        let trial = trial(&mut self.session.rng);
        self.begin_trial(trial, &requests);
        requests.create(create(&request));
        // How far it is has to be told behind what it is still to be told.
        if self.session.rng.below(4) == 0 {
            requests.progress();
        }
        if self.end_trial(trial, &mut responses).await.is_none() {
            return End::Broken;
        }
        let Some(created) = self.next_of(&mut responses).await else { return End::Broken };
        let created_revision = created.header.as_ref().map(|header| header.revision);
        if self.next == 0 {
            self.next = created_revision.unwrap_or_default() + 1;
        }
        let follows = self.watches.len().checked_sub(1);
        self.watches.push(Watch {
            client: self.session.client,
            member: Member(served.number as u32),
            begin,
            request,
            created_revision,
            responses: Vec::new(),
            live: false,
            follows,
        });
        if created.canceled {
            return self.take(created);
        }
        self.read_on(served, &requests, &mut responses).await
    }

    fn begin_trial(&self, trial: Option<Trial>, requests: &WatchRequests) {
        let request = WatchCreateRequest {
            key: Bytes::from_static(b"nobody writes this"),
            start_revision: if trial == Some(Trial::Negative) { -3 } else { 0 },
            ..WatchCreateRequest::default()
        };
        if trial.is_some() {
            requests.create(create(&request));
        }
        if trial == Some(Trial::First) {
            requests.cancel(0);
        }
    }

    /// The answers come in the order of the requests. `None` when they do not come.
    async fn end_trial(&mut self, trial: Option<Trial>, responses: &mut WatchStream) -> Option<()> {
        let Some(trial) = trial else { return Some(()) };
        let mut answer = self.next_of(responses).await?;
        if trial == Trial::First {
            answer = self.next_of(responses).await?;
        }
        if !answer.canceled {
            let what = format!("{trial:?}: a watch that is not to be goes on: {answer:?}");
            self.session.record.kernel.after(Duration::ZERO, move |sim| sim.oracles.speak(what));
        }
        Some(())
    }

    async fn read_on(
        &mut self,
        served: &Served,
        requests: &WatchRequests,
        responses: &mut WatchStream,
    ) -> End {
        loop {
            if self.is_complete() {
                // It was there to the end, and everything came.
                if let Some(watch) = self.watches.last_mut() {
                    watch.live = true;
                }
                return End::Finished;
            }
            let is_lost = !self.session.record.servers.is_there(served);
            if is_lost || self.session.rng.below(REOPENED) == 0 {
                return End::Broken;
            }
            match self.next_of(responses).await {
                None if served.node.failure().is_some() => return End::Broken,
                None => requests.progress(),
                Some(response) => match self.take(response) {
                    End::Finished => {}
                    end => return end,
                },
            }
        }
    }

    /// The next response, if one comes soon.
    async fn next_of(&mut self, responses: &mut WatchStream) -> Option<WatchResponse> {
        let wait = PROGRESS_PAUSE + Duration::from_millis(self.session.rng.below(50));
        let next = env::timeout(&*self.session.record.tasks, wait, responses.next()).await;
        plain(&next.ok()??).ok()
    }

    /// Records a response. `Finished` means that the stream goes on.
    fn take(&mut self, response: WatchResponse) -> End {
        let record = &self.session.record;
        let at = record.now();
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        record.kernel.count([
            40 + u64::from(self.session.client),
            revision as u64,
            at.0.as_nanos() as u64,
        ]);
        let answer = WatchAnswer::of(at, response);
        if let Some(next) = answer.next() {
            self.next = self.next.max(next);
        }
        if self.place == Place::Any && self.request == everything() {
            record.recorded.store(self.next - 1, Ordering::Relaxed);
        }
        let end = match (answer.canceled, answer.compact_revision) {
            (true, compact_revision @ 1..) => End::Canceled { compact_revision },
            (true, _) => End::Broken,
            (false, _) => End::Finished,
        };
        if let Some(watch) = self.watches.last_mut() {
            watch.responses.push(answer);
        }
        end
    }
}

/// The wish as the hub takes it.
fn create(request: &WatchCreateRequest) -> Create {
    let filter = |filter: &i32| match FilterType::try_from(*filter) {
        Ok(FilterType::Noput) => Some(Filter::NoPut),
        Ok(FilterType::Nodelete) => Some(Filter::NoDelete),
        Err(_) => None,
    };
    Create {
        watch_id: request.watch_id,
        range: KeyRange::parse(request.key.clone(), request.range_end.clone()),
        start_revision: request.start_revision,
        filters: request.filters.iter().filter_map(filter).collect(),
        prev_kv: request.prev_kv,
        progress_notify: request.progress_notify,
        fragment: request.fragment,
    }
}
