//! A family of metrics told apart by label values.

use super::Metric;
use super::text::{Writer, escape_label};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many sets of label values a family keeps. Further ones share one child whose values all read
/// `overflow`, so that values chosen by clients can't exhaust memory.
pub const CHILDREN_MAX: usize = 2048;

/// A family of metrics told apart by label values.
///
/// Invariants: at most [`CHILDREN_MAX`] + 1 children; each has a value per label.
#[derive(Clone)]
pub struct Labelled<M> {
    inner: Arc<Inner<M>>,
}

struct Inner<M> {
    /// Sorted, with the position of each in the order in which values are given.
    labels: Vec<(&'static str, usize)>,
    make: Box<dyn Fn() -> M + Send + Sync>,
    children: Mutex<BTreeMap<Vec<String>, M>>,
}

impl<M: Metric> Labelled<M> {
    pub(super) fn new(
        labels: &[&'static str],
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        let mut sorted: Vec<_> =
            labels.iter().enumerate().map(|(position, label)| (*label, position)).collect();
        sorted.sort_unstable();
        let children = Mutex::new(BTreeMap::new());
        Self { inner: Arc::new(Inner { labels: sorted, make: Box::new(make), children }) }
    }

    /// The child with these label values, in the order of the family's labels; made when missing.
    ///
    /// # Panics
    /// If the number of values is not that of the labels.
    #[must_use]
    pub fn with(&self, values: &[&str]) -> M {
        assert_eq!(values.len(), self.inner.labels.len(), "one value per label: {values:?}");
        let sorted = self.inner.labels.iter().map(|(_, position)| values[*position].to_owned());
        let mut key: Vec<String> = sorted.collect();
        let mut children = self.lock();
        if !children.contains_key(&key) && children.len() >= CHILDREN_MAX {
            key = vec!["overflow".to_owned(); values.len()];
        }
        children.entry(key).or_insert_with(|| (self.inner.make)()).clone()
    }

    /// Forgets the child with these label values; handles that are out go on counting unseen.
    pub fn remove(&self, values: &[&str]) {
        let sorted = self.inner.labels.iter().map(|(_, position)| values[*position].to_owned());
        let key: Vec<String> = sorted.collect();
        self.lock().remove(&key);
    }

    /// Forgets every child: for families with one child that names a state.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>, name: &str) {
        for (values, child) in self.lock().iter() {
            let pairs: Vec<String> = self
                .inner
                .labels
                .iter()
                .zip(values)
                .map(|((label, _), value)| format!("{label}=\"{}\"", escape_label(value)))
                .collect();
            child.write(writer, name, &pairs.join(","));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<String>, M>> {
        self.inner.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
