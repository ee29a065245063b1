//! Clients on a real cluster that nothing disturbs: what they record is without fault.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use harness::{Cluster, ClusterOptions, Network};
use load::{Load, Plan};
use std::time::Duration;
use support::{count, runtime, server_under_test};

#[test]
fn an_undisturbed_cluster_keeps_its_promises() {
    let seconds = count("OXETCD_LOAD_SECONDS", 5);
    let options = ClusterOptions {
        programs: vec![server_under_test(); 3],
        arguments: vec!["--experimental-watch-progress-notify-interval=500ms".to_owned()],
        network: Network::Loopback,
    };
    let cluster = Cluster::started(&options).unwrap();
    let recording = runtime().block_on(async {
        let load = Load::start(Plan::new(1, cluster.endpoints()));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        load.finish().await.unwrap()
    });
    let report = checker::check(&recording.history);
    println!("{report}; {} compactions with equal hashes", recording.compared);
    assert!(report.is_clean(), "{report}");
    assert!(recording.failures.is_empty(), "{:?}", recording.failures);
    assert!(recording.compared > 0);
    let counts = report.counts;
    assert!(counts.answers > 100 * seconds && counts.events > counts.revisions, "{counts}");
}
