//! Changes of the schema between versions: detection of what a file has, and the steps to another
//! (spec/schema.md 2.2).
//!
//! The only change so far is the row `meta/storageVersion`, which 3.6 brought and a way back to 3.5
//! takes away. Error texts are etcd's (server/storage/schema/{schema,migration}.go).

use proto::version::{self, Version};
use types::Term;

use super::storage_version;

/// Why a file cannot be brought to a version.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The file has neither a storage version nor a term: it was written before 3.5, or before the
    /// first commit.
    #[error("cannot detect storage schema version: missing term information")]
    Undetected,
    /// There is no way to the version.
    #[error("cannot create migration plan: {0}")]
    NoPlan(PlanError),
    /// The log still holds what the older version cannot read.
    #[error(
        "cannot downgrade storage, WAL contains newer entries, as the target version ({target}) \
         is lower than the version ({minimal}) detected from WAL logs"
    )]
    NewerEntries {
        /// The version asked for.
        target: Version,
        /// The lowest version that can read the log.
        minimal: Version,
    },
}

/// Why there is no way from one version to another.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// They differ in the major number.
    #[error("changing major storage version is not supported")]
    Major,
    /// A version on the way is not known.
    #[error("version \"{0}\" is not supported")]
    Unknown(Version),
}

/// One step between neighbouring minor versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The version that the file has after the step.
    pub target: Version,
}

impl Step {
    /// What the step makes of the row `meta/storageVersion`: its value, or `None` to delete it.
    #[must_use]
    pub fn storage_version(self) -> Option<Vec<u8>> {
        (self.target.minor >= FIRST_STORED.minor).then(|| storage_version::encode(self.target))
    }
}

/// The oldest version whose schema is known.
const OLDEST: Version = version::V3_5;
/// The first version that stores its own number.
const FIRST_STORED: Version = version::V3_6;
/// The newest version whose schema is known.
const NEWEST: Version = version::V3_7;

/// The version of a file's schema, from its rows: the stored version if it can be read, else 3.5 if
/// there is a term.
///
/// # Errors
/// [`Error::Undetected`].
pub fn detect(stored: Option<&[u8]>, term: Term) -> Result<Version, Error> {
    match stored.and_then(storage_version::decode) {
        Some(version) => Ok(version),
        None if term > Term(0) => Ok(OLDEST),
        None => Err(Error::Undetected),
    }
}

/// The steps from one version to another; patches don't count.
///
/// # Errors
/// When there is no way.
pub fn plan(current: Version, target: Version) -> Result<Vec<Step>, PlanError> {
    if current.major != target.major {
        return Err(PlanError::Major);
    }
    let mut at = current.minor;
    let mut steps = Vec::new();
    while at != target.minor {
        let upgrade = at < target.minor;
        // Both directions need the changes of the higher version of the two.
        let higher = Version { major: current.major, minor: at + u64::from(upgrade), patch: 0 };
        let known = higher.major == NEWEST.major
            && (FIRST_STORED.minor..=NEWEST.minor).contains(&higher.minor);
        if !known {
            return Err(PlanError::Unknown(higher));
        }
        at = if upgrade { at + 1 } else { at - 1 };
        steps.push(Step { target: Version { minor: at, ..higher } });
    }
    Ok(steps)
}

/// The steps from what a file has to `target`, checked against the log: `wal_minimal` is the lowest
/// version that can read all of it, if its entries need any.
///
/// # Errors
/// As [`plan`]; on the way back also when the log is too new.
pub fn migrate(
    current: Version,
    target: Version,
    wal_minimal: Option<Version>,
) -> Result<Vec<Step>, Error> {
    let steps = plan(current, target).map_err(Error::NoPlan)?;
    match wal_minimal {
        Some(minimal) if target < current && target < minimal => {
            Err(Error::NewerEntries { target, minimal })
        }
        _ => Ok(steps),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn version(minor: u64) -> Version {
        Version { major: 3, minor, patch: 0 }
    }

    fn rows(current: u64, target: u64) -> Vec<Option<Vec<u8>>> {
        let steps = plan(version(current), version(target)).unwrap();
        steps.into_iter().map(Step::storage_version).collect()
    }

    #[test]
    fn each_step_leaves_its_row() {
        assert_eq!(rows(5, 7), [Some(b"3.6.0".to_vec()), Some(b"3.7.0".to_vec())]);
        assert_eq!(rows(7, 5), [Some(b"3.6.0".to_vec()), None]);
        assert!(rows(6, 6).is_empty());
    }

    #[test]
    fn what_is_not_known_is_refused_in_etcd_s_words() {
        let text = |from, to| Error::NoPlan(plan(from, to).unwrap_err()).to_string();
        assert_eq!(
            text(version(7), version(8)),
            "cannot create migration plan: version \"3.8.0\" is not supported"
        );
        assert_eq!(
            text(version(5), version(4)),
            "cannot create migration plan: version \"3.5.0\" is not supported"
        );
        assert_eq!(
            text(version(5), Version { major: 4, minor: 0, patch: 0 }),
            "cannot create migration plan: changing major storage version is not supported"
        );
    }

    #[test]
    fn detection() {
        assert_eq!(detect(Some(b"3.6.0"), Term(0)), Ok(version(6)));
        assert_eq!(detect(Some(b"junk"), Term(3)), Ok(version(5)));
        assert_eq!(detect(None, Term(3)), Ok(version(5)));
        assert_eq!(detect(None, Term(0)), Err(Error::Undetected));
    }

    #[test]
    fn the_way_back_waits_for_the_log() {
        let error = migrate(version(6), version(5), Some(version(6))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot downgrade storage, WAL contains newer entries, as the target version (3.5.0) \
             is lower than the version (3.6.0) detected from WAL logs"
        );
        assert!(migrate(version(6), version(5), Some(version(5))).is_ok());
        assert!(migrate(version(6), version(5), None).is_ok());
        assert!(migrate(version(5), version(6), Some(version(6))).is_ok());
    }
}
