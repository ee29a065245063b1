//! Feature gates: etcd's switches for what is not settled (pkg/featuregate, server/features).

use crate::flag::parse_bool;

/// A feature gate of etcd 3.7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Gate {
    /// The leader compares hashes after compactions.
    CompactHashCheck,
    /// Leases are renewed without waiting for the applied index.
    FastLeaseKeepAlive,
    /// Hashes are compared with peers before serving.
    InitialCorruptCheck,
    /// The leader sends checkpoints of remaining time to live.
    LeaseCheckpoint,
    /// Checkpoints are stored; needs [`Gate::LeaseCheckpoint`].
    LeaseCheckpointPersist,
    /// Some requests pass the overload limit.
    PriorityRequest,
    /// Peers are dialled from the first advertised address that is not loopback.
    SetMemberLocalAddr,
    /// The health service says "not serving" during defragmentation.
    StopGRPCServiceOnDefrag,
    /// Write transactions read through a shared buffer. Means nothing here: views have no copies.
    TxnModeWriteWithSharedBuffer,
}

/// How settled a feature is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Alpha,
    Beta,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Alpha => "ALPHA",
            Self::Beta => "BETA",
        }
    }
}

/// The names that stand for all gates of a stage.
const ALL: [(&str, Stage); 2] = [("AllAlpha", Stage::Alpha), ("AllBeta", Stage::Beta)];

/// Name, stage, default, whether it acts here.
type Row = (Gate, &'static str, Stage, bool, bool);

const GATES: [Row; 9] = [
    (Gate::CompactHashCheck, "CompactHashCheck", Stage::Alpha, false, true),
    (Gate::FastLeaseKeepAlive, "FastLeaseKeepAlive", Stage::Beta, true, true),
    (Gate::InitialCorruptCheck, "InitialCorruptCheck", Stage::Alpha, false, true),
    (Gate::LeaseCheckpoint, "LeaseCheckpoint", Stage::Alpha, false, true),
    (Gate::LeaseCheckpointPersist, "LeaseCheckpointPersist", Stage::Alpha, false, true),
    (Gate::PriorityRequest, "PriorityRequest", Stage::Alpha, false, false),
    (Gate::SetMemberLocalAddr, "SetMemberLocalAddr", Stage::Alpha, false, false),
    (Gate::StopGRPCServiceOnDefrag, "StopGRPCServiceOnDefrag", Stage::Alpha, false, false),
    (Gate::TxnModeWriteWithSharedBuffer, "TxnModeWriteWithSharedBuffer", Stage::Beta, true, true),
];

/// Which feature gates are on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureGates {
    on: [bool; GATES.len()],
    /// What was said of all gates of a stage.
    all: [bool; ALL.len()],
}

impl Default for FeatureGates {
    fn default() -> Self {
        Self { on: GATES.map(|(_, _, _, default, _)| default), all: [false; ALL.len()] }
    }
}

impl Gate {
    /// The gate with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        GATES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        GATES[self as usize].1
    }

    /// Whether turning it on or off changes anything here yet.
    #[must_use]
    pub fn acts(self) -> bool {
        GATES[self as usize].4
    }
}

impl FeatureGates {
    /// Whether a gate is on.
    #[must_use]
    pub fn is_on(&self, gate: Gate) -> bool {
        self.on[gate as usize]
    }

    /// Turns one on or off.
    pub fn set(&mut self, gate: Gate, on: bool) {
        self.on[gate as usize] = on;
    }

    /// Applies pairs as `--feature-gates` gives them: `AllAlpha` and `AllBeta` first, for the gates
    /// that are not named themselves.
    pub fn apply(&mut self, pairs: &[(String, bool)]) {
        for (position, (all, stage)) in ALL.into_iter().enumerate() {
            let Some((_, on)) = pairs.iter().rev().find(|(name, _)| name == all) else {
                continue;
            };
            self.all[position] = *on;
            for (gate, _, _, _, _) in GATES.iter().filter(|row| row.2 == stage) {
                self.set(*gate, *on);
            }
        }
        for (name, on) in pairs {
            if let Some(gate) = Gate::named(name) {
                self.set(gate, *on);
            }
        }
    }

    /// All gates with their state, by name, as etcd prints them.
    pub fn iter(&self) -> impl Iterator<Item = (Gate, bool)> + '_ {
        GATES.iter().map(|row| (row.0, self.is_on(row.0)))
    }

    /// Name, stage and state of all gates and of what stands for several.
    pub fn shown(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> + '_ {
        let gates = GATES.iter().map(|row| (row.1, row.2.name(), self.is_on(row.0)));
        let all = ALL.iter().zip(self.all).map(|((name, stage), on)| (*name, stage.name(), on));
        gates.chain(all)
    }
}

/// Reads `Name=bool` pairs.
///
/// # Errors
/// etcd's own words.
pub fn parse_pairs(text: &str) -> Result<Vec<(String, bool)>, String> {
    let mut pairs = Vec::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(format!("missing bool value for {}", pair.trim()));
        };
        let (name, value) = (name.trim(), value.trim());
        let on = parse_bool(value).ok_or_else(|| {
            let quoted = crate::quote::quote(value);
            let error = format!("strconv.ParseBool: parsing {quoted}: invalid syntax");
            format!("invalid value of {name}={value}, err: {error}")
        })?;
        pairs.push((name.to_owned(), on));
    }
    let known = |name: &str| Gate::named(name).is_some() || ALL.iter().any(|(all, _)| *all == name);
    match pairs.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => Err(format!("unrecognized feature gate: {name}")),
        None => Ok(pairs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_their_number() {
        for (position, row) in GATES.iter().enumerate() {
            assert_eq!(row.0 as usize, position);
            assert_eq!(Gate::named(row.1), Some(row.0));
        }
    }

    #[test]
    fn a_named_gate_wins_over_all() {
        let mut gates = FeatureGates::default();
        assert!(gates.is_on(Gate::FastLeaseKeepAlive));
        gates.apply(&parse_pairs("LeaseCheckpoint=false, AllAlpha=true,,AllBeta=0").unwrap());
        assert!(!gates.is_on(Gate::LeaseCheckpoint));
        assert!(gates.is_on(Gate::LeaseCheckpointPersist));
        assert!(!gates.is_on(Gate::FastLeaseKeepAlive));
    }

    #[test]
    fn faults_are_in_etcds_words() {
        let fault = |text: &str| parse_pairs(text).unwrap_err();
        assert_eq!(fault("A"), "missing bool value for A");
        assert_eq!(fault("Nope=true"), "unrecognized feature gate: Nope");
        let expected = "invalid value of LeaseCheckpoint=yes, err: strconv.ParseBool: parsing \
                        \"yes\": invalid syntax";
        assert_eq!(fault("LeaseCheckpoint=yes"), expected);
    }
}
