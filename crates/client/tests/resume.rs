//! Watches and leases while the real server under them is killed and started again.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use client::grpc::etcdserverpb::kv_client::KvClient;
use client::{Client, Config, Options, Safety, Session, Watch};
use harness::{Folder, Port, Server, ServerOptions, reference};
use proto::etcdserverpb::{PutRequest, RangeRequest, WatchCreateRequest};

/// How long anything here may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

const ROUNDS: usize = 4;
const PUTS_PER_ROUND: usize = 25;

struct Setup {
    options: ServerOptions,
    client: Port,
    peer: Port,
    _folder: Folder,
}

impl Setup {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name).unwrap();
        let options = ServerOptions {
            program: reference().unwrap().program("etcd"),
            name: "m1".to_owned(),
            data_dir: folder.path().join("data"),
            log: folder.path().join("log"),
            arguments: Vec::new(),
            variables: Vec::new(),
        };
        let (client, peer) = (Port::take().unwrap(), Port::take().unwrap());
        Self { options, client, peer, _folder: folder }
    }

    fn start(&self) -> Server {
        Server::start(&self.options, &self.client, &self.peer).unwrap()
    }

    /// A client that first tries an endpoint where nobody is.
    async fn connect(&self) -> Arc<Client> {
        let endpoints = vec!["127.0.0.1:1".to_owned(), self.client.url()];
        let config = Config { endpoints, options: Options::default(), user: None };
        Arc::new(Client::new(config).await.unwrap())
    }
}

async fn put(client: &Client, key: String) -> i64 {
    let send = |channel| {
        let request = PutRequest { key: key.clone().into(), ..PutRequest::default() };
        async move { KvClient::new(channel).put(request).await }
    };
    client.call(Safety::Write, send).await.unwrap().header.unwrap().revision
}

#[tokio::test]
async fn a_watch_misses_nothing_and_repeats_nothing_over_kills() {
    let setup = Setup::new("watch-resume");
    let mut server = Some(setup.start());
    let writer = setup.connect().await;
    let request = WatchCreateRequest {
        key: "k".into(),
        range_end: "l".into(),
        start_revision: 2,
        ..WatchCreateRequest::default()
    };
    let mut watch = Watch::new(setup.connect().await, request);
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for number in 0..PUTS_PER_ROUND {
            sent.push(put(&writer, format!("k{round}-{number}")).await);
        }
        // A part is read before the kill, the rest after it.
        while seen.len() < sent.len() - PUTS_PER_ROUND / 2 {
            seen.extend(next(&mut watch).await);
        }
        server.take().unwrap().kill().unwrap();
        server = Some(setup.start());
        // A read that fails over is sent again until it is answered.
        let read = |channel| async move {
            KvClient::new(channel)
                .range(RangeRequest { key: "k".into(), ..Default::default() })
                .await
        };
        tokio::time::timeout(PATIENCE, writer.call(Safety::Read, read)).await.unwrap().unwrap();
    }
    while seen.len() < sent.len() {
        seen.extend(next(&mut watch).await);
    }
    assert_eq!(seen, sent);
}

async fn next(watch: &mut Watch) -> Vec<i64> {
    let response = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
    let events = response.unwrap().expect("the watch goes on").events;
    events.into_iter().map(|event| event.kv.unwrap().mod_revision).collect()
}

#[tokio::test]
async fn a_session_outlives_the_server_and_ends_with_its_lease() {
    let setup = Setup::new("session");
    let server = setup.start();
    let client = setup.connect().await;
    let session = Session::new(client.clone(), 6).await.unwrap();
    server.kill().unwrap();
    let _server = setup.start();
    let id = session.lease().0;
    let revoke = |channel| async move {
        let request = proto::etcdserverpb::LeaseRevokeRequest { id };
        client::grpc::etcdserverpb::lease_client::LeaseClient::new(channel)
            .lease_revoke(request)
            .await
    };
    // The first call may find the connection broken: a write is never sent twice.
    if client.call(Safety::Write, revoke).await.is_err() {
        client.call(Safety::Write, revoke).await.unwrap();
    }
    tokio::time::timeout(PATIENCE, session.lost()).await.unwrap();
}
