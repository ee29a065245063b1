//! Which crate may know which: the layer table of `ARCHITECTURE.md`, and its check.

use crate::workspace::{DependencyKind, Package};

/// The crates, layer by layer. A crate depends on lower layers only; crates of one layer don't know
/// each other; every crate may use layer 0. A new crate needs a place here.
const LAYERS: [&[&str]; 9] = [
    &["types", "proto", "env", "telemetry"],
    &["raft", "wal", "snap", "bolt"],
    &["backend"],
    &["mvcc", "lease", "auth", "membership"],
    &["apply", "watch", "peer"],
    &["node"],
    &["api", "client", "config"],
    &["rpc", "httpd", "proxy", "discovery", "v2"],
    &["etcd", "etcdctl", "etcdutl", "benchmark"],
];

/// May use everything; used by tests only.
const TEST_CRATES: &[&str] = &["checker", "simenv", "sim", "load", "harness", "fuzz", "xtask"];

/// Crates from outside that would bring I/O, async or transports where they don't belong.
const FOREIGN: [(&[&str], &str, &[&str]); 2] = [
    (
        &[
            "raft",
            "wal",
            "snap",
            "bolt",
            "backend",
            "mvcc",
            "lease",
            "auth",
            "membership",
            "apply",
            "watch",
        ],
        "is a core without async and without randomness of its own",
        &["tokio", "tonic", "hyper", "axum", "rand"],
    ),
    (&["api"], "knows no transport", &["tonic", "hyper", "http", "axum", "h2"]),
];

/// Where a crate stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Layer {
    /// Its number in the table.
    Number(usize),
    /// A test crate, above all.
    Test,
}

/// The place of a crate, if it has one.
pub fn layer(name: &str) -> Option<Layer> {
    if TEST_CRATES.contains(&name) {
        return Some(Layer::Test);
    }
    LAYERS.iter().position(|crates| crates.contains(&name)).map(Layer::Number)
}

/// What is wrong with the workspace's dependencies, one line per fault.
pub fn check(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let Some(place) = layer(&package.name) else {
            faults.push(format!("{}: has no place in xtask/src/layers.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            faults.extend(fault(package, place, &dependency.name, dependency.kind));
        }
    }
    faults
}

fn fault(
    package: &Package,
    place: Layer,
    dependency: &str,
    kind: DependencyKind,
) -> Option<String> {
    let name = &package.name;
    let refused = FOREIGN.iter().find(|(crates, _, refused)| {
        crates.contains(&name.as_str()) && refused.contains(&dependency)
    });
    if let (Some((_, reason, _)), DependencyKind::Normal) = (refused, kind) {
        return Some(format!("{name}: depends on {dependency}, but {reason}"));
    }
    let below = layer(dependency)?;
    let allowed = match (below, kind) {
        (Layer::Test, DependencyKind::Development) => true,
        (Layer::Test, _) => place == Layer::Test,
        (Layer::Number(0), _) => true,
        (Layer::Number(_), _) => below < place,
    };
    let fault = || {
        format!(
            "{name} ({place:?}): depends on {dependency} ({below:?}), which is not of a lower layer"
        )
    };
    (!allowed).then(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependency: &str, kind: DependencyKind) -> Package {
        let dependencies = vec![Dependency { name: dependency.to_owned(), kind }];
        Package { name: name.to_owned(), folder: std::path::PathBuf::new(), dependencies }
    }

    #[test]
    fn calls_go_down() {
        use DependencyKind::{Development, Normal};
        let cases = [
            ("mvcc", "backend", Normal, true),
            ("mvcc", "bolt", Normal, true),
            ("mvcc", "lease", Normal, false),
            ("backend", "mvcc", Normal, false),
            ("env", "types", Normal, true),
            ("etcd", "harness", Normal, false),
            ("etcd", "harness", Development, true),
            ("xtask", "harness", Normal, true),
            ("harness", "etcd", Normal, true),
            ("raft", "tokio", Normal, false),
            ("raft", "tokio", Development, true),
            ("api", "http", Normal, false),
            ("node", "tokio", Normal, true),
            ("surprise", "types", Normal, false),
        ];
        for (name, dependency, kind, good) in cases {
            let faults = check(&[package(name, dependency, kind)]);
            assert_eq!(faults.is_empty(), good, "{name} -> {dependency}: {faults:?}");
        }
    }
}
