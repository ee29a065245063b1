//! The requests themselves.

use anyhow::Result;
use bytes::Bytes;
use client::Channel;
use client::grpc::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::{PutRequest, RangeRequest};

use crate::Workload;

/// Sends the requests of one client.
pub struct Sender {
    workload: Workload,
    kv: KvClient<Channel>,
    value: Bytes,
}

impl Sender {
    /// A client of this workload on a connection.
    pub fn new(workload: Workload, channel: Channel) -> Self {
        let value = match workload {
            Workload::Put { val_size, .. } => Bytes::from(vec![b'v'; val_size]),
            Workload::Range { .. } | Workload::Watch { .. } => Bytes::new(),
        };
        let kv = KvClient::new(channel).max_decoding_message_size(usize::MAX);
        Self { workload, kv, value }
    }

    /// Sends request number `number` and waits for its answer; gives the revision in its header.
    pub async fn send(&mut self, number: u64) -> Result<i64> {
        let header = match &self.workload {
            Workload::Put { key_size, key_space_size, key_stride, key_suffix, .. } => {
                let number = number.wrapping_mul(*key_stride) % key_space_size.max(&1);
                let request = PutRequest {
                    key: key(number, *key_size, key_suffix),
                    value: self.value.clone(),
                    ..PutRequest::default()
                };
                self.kv.put(request).await?.into_inner().header
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
                self.kv.range(request).await?.into_inner().header
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
