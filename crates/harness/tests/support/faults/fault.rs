//! What can be done to a cluster.

use std::time::Duration;

/// From one member to another.
pub type Pair = (usize, usize);

/// One fault.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// What goes over these ways is lost.
    Cut(Vec<Pair>),
    /// It is lost and not lost in turn.
    Flap { pairs: Vec<Pair>, period: Duration },
    /// It is late.
    Slow { pairs: Vec<Pair>, delay: Duration, jitter: Duration },
    /// SIGKILL; the members are started again when the fault ends.
    Kill(Vec<usize>),
    /// SIGSTOP; the members go on when the fault ends.
    Pause(Vec<usize>),
    /// Each sync of the log takes so much longer.
    SlowDisk { members: Vec<usize>, time: Duration },
}

impl Fault {
    /// Whether one of two faults would undo or forestall a part of the other.
    pub fn clashes(&self, other: &Self) -> bool {
        match (self.members(), other.members()) {
            (Some(one), Some(other)) => one.iter().any(|member| other.contains(member)),
            (None, None) => self.is_slow() == other.is_slow(),
            _ => false,
        }
    }

    /// The members whose process it touches; `None` where it is of the links.
    fn members(&self) -> Option<&[usize]> {
        match self {
            Self::Kill(members) | Self::Pause(members) | Self::SlowDisk { members, .. } => {
                Some(members)
            }
            Self::Cut(_) | Self::Flap { .. } | Self::Slow { .. } => None,
        }
    }

    const fn is_slow(&self) -> bool {
        matches!(self, Self::Slow { .. })
    }
}

/// A fault with its name and the time that it lasts.
#[derive(Clone, PartialEq, Debug)]
pub struct Injection {
    pub name: &'static str,
    pub fault: Fault,
    pub hold: Duration,
}

/// All ways between members of two groups, both ways.
pub fn between(one: &[usize], other: &[usize]) -> Vec<Pair> {
    one.iter().flat_map(|&a| other.iter().flat_map(move |&b| [(a, b), (b, a)])).collect()
}

/// All ways from one group to another.
pub fn from_to(from: &[usize], to: &[usize]) -> Vec<Pair> {
    from.iter().flat_map(|&a| to.iter().map(move |&b| (a, b))).collect()
}

/// All ways.
pub fn everywhere(members: usize) -> Vec<Pair> {
    let all: Vec<usize> = (0..members).collect();
    from_to(&all, &all).into_iter().filter(|(a, b)| a != b).collect()
}
