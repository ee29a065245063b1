//! Real servers for tests: the reference etcd and ours, side by side.
//!
//! [`reference()`] finds or installs the real etcd 3.5.16; [`ours`] builds our own programs.
//! [`Server`] runs either on loopback ports that nobody else has ([`Port`]), in a [`Folder`] that
//! goes away. [`run`] runs a program to its end. [`Masks`] makes outputs of two servers comparable,
//! and [`Sequence`] is a long list of `etcdctl` commands to compare them with.
//!
//! For tests only. Without a reference, tests fail; they never pass by leaving something out.
//!
//! Invariants: servers listen on 127.0.0.1 only; whatever was started ends with its value.

mod folder;
mod http;
mod install;
mod mask;
mod ours;
mod port;
mod process;
mod protobuf;
mod reference;
mod sequence;
mod server;

pub use folder::{Folder, target_folder, workspace_folder};
pub use http::{HttpReply, http_get};
pub use mask::{Mask, Masks};
pub use ours::ours;
pub use port::Port;
pub use process::{Finished, Run, run};
pub use reference::{Reference, reference};
pub use sequence::{Command, Outcome, Sequence};
pub use server::{Exit, Server, ServerOptions};
