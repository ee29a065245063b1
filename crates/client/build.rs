//! Generates the client side of etcd's gRPC services over the messages of crate `proto`.

use std::error::Error;

/// The files that declare services.
const SERVICES: [&str; 9] = [
    "etcdserverpb/auth.proto",
    "etcdserverpb/cluster.proto",
    "etcdserverpb/kv.proto",
    "etcdserverpb/lease.proto",
    "etcdserverpb/maintenance.proto",
    "etcdserverpb/watch.proto",
    "v3lockpb/v3lock.proto",
    "v3electionpb/v3election.proto",
    "grpc/health/v1/health.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../proto/proto");
    let descriptors = protox::compile(SERVICES, ["../proto/proto"])?;
    let mut builder = tonic_prost_build::configure().build_server(false).build_client(true);
    for package in ["authpb", "etcdserverpb", "mvccpb", "v3electionpb", "v3lockpb"] {
        builder = builder.extern_path(format!(".{package}"), format!("::proto::{package}"));
    }
    builder.extern_path(".grpc.health.v1", "::proto::grpc::health::v1").compile_fds(descriptors)?;
    Ok(())
}
