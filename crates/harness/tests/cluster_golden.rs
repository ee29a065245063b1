//! Data directories that whole clusters of real etcds left: opened together by the server under
//! test, they are that cluster again; and those of 3.5 are, member by member, given back to 3.5.
//!
//! In networks of their own, since the directories name the ports. Needs root.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/golden/mod.rs"]
mod golden;
mod support;

use golden::archive::{Archive, Unpacked};
use golden::contents::{Contents, connect};
use golden::expected::{list, pair};
use harness::{Cluster, ClusterOptions, Folder, Namespaces, Network, reference};
use proto::mvccpb::KeyValue;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use support::{Api, reference_is_under_test, runtime, server_under_test};

const MEMBERS: u16 = 3;

/// How long a removed member may take to notice.
const REMOVED_MAX: Duration = Duration::from_secs(30);

/// The archives of one cluster.
#[derive(Clone, Copy, Debug)]
struct Family {
    /// Below `testdata/golden`, up to the member's name.
    path: &'static str,
    made_by: &'static str,
    token: &'static str,
    /// Members listen from this port on: the directories name it.
    first_port: u16,
    snapshot_count: u32,
}

const CLUSTER3: Family = Family {
    path: "cluster3",
    made_by: "3.5",
    token: "golden-cluster3",
    first_port: 23_200,
    snapshot_count: 50,
};

const TRAFFIC: Family = Family {
    path: "traffic",
    made_by: "3.5",
    token: "golden-traffic",
    first_port: 23_300,
    snapshot_count: 10,
};

/// The unpacked cluster.
struct Opened {
    cluster: Cluster,
    expected: Unpacked,
    _folder: Folder,
    /// Goes last: members live in it.
    _network: Namespaces,
}

impl Family {
    const fn of_3_7(self, path: &'static str) -> Self {
        Self { path, made_by: "3.7", ..self }
    }

    fn archive(self, what: &str) -> Archive {
        let path: &'static str = format!("{}-{what}", self.path).leak();
        Archive { path, made_by: self.made_by }
    }

    fn client(self, member: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.first_port + member * 10))
    }

    /// Where peers reached a member: a logging proxy stood there when the archive was made.
    fn peer(self, member: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.first_port + member * 10 + 2))
    }

    /// The members' directories with servers on them that are not started yet.
    fn open(self, members: u16) -> Opened {
        // Both may have to be made, which takes the machine's own network.
        let (program, _) = (server_under_test(), reference().unwrap());
        let network = Namespaces::new(1).unwrap();
        network.enter().unwrap();
        let folder = Folder::new("golden-cluster").unwrap();
        let expected = self.archive("expected").unpack_flat(&folder.path().join("expected"));
        let options = ClusterOptions {
            programs: vec![program; usize::from(members)],
            arguments: vec![
                format!("--snapshot-count={}", self.snapshot_count),
                format!("--initial-cluster-token={}", self.token),
            ],
            network: Network::Loopback,
        };
        let mut cluster = Cluster::new(&options).unwrap();
        for member in 1..=members {
            let data = folder.path().join(format!("m{member}"));
            self.archive(&format!("m{member}")).unpack_flat(&data);
            let slot = cluster.member(usize::from(member) - 1);
            slot.options.data_dir = data.join(format!("data{member}"));
            slot.address.client = self.client(member);
            slot.address.peer = self.peer(member);
            slot.address.advertised_peer = self.peer(member);
        }
        let initial = cluster.initial_cluster();
        for member in 0..usize::from(members) {
            cluster.member(member).address.initial_cluster.clone_from(&initial);
        }
        Opened { cluster, expected, _folder: folder, _network: network }
    }
}

impl Opened {
    async fn check_all(&self, expected: &Contents, what: &str) {
        for member in &self.cluster.members()[..usize::from(MEMBERS)] {
            let api = connect(&member.endpoint()).await;
            let found = Contents::read(&api, &expected.revisions()).await;
            expected.assert_equal(&found, &format!("{} of {what}", member.name()));
        }
    }

    /// Writes a key through a member, and expects it from now on.
    async fn write(&self, member: usize, expected: &mut Contents, key: &str) {
        let api = connect(&self.cluster.members()[member].endpoint()).await;
        let revision = api.put(key.as_bytes(), b"written").await.unwrap().header.unwrap().revision;
        assert_eq!(revision, expected.revision + 1, "a put raises the revision by one");
        expected.revision = revision;
        let keys = api.all_at(revision).await.unwrap().kvs;
        assert!(keys.iter().any(|kv| kv.key == key && kv.mod_revision == revision));
        let hash = api.hash_kv(revision).await.unwrap();
        expected.hashes.insert(revision, (hash.hash, hash.compact_revision));
        expected.keys.insert(revision, keys);
    }
}

/// The server under test opens the cluster; members of 3.5 then go back to 3.5, one by one.
fn there_and_back(family: Family, mut expected: Contents, mut opened: Opened) {
    let (runtime, what) = (runtime(), family.path);
    opened.cluster.start().unwrap();
    runtime.block_on(async {
        opened.check_all(&expected, what).await;
        for member in 0..usize::from(MEMBERS) {
            opened.write(member, &mut expected, &format!("through-{member}")).await;
        }
        opened.check_all(&expected, what).await;
    });
    if family.made_by == "3.5" {
        for member in 0..usize::from(MEMBERS) {
            opened.cluster.member(member).terminate().unwrap();
            let real = reference().unwrap().program("etcd");
            opened.cluster.member(member).options.program = real;
            opened.cluster.member(member).start().unwrap();
            runtime.block_on(async {
                opened.write(member, &mut expected, &format!("given-back-{member}")).await;
                opened.check_all(&expected, what).await;
            });
        }
    }
}

fn cluster3(family: Family) {
    if reference_is_under_test() && family.made_by != "3.5" {
        return println!("{}: not run, the reference opens no such directory", family.path);
    }
    let opened = family.open(MEMBERS);
    let expected = opened.expected.expected();
    assert!(expected.keys.len() >= 8 && expected.users.len() == 3 && expected.members.len() == 3);
    there_and_back(family, expected, opened);
}

/// These archives hold less of what the cluster answered, and a fourth member that was removed.
fn traffic(family: Family) {
    if reference_is_under_test() && family.made_by != "3.5" {
        return println!("{}: not run, the reference opens no such directory", family.path);
    }
    let mut opened = family.open(MEMBERS + 1);
    let all = opened.expected.expected_json("get-all.json").unwrap();
    let keys: Vec<KeyValue> = list(&all["kvs"]).iter().map(pair).collect();
    let members = opened.expected.expected_json("member-list.json").unwrap();
    assert_eq!((keys.len(), list(&members["members"]).len()), (43, 3));
    for member in 0..usize::from(MEMBERS) {
        opened.cluster.member(member).spawn().unwrap();
    }
    for member in 0..usize::from(MEMBERS) {
        opened.cluster.member(member).wait_ready().unwrap();
    }
    // What else is there is what the first one says; the others have to say the same.
    let expected = runtime().block_on(async {
        let api = Api::connect(&opened.cluster.members()[0].endpoint(), None).await;
        let revision = all["header"]["revision"].as_i64().unwrap();
        let found = Contents::read(&api, &[revision]).await;
        assert_eq!((found.revision, &found.keys[&revision]), (revision, &keys));
        assert_eq!(found.leases[&77].0, 5000);
        let named = list(&members["members"]).iter();
        let named: Vec<u64> = named.map(|member| member["ID"].as_u64().unwrap()).collect();
        let found_ids: Vec<u64> = found.members.iter().map(|member| member.0).collect();
        assert_eq!(found_ids, named);
        found
    });
    // The removed member ends by itself, and harms nobody.
    let removed = usize::from(MEMBERS);
    opened.cluster.member(removed).spawn().unwrap();
    let exit = opened.cluster.member(removed).wait_end(REMOVED_MAX).unwrap();
    assert_eq!(exit.code, 0, "{:?}", opened.cluster.members()[removed].log().last());
    opened.cluster.remove(removed).unwrap();
    for member in 0..usize::from(MEMBERS) {
        opened.cluster.member(member).terminate().unwrap();
    }
    there_and_back(family, expected, opened);
}

#[test]
fn a_cluster_of_3_5() {
    cluster3(CLUSTER3);
}

#[test]
fn a_cluster_of_3_7() {
    cluster3(CLUSTER3.of_3_7("v3.7.1/cluster3"));
}

#[test]
fn a_cluster_of_3_5_that_removed_a_member() {
    traffic(TRAFFIC);
}

#[test]
fn a_cluster_of_3_7_that_removed_a_member() {
    traffic(TRAFFIC.of_3_7("v3.7.1/traffic"));
}
