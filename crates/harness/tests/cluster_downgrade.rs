//! Under a steady load, a cluster of ours goes from 3.7 to 3.6 and to 3.5, each step ended by a
//! restart of one member after the other at that level; then the real etcd 3.5.16 takes over the
//! directories in the same way, and all of it counts as one run without a violation.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{
    End, Scene, enable_downgrade, kinds, wait_for_the_end_of_the_downgrade, wait_for_version,
};
use harness::{ClusterOptions, Network, ours, reference};
use load::Plan;
use support::{count, runtime};

const MEMBERS: usize = 3;

#[test]
fn ours_go_down_to_3_5_under_load_and_go_takes_over() {
    let seed = count("OXETCD_SEED", 1);
    let options = ClusterOptions {
        programs: vec![ours().unwrap().join("etcd"); MEMBERS],
        // Low enough for snapshots to be made at each level.
        arguments: vec!["--snapshot-count=100".to_owned()],
        network: Network::Loopback,
    };
    let real = reference().unwrap().program("etcd");
    let shown = runtime().block_on(async {
        let mut scene = Scene::start(&options, |endpoints| Plan::new(seed, endpoints));
        wait_for_version(&scene.cluster, "3.7").await;
        scene.wait_for_revisions(60).await;
        for to in ["3.6", "3.5"] {
            enable_downgrade(&scene.cluster, to).await;
            for position in 0..MEMBERS {
                let arguments = &mut scene.cluster.member(position).options.arguments;
                arguments.retain(|argument| !argument.starts_with("--max-cluster-version"));
                arguments.push(format!("--max-cluster-version={to}"));
                scene.restart(position, End::Terminate, None).await;
            }
            wait_for_the_end_of_the_downgrade(&scene.cluster).await;
            scene.wait_for_revisions(60).await;
        }
        for position in 0..MEMBERS {
            let arguments = &mut scene.cluster.member(position).options.arguments;
            arguments.retain(|argument| !argument.starts_with("--max-cluster-version"));
            scene.restart(position, End::Terminate, Some(&real)).await;
        }
        scene.wait_for_revisions(60).await;
        scene.finish().await
    });
    shown.print("3.7 to 3.6 to 3.5, then the real etcd");
    assert!(shown.report.is_clean(), "{}", shown.report);
    assert!(shown.unexcused.is_empty(), "{:?}: {:#?}", kinds(&shown.unexcused), shown.unexcused);
    assert_eq!(shown.kept_lost, 0, "a lease that was kept alive ended");
    assert!(shown.compared >= 3, "hashes were compared {} times", shown.compared);
}
