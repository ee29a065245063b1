//! Rows: those of the real etcd, and those that go and come with a whole other cluster.

use env::{Rng, SeededRng};
use prost::Message;
use proto::etcdserverpb::InternalRaftRequest;
use proto::raftpb::ConfChange;

use super::*;
use crate::testing::{Golden, golden, open};
use crate::{Error, LEARNERS_MAX, LegacyRequest};

fn stored(backend: &Backend, bucket: Bucket) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let rows = backend.rows(bucket).unwrap();
    rows.into_iter().map(|(key, value)| (text(&key), text(&value))).collect()
}

fn expected(golden: &Golden, bucket: Bucket) -> Vec<(String, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let rows = golden.rows_of(bucket.name());
    rows.into_iter().map(|(key, value)| (text(key), text(value))).collect()
}

/// Applies an entry; gives why a change of members does not fit.
fn apply(
    store: &mut Store,
    backend: &mut Backend,
    is_change: bool,
    data: &[u8],
) -> Result<(), Error> {
    if is_change {
        let change = Change::parse(&ConfChange::decode(data.to_vec()).unwrap())?;
        store.cluster().validate(&change, LEARNERS_MAX)?;
        store.apply(backend, &change);
        return Ok(());
    }
    match InternalRaftRequest::decode(data) {
        Ok(request) => {
            if let Some(set) = request.cluster_member_attr_set {
                let attributes = set.member_attributes.unwrap();
                let (name, client_urls) = (attributes.name, attributes.client_urls);
                let attributes = Attributes { name, client_urls };
                assert!(store.set_attributes(backend, MemberId(set.member_id), attributes));
            }
            if let Some(set) = request.cluster_version_set {
                store.set_version(backend, set.ver.parse().unwrap());
            }
        }
        Err(_) => match LegacyRequest::parse(data).unwrap().1 {
            LegacyRequest::SetAttributes { id, attributes } => {
                assert!(store.set_attributes(backend, id, attributes));
            }
            LegacyRequest::SetVersion(version) => store.set_version(backend, version),
            other @ LegacyRequest::Other { .. } => panic!("{other:?}"),
        },
    }
    Ok(())
}

/// Applies all entries; gives those that do not fit.
fn replay(golden: &Golden, store: &mut Store, backend: &mut Backend) -> Vec<(u64, Error)> {
    let mut refused = Vec::new();
    for (index, is_change, data) in &golden.entries {
        if let Err(error) = apply(store, backend, *is_change, data) {
            refused.push((*index, error));
        }
        store.check_invariants(backend);
    }
    refused
}

#[test]
fn entries_of_etcd_3_7_leave_its_rows() {
    let golden = golden(include_str!("../testdata/golden-3.7.1.txt"));
    let mut opened = open();
    let mut store = Store::open(&opened.backend).unwrap();
    let refused = replay(&golden, &mut store, &mut opened.backend);
    assert_eq!(refused, [(61, Error::NotLearner)]);
    for bucket in [Bucket::Members, Bucket::MembersRemoved, Bucket::Cluster] {
        assert_eq!(stored(&opened.backend, bucket), expected(&golden, bucket), "{bucket}");
    }
    assert_eq!(store.cluster().version(), Some(Version::new(3, 7, 0)));
    assert_eq!(store.cluster().members().count(), 3);
}

#[test]
fn entries_of_etcd_3_5_leave_its_rows_with_client_urls() {
    let golden = golden(include_str!("../testdata/golden-3.5.1.txt"));
    let mut opened = open();
    let mut store = Store::open(&opened.backend).unwrap();
    let refused = replay(&golden, &mut store, &mut opened.backend);
    assert_eq!(refused, [(61, Error::IdNotFound), (62, Error::NotLearner)]);
    for bucket in [Bucket::MembersRemoved, Bucket::Cluster] {
        assert_eq!(stored(&opened.backend, bucket), expected(&golden, bucket), "{bucket}");
    }
    // 3.5.1 left the rows as the members were added.
    let without_client_urls: Vec<(String, String)> = store
        .cluster()
        .members()
        .map(|member| {
            assert_eq!(member.attributes.client_urls.len(), 1);
            let mut member = member.clone();
            member.attributes.client_urls.clear();
            (member.id.to_string(), member.to_json())
        })
        .collect();
    assert_eq!(without_client_urls, expected(&golden, Bucket::Members));
}

#[test]
fn changes_in_the_log_are_written_as_go_writes_them() {
    for text in
        [include_str!("../testdata/golden-3.5.1.txt"), include_str!("../testdata/golden-3.7.1.txt")]
    {
        for (index, is_change, data) in golden(text).entries {
            if is_change {
                let found = ConfChange::decode(data).unwrap();
                let again = Change::parse(&found).unwrap().to_conf_change(found.id);
                assert_eq!(again, found, "entry {index}");
            }
        }
    }
}

#[test]
fn rows_read_back() {
    let golden = golden(include_str!("../testdata/golden-3.7.1.txt"));
    let mut opened = open();
    for (bucket, key, value) in &golden.rows {
        let bucket = Bucket::ALL.into_iter().find(|known| known.name() == bucket).unwrap();
        opened.backend.put(bucket, key.clone(), value.clone());
    }
    let store = Store::open(&opened.backend).unwrap();
    store.check_invariants(&opened.backend);
    let names: Vec<&str> =
        store.cluster().members().map(|member| member.attributes.name.as_str()).collect();
    assert_eq!(names, ["m3", "m1", "m2"]);
    assert!(store.cluster().is_removed(MemberId(0x5961_321a_d763_a821)));
    assert!(!store.cluster().downgrade().is_enabled);
}

#[test]
fn another_cluster_takes_the_place_of_one() {
    let golden = golden(include_str!("../testdata/golden-3.7.1.txt"));
    let mut opened = open();
    let backend = &mut opened.backend;
    let mut store = Store::open(backend).unwrap();
    replay(&golden, &mut store, backend);
    store.set_downgrade(backend, Downgrade { target: "3.6.0".to_owned(), is_enabled: true });
    store.check_invariants(backend);
    let full = store.cluster().clone();
    let only = full.members().next().unwrap().clone();
    let alone = Contents { members: [(only.id, only)].into(), ..Contents::default() };
    store.reset(backend, alone.clone().into());
    store.check_invariants(backend);
    assert_eq!(store.cluster().contents(), &alone);
    assert_eq!(stored(backend, Bucket::Members).len(), 1);
    assert!(stored(backend, Bucket::Cluster).is_empty());
    store.reset(backend, full.clone());
    store.check_invariants(backend);
    assert_eq!(store.cluster(), &full);
}

#[test]
fn damaged_rows_are_named() {
    for (bucket, key, value) in [
        (Bucket::Members, "xyz", "{}"),
        (Bucket::Members, "1", "{\"id\":2}"),
        (Bucket::Members, "1", "{"),
        (Bucket::MembersRemoved, "-", "removed"),
        (Bucket::Cluster, "clusterVersion", "three"),
        (Bucket::Cluster, "downgrade", "{\"enabled\":true}"),
    ] {
        let mut opened = open();
        opened.backend.put(bucket, key, value);
        let error = Store::open(&opened.backend).err().unwrap().to_string();
        assert!(error.contains(&format!("bucket {bucket}")) && error.contains(key), "{error}");
    }
}

#[test]
fn mutated_entries_and_rows_are_refused_without_a_panic() {
    let golden = golden(include_str!("../testdata/golden-3.5.1.txt"));
    let mut inputs: Vec<Vec<u8>> = golden.entries.into_iter().map(|(_, _, data)| data).collect();
    inputs.extend(golden.rows.into_iter().map(|(_, _, value)| value));
    for seed in 0..5_000 {
        let mut rng = SeededRng::new(seed);
        let mut input = inputs[rng.below(inputs.len() as u64) as usize].clone();
        for _ in 0..=rng.below(3) {
            let place = rng.below(input.len() as u64) as usize;
            input[place] = rng.next_u64() as u8;
        }
        input.truncate(1 + rng.below(2 * input.len() as u64) as usize);
        _ = LegacyRequest::parse(&input);
        _ = Member::from_json(&input);
        _ = Downgrade::from_json(&input);
        if let Ok(change) = ConfChange::decode(input) {
            _ = Change::parse(&change);
        }
    }
}
