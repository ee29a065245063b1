//! Splitting a large response for a client that allows it
//! (etcd `server/etcdserver/api/v3rpc/watch.go`, `sendFragments`).

use prost::Message;
use proto::twin::WatchResponse;

/// The response in pieces of less than `bytes_max` each, but at least one event; all but the last
/// say that more follows.
pub(crate) fn split(response: WatchResponse, bytes_max: usize) -> Vec<WatchResponse> {
    if response.events.len() < 2 || response.encoded_len() < bytes_max {
        return vec![response];
    }
    let empty = WatchResponse { events: Vec::new(), ..response.clone() };
    let overhead = empty.encoded_len() + 2;
    let mut pieces = vec![empty.clone()];
    let mut size = overhead;
    for event in response.events {
        let weight = 1 + prost::length_delimiter_len(event.len()) + event.len();
        let piece = pieces.last_mut().expect("there is always one");
        if !piece.events.is_empty() && size + weight >= bytes_max {
            piece.fragment = true;
            pieces.push(empty.clone());
            size = overhead;
        }
        size += weight;
        pieces.last_mut().expect("there is always one").events.push(event);
    }
    pieces
}
