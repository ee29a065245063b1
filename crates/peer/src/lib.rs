//! The transport between members, called rafthttp in Go (spec/peer.md): streams, pipeline,
//! snapshots, probing.
//!
//! * [`Transport`]: sends messages to peers, answers what peers ask for under `/raft`.
//! * [`Inbound`]: what comes from peers, and what became of what was sent.
//! * [`client`]: single requests to the other endpoints of a peer.
//! * [`append_stream`], [`message_stream`]: the bytes of the two streams, without I/O.
//!
//! Knows nothing of raft's rules, of who is a member, or of how connections are accepted.
//!
//! Invariants: no call here waits for a peer; every queue is bounded by count and by bytes; what a
//! peer sends never causes a panic, nor an allocation beyond what arrived plus a bound.

mod address;
pub mod append_stream;
mod chunks;
pub mod client;
mod connect;
mod contact;
mod exchange;
mod frame;
mod headers;
mod inbound;
pub mod limits;
mod members;
pub mod message_stream;
mod metrics;
mod options;
mod outlet;
mod peer;
mod pipeline;
mod probe;
mod queue;
mod reader;
mod reply;
mod serve;
mod shared;
mod snapshot_receive;
mod snapshot_send;
mod stream_kind;
mod transport;

pub use address::{Address, PeerUrl};
pub use chunks::Chunks;
pub use connect::{Connector, Io, Plain};
pub use frame::Error as StreamError;
pub use inbound::{Event, Inbound, SnapshotOutcome};
pub use membership::UrlError;
pub use options::Options;
pub use reply::ReplyBody;
pub use transport::Transport;
