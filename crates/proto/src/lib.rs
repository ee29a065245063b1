//! The etcd messages, spoken and stored, and the error table.
//!
//! The client API, the stored messages and the requests in the log come from the `.proto` files in
//! this crate's folder `proto/` (`../proto/proto` from another crate's build script, which can
//! generate services with `extern_path` to the types here). Raft's messages, WAL records and
//! snapshot files have codecs of their own, since their bytes have to be Go's to the letter.
//!
//! Knows nothing of gRPC, files, threads or the meaning of a request.
//!
//! Invariants: what is encoded for storage is byte-equal to what Go etcd writes; bytes from
//! elsewhere never cause a panic, and never an allocation beyond their own size times a constant.

pub mod access;
pub mod error;
pub mod raftpb;
pub mod shown;
pub mod snappb;
pub mod twin;
pub mod version;
pub mod walpb;

mod kind;
mod nesting;
mod wire;

#[cfg(test)]
#[path = "golden_test.rs"]
mod golden;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod testing;

pub use kind::RequestKind;
pub use nesting::{NESTING_MAX, decode, decode_request};
pub use wire::DecodeError;

/// Defines a module with the messages that `build.rs` generated for a package.
macro_rules! package {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        #[allow(missing_docs, clippy::all, clippy::pedantic)]
        pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", $file, ".rs"));
        }
    };
}

package!(
    /// Users and roles as stored.
    authpb, "authpb");
package!(
    /// The client API and the requests in the log.
    etcdserverpb, "etcdserverpb");
package!(
    /// Leases as stored.
    leasepb, "leasepb");
package!(
    /// The cluster's requests in the log.
    membershippb, "membershippb");
package!(
    /// Keys as stored and as sent.
    mvccpb, "mvccpb");
package!(
    /// Elections.
    v3electionpb, "v3electionpb");
package!(
    /// Locks.
    v3lockpb, "v3lockpb");

/// gRPC's own packages.
pub mod grpc {
    /// gRPC's health check.
    pub mod health {
        package!(
            /// Version 1.
            v1, "grpc.health.v1");
    }
}

/// The encoded `google.protobuf.FileDescriptorSet` of all `.proto` files here, their imports
/// included, with the names as etcd spells them.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
