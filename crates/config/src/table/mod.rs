//! Every flag of `etcd`, from 3.4 to 3.7, and ours: type, default, whether it acts, what it means.

mod clustering;
mod legacy;
mod member;
mod observing;
mod security;
mod tuning;

pub use crate::flag::Kind;

/// A flag.
#[derive(PartialEq, Eq, Debug)]
pub struct Flag {
    /// Without dashes.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// As it would be given.
    pub default: &'static str,
    /// Whether it acts.
    pub status: Status,
    /// For people, one sentence without a full stop.
    pub help: &'static str,
}

/// Whether a flag acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It does what etcd's does.
    Acts,
    /// An old name of another flag.
    Alias(&'static str),
    /// An old form of a feature gate.
    Gate(&'static str),
    /// Accepted with a warning.
    NotYet,
    /// Refused unless it says the default: without it something else would be started.
    Refused,
    /// A no-op in etcd too.
    Ignored,
}

/// Flags under a heading of the help text.
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// Sorted by name.
    pub flags: &'static [Flag],
}

/// All flags.
pub const FLAGS: &[Group] = &[
    Group { title: "Member", flags: member::FLAGS },
    Group { title: "Clustering", flags: clustering::FLAGS },
    Group { title: "Security and auth", flags: security::FLAGS },
    Group { title: "Logging, profiling and monitoring", flags: observing::FLAGS },
    Group { title: "Checks, limits and unsafe flags", flags: tuning::FLAGS },
    Group { title: "Old names, and flags of earlier versions", flags: legacy::FLAGS },
];

impl Flag {
    /// The variable that sets it.
    pub fn variable(&self) -> String {
        format!("ETCD_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

const fn flag(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    status: Status,
    help: &'static str,
) -> Flag {
    Flag { name, kind, default, status, help }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The rows of `testdata/etcd-flags.tsv`: flag, type, default, environment.
    fn rows() -> Vec<Vec<&'static str>> {
        let text = include_str!("../../testdata/etcd-flags.tsv");
        text.lines().skip(1).map(|line| line.split('\t').collect()).collect()
    }

    fn flags() -> BTreeMap<&'static str, &'static Flag> {
        FLAGS.iter().flat_map(|group| group.flags).map(|flag| (flag.name, flag)).collect()
    }

    #[test]
    fn every_flag_of_etcd_is_there_with_its_variable() {
        let flags = flags();
        let rows = rows();
        assert_eq!(rows.len(), 168);
        for row in rows {
            let flag = flags[row[0].trim_start_matches("--")];
            assert!(row[3].is_empty() || row[3] == flag.variable(), "{}", row[0]);
        }
    }

    #[test]
    fn defaults_are_etcds() {
        // Where the listing describes the default instead of giving it.
        let described = [
            ("discovery-fallback", "exit"),
            ("enable-v2", "false"),
            ("initial-cluster", "default=http://localhost:2380"),
            ("pre-vote", "true"),
            ("snapshot-count", "10000"),
            ("strict-reconfig-check", "true"),
            ("v2-deprecation", ""),
        ];
        let flags = flags();
        for row in rows() {
            let name = row[0].trim_start_matches("--");
            let expected = described.iter().find(|(other, _)| *other == name);
            let expected = expected.map_or(row[2], |(_, default)| default);
            assert_eq!(flags[name].default, expected, "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_other_names_lead_somewhere() {
        let flags = flags();
        let count: usize = FLAGS.iter().map(|group| group.flags.len()).sum();
        assert_eq!(flags.len(), count);
        for group in FLAGS {
            assert!(group.flags.is_sorted_by_key(|flag| flag.name), "{}", group.title);
        }
        for flag in flags.values() {
            match flag.status {
                Status::Alias(of) => {
                    assert_eq!(flags[of].kind, flag.kind, "{}", flag.name);
                    assert!(!matches!(flags[of].status, Status::Alias(_)));
                }
                Status::Gate(gate) => assert!(crate::gates::Gate::named(gate).is_some(), "{gate}"),
                _ => {}
            }
        }
    }
}
