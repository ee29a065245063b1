//! The rules for the cluster version and downgrades (server/etcdserver/version, spec/apply.md 6.6).
//!
//! Pure functions of what is known. What level a member of ours speaks, and when it holds the
//! cluster at a lower one, is `node`'s.

use proto::error::Error as Wire;
use proto::version::{MIN_CLUSTER, Version};

use crate::Downgrade;

/// The only version that a cluster may be downgraded to: one minor lower.
#[must_use]
pub fn downgrade_target(from: Version) -> Option<Version> {
    let minor = from.minor.checked_sub(1)?;
    Some(Version::new(from.major, minor, 0))
}

/// Whether a cluster may be downgraded from one version to another.
#[must_use]
pub fn is_valid_downgrade(from: Version, to: Version) -> bool {
    downgrade_target(from) == Some(to)
}

/// Reads the version that a downgrade is asked for: `3.5.0` or `3.5`.
///
/// # Errors
/// [`Wire::WrongDowngradeVersionFormat`].
pub fn parse_target(text: &str) -> Result<Version, Wire> {
    let parsed = text.parse().or_else(|_| format!("{text}.0").parse());
    let version: Version = parsed.map_err(|_| Wire::WrongDowngradeVersionFormat)?;
    Ok(version.without_patch())
}

/// Whether a downgrade may be begun.
///
/// # Errors
/// [`Wire::ClusterVersionUnavailable`], [`Wire::InvalidDowngradeTargetVersion`],
/// [`Wire::DowngradeInProcess`].
pub fn validate_downgrade(
    cluster_version: Option<Version>,
    target: Version,
    current: &Downgrade,
) -> Result<(), Wire> {
    let from = cluster_version.ok_or(Wire::ClusterVersionUnavailable)?;
    if !is_valid_downgrade(from, target) {
        return Err(Wire::InvalidDowngradeTargetVersion);
    }
    if current.is_enabled {
        return Err(Wire::DowngradeInProcess);
    }
    Ok(())
}

/// Whether a server of this version cannot work in a cluster of that version.
#[must_use]
pub fn is_below_cluster(server: Version, cluster_version: Option<Version>) -> bool {
    cluster_version.is_some_and(|cluster| server.without_patch() < cluster)
}

/// The cluster version that a leader should propose; `None` to leave it as it is.
///
/// `lowest_server` is the lowest version among all members, `None` while one is not known.
///
/// # Errors
/// When a downgrade goes on whose target is not one minor below both the cluster version and the
/// lowest server's.
pub fn decide(
    current: Option<Version>,
    lowest_server: Option<Version>,
    downgrade: &Downgrade,
) -> Result<Option<Version>, InvalidTarget> {
    let Some(current) = current else {
        return Ok(Some(lowest_server.unwrap_or(MIN_CLUSTER).without_patch()));
    };
    let Some(lowest) = lowest_server.map(Version::without_patch) else { return Ok(None) };
    if let Some(target) = downgrade.target_version() {
        if target == current {
            return Ok(None);
        }
        if !is_valid_downgrade(current, target) || !is_valid_downgrade(lowest, target) {
            return Err(InvalidTarget { target, current, lowest });
        }
        return Ok(Some(target));
    }
    let rises = current.major == lowest.major && current < lowest;
    Ok(rises.then_some(lowest))
}

/// A downgrade that cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid downgrade target {target}: cluster version {current}, lowest server {lowest}")]
pub struct InvalidTarget {
    /// Where it should go.
    pub target: Version,
    /// Where the cluster is.
    pub current: Version,
    /// The lowest server version, without its patch.
    pub lowest: Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn v(minor: u64) -> Version {
        Version::new(3, minor, 0)
    }

    fn downgrade(target: &str) -> Downgrade {
        Downgrade { target: target.to_owned(), is_enabled: true }
    }

    #[test]
    fn one_minor_down_and_no_further() {
        assert!(is_valid_downgrade(v(6), v(5)));
        assert!(is_valid_downgrade(Version::new(3, 6, 4), v(5)), "patches don't count");
        assert!(!is_valid_downgrade(v(7), v(5)));
        assert!(!is_valid_downgrade(v(5), v(5)));
        assert_eq!(downgrade_target(Version::new(4, 0, 0)), None);
        assert!(is_below_cluster(Version::new(3, 5, 16), Some(v(6))));
        assert!(!is_below_cluster(Version::new(3, 6, 0), Some(v(6))));
        assert!(!is_below_cluster(v(5), None));
    }

    #[test]
    fn what_may_be_asked_for() {
        assert_eq!(parse_target("3.5"), Ok(v(5)));
        assert_eq!(parse_target("3.5.9"), Ok(v(5)));
        for text in ["", "3", "x.y", "3.5.0.0"] {
            assert_eq!(parse_target(text), Err(Wire::WrongDowngradeVersionFormat), "{text}");
        }
        let none = Downgrade::default();
        assert_eq!(validate_downgrade(Some(v(6)), v(5), &none), Ok(()));
        assert_eq!(validate_downgrade(None, v(5), &none), Err(Wire::ClusterVersionUnavailable));
        let error = validate_downgrade(Some(v(7)), v(5), &none);
        assert_eq!(error, Err(Wire::InvalidDowngradeTargetVersion));
        let error = validate_downgrade(Some(v(6)), v(5), &downgrade("3.5.0"));
        assert_eq!(error, Err(Wire::DowngradeInProcess));
    }

    #[test]
    fn what_a_leader_proposes() {
        let none = Downgrade::default();
        let patched = Version::new(3, 6, 14);
        assert_eq!(decide(None, None, &none), Ok(Some(MIN_CLUSTER)));
        assert_eq!(decide(None, Some(patched), &none), Ok(Some(v(6))));
        assert_eq!(decide(Some(MIN_CLUSTER), Some(patched), &none), Ok(Some(v(6))));
        assert_eq!(decide(Some(v(6)), Some(patched), &none), Ok(None));
        assert_eq!(decide(Some(v(6)), None, &none), Ok(None));
        assert_eq!(decide(Some(v(7)), Some(patched), &none), Ok(None), "never down by itself");
        assert_eq!(decide(Some(v(6)), Some(patched), &downgrade("3.5.0")), Ok(Some(v(5))));
        assert_eq!(decide(Some(v(5)), Some(patched), &downgrade("3.5.0")), Ok(None));
        // A server that announces 3.7 can be taken to 3.6 and no further.
        let seven = Some(Version::new(3, 7, 1));
        assert!(decide(Some(v(6)), seven, &downgrade("3.5.0")).is_err());
        assert!(decide(Some(v(7)), seven, &downgrade("3.5.0")).is_err());
    }
}
