//! The metrics of one server, by name.

use super::text::{Writer, escape_label};
use super::{Counter, Gauge, Histogram, Labelled, Metric};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The metrics of one server, by name. Clones share them.
///
/// Invariant: a name is registered once.
#[derive(Clone, Default)]
pub struct Registry {
    families: Arc<Mutex<BTreeMap<&'static str, Family>>>,
}

struct Family {
    help: &'static str,
    kind: Kind,
    print: Print,
}

/// Prints a family's head and samples.
type Print = Box<dyn Fn(&mut Writer<'_>, Head<'_>) + Send + Sync>;

/// The two lines before a family's samples, printed only if there is a sample.
struct Head<'a> {
    name: &'a str,
    help: &'a str,
    kind: Kind,
}

/// The type that the text format names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by upper bound.
    Histogram,
    /// Quantiles.
    Summary,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// What a collecting function gives: samples of one family, in print order.
#[derive(Default)]
pub struct Samples {
    list: Vec<(&'static str, String, f64)>,
}

impl Samples {
    /// Adds a sample. `suffix` follows the family's name (`_sum`, `_count`, or nothing); labels are
    /// printed in the given order.
    pub fn add(&mut self, suffix: &'static str, labels: &[(&str, &str)], value: f64) {
        let pairs: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escape_label(value)))
            .collect();
        self.list.push((suffix, pairs.join(","), value));
    }
}

impl Registry {
    /// A registry without metrics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a counter.
    ///
    /// # Panics
    /// As all registrations: if the name is taken, since two owners of a name are a bug.
    #[must_use]
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        self.single(name, help, Kind::Counter, Counter::new())
    }

    /// Registers a gauge, at zero.
    #[must_use]
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        self.single(name, help, Kind::Gauge, Gauge::new())
    }

    /// Registers a histogram with these upper bounds.
    #[must_use]
    pub fn histogram(&self, name: &'static str, help: &'static str, bounds: &[f64]) -> Histogram {
        self.single(name, help, Kind::Histogram, Histogram::new(bounds))
    }

    /// Registers a gauge whose value is asked for when the metrics are printed.
    pub fn gauge_fn(
        &self,
        name: &'static str,
        help: &'static str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.collect(name, help, Kind::Gauge, move |samples| samples.add("", &[], value()));
    }

    /// Registers a counter whose value is asked for when the metrics are printed.
    pub fn counter_fn(
        &self,
        name: &'static str,
        help: &'static str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.collect(name, help, Kind::Counter, move |samples| samples.add("", &[], value()));
    }

    /// Registers counters told apart by labels; none exists before it is asked for.
    #[must_use]
    pub fn counters(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Labelled<Counter> {
        self.labelled(name, help, Kind::Counter, Labelled::new(labels, Counter::new))
    }

    /// Registers gauges told apart by labels.
    #[must_use]
    pub fn gauges(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
    ) -> Labelled<Gauge> {
        self.labelled(name, help, Kind::Gauge, Labelled::new(labels, Gauge::new))
    }

    /// Registers histograms told apart by labels.
    #[must_use]
    pub fn histograms(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[&'static str],
        bounds: &[f64],
    ) -> Labelled<Histogram> {
        let bounds = bounds.to_vec();
        let family = Labelled::new(labels, move || Histogram::new(&bounds));
        self.labelled(name, help, Kind::Histogram, family)
    }

    /// Registers a family whose samples are asked for when the metrics are printed. The function
    /// runs under the registry's lock: it must not use the registry.
    pub fn collect(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        collect: impl Fn(&mut Samples) + Send + Sync + 'static,
    ) {
        self.register(name, help, kind, move |writer, head| {
            let mut samples = Samples::default();
            collect(&mut samples);
            if samples.list.is_empty() {
                return;
            }
            head.print(writer);
            for (suffix, labels, value) in &samples.list {
                writer.sample(&format!("{}{suffix}", head.name), labels, *value);
            }
        });
    }

    /// All metrics in Prometheus text format 0.0.4, families by name.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in families.iter() {
            let head = Head { name, help: family.help, kind: family.kind };
            (family.print)(&mut Writer::new(&mut out), head);
        }
        out
    }

    fn single<M: Metric>(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        metric: M,
    ) -> M {
        let printed = metric.clone();
        self.register(name, help, kind, move |writer, head| {
            head.print(writer);
            printed.write(writer, head.name, "");
        });
        metric
    }

    fn labelled<M: Metric>(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        family: Labelled<M>,
    ) -> Labelled<M> {
        let printed = family.clone();
        self.register(name, help, kind, move |writer, head| {
            if !printed.is_empty() {
                head.print(writer);
                printed.write(writer, head.name);
            }
        });
        family
    }

    fn register(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        print: impl Fn(&mut Writer<'_>, Head<'_>) + Send + Sync + 'static,
    ) {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = Family { help, kind, print: Box::new(print) };
        assert!(families.insert(name, family).is_none(), "metric {name} is registered twice");
    }
}

impl Head<'_> {
    fn print(&self, writer: &mut Writer<'_>) {
        writer.head(self.name, self.help, self.kind.name());
    }
}

#[cfg(test)]
#[path = "registry_test.rs"]
mod tests;
