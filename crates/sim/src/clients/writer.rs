//! A client that wants writes to be done, and tries until they are.

use std::sync::Arc;
use std::time::Duration;

use checker::{Call, Outcome};
use env::SeededRng;
use proto::etcdserverpb::PutRequest;

use crate::clients::session::Session;
use crate::record::Record;

/// The client's number.
const NUMBER: u32 = 1000;
/// How long one member may take before another is asked.
const TRY_MAX: Duration = Duration::from_secs(2);

/// See the module.
pub struct Writer(Session);

impl Writer {
    /// A client that has done nothing yet.
    #[must_use]
    pub fn new(record: &Arc<Record>) -> Self {
        Self(Session::new(Arc::clone(record), NUMBER, SeededRng::new(1)).giving_up_after(TRY_MAX))
    }

    /// Puts something until a member acknowledges it.
    pub async fn put_once(mut self) {
        for attempt in 0.. {
            let value = format!("attempt {attempt}").into();
            let put = PutRequest { key: "probe".into(), value, ..PutRequest::default() };
            match self.0.call(Call::Put(put)).await {
                Some(Outcome::Done { .. }) | None => return,
                Some(_) => {}
            }
        }
    }

    /// Puts all of these, each until it is acknowledged.
    pub async fn put_all(mut self, puts: Vec<PutRequest>) {
        for put in puts {
            while !matches!(
                self.0.call(Call::Put(put.clone())).await,
                Some(Outcome::Done { .. }) | None
            ) {}
        }
    }
}
