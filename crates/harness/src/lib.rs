//! Real servers for tests: the reference etcd and ours, side by side.
//!
//! [`reference()`] finds or installs the real etcd 3.5.16; [`ours`] builds our own programs.
//! [`Server`] runs either on loopback ports that nobody else has ([`Port`]), in a [`Folder`] that
//! goes away; [`Cluster`] runs several of either, on loopback or in [`Namespaces`] with cuts and
//! delays between them. [`run`] runs a program to its end. [`Masks`] makes outputs of two servers comparable,
//! and [`Sequence`] is a long list of `etcdctl` commands to compare them with.
//!
//! For tests only. Without a reference, tests fail; they never pass by leaving something out.
//!
//! Invariants: servers listen on 127.0.0.1 or in namespaces of the test's own only; whatever was
//! started ends with its value.

mod cluster;
mod folder;
mod http;
mod install;
mod log_line;
mod mask;
mod network;
mod ours;
mod port;
mod process;
mod protobuf;
mod reference;
mod sequence;
mod server;

pub use cluster::{Cluster, ClusterOptions, Member, Network};
pub use folder::{Folder, target_folder, workspace_folder};
pub use http::{HttpReply, http_get, http_get_at};
pub use log_line::{LogLine, read_log};
pub use mask::{Mask, Masks};
pub use network::{Cuts, Namespaces, Proxies, Proxy, Route, Weather};
pub use ours::{ours, ours_on_faulty_disk, ours_with_fail_points};
pub use port::Port;
pub use process::{Finished, Run, run};
pub use reference::{Reference, older_reference, reference};
pub use sequence::{Command, Outcome, Sequence};
pub use server::{Address, Exit, Server, ServerOptions};
