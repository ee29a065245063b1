//! The requests themselves.

use anyhow::Result;
use bytes::Bytes;
use http::Uri;
use proto::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};

use crate::Workload;
use crate::unary::Connection;

/// Sends the requests of one client.
pub struct Sender {
    workload: Workload,
    connection: Connection,
    method: Uri,
    value: Bytes,
}

impl Sender {
    /// A client of this workload on a connection.
    ///
    /// # Errors
    /// A method's name that is none.
    pub fn new(workload: Workload, connection: Connection) -> Result<Self> {
        let (method, value) = match workload {
            Workload::Put { val_size, .. } => {
                ("/etcdserverpb.KV/Put", Bytes::from(vec![b'v'; val_size]))
            }
            Workload::Range { .. } => ("/etcdserverpb.KV/Range", Bytes::new()),
            Workload::Watch { .. } => unreachable!("it has senders of its own"),
        };
        let method = connection.method(method)?;
        Ok(Self { workload, connection, method, value })
    }

    /// Sends request number `number` and waits for its answer; gives the revision in its header.
    ///
    /// # Errors
    /// What the server answers instead.
    pub async fn send(&mut self, number: u64) -> Result<i64> {
        let header = match &self.workload {
            Workload::Put { key_size, key_space_size, key_stride, key_suffix, .. } => {
                let number = number.wrapping_mul(*key_stride) % key_space_size.max(&1);
                let request = PutRequest {
                    key: key(number, *key_size, key_suffix),
                    value: self.value.clone(),
                    ..PutRequest::default()
                };
                self.connection.call::<PutResponse>(&self.method, &request).await?.header
            }
            Workload::Range { key, range_end, limit, rev, consistency } => {
                let request = RangeRequest {
                    key: Bytes::copy_from_slice(key.as_bytes()),
                    range_end: range_end.clone().unwrap_or_default().into(),
                    limit: *limit,
                    revision: *rev,
                    serializable: consistency == "s",
                    ..RangeRequest::default()
                };
                self.connection.call::<RangeResponse>(&self.method, &request).await?.header
            }
            Workload::Watch { .. } => unreachable!("it has senders of its own"),
        };
        Ok(header.unwrap_or_default().revision)
    }
}

/// Key number `number`: decimal, filled with zeros in front, and the suffix behind it.
fn key(number: u64, size: usize, suffix: &str) -> Bytes {
    Bytes::from(format!("{number:0size$}{suffix}"))
}
