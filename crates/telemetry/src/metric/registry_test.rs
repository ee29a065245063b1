//! What `/metrics` shows.

use super::*;
use crate::{CHILDREN_MAX, exponential_buckets};

#[test]
fn families_are_sorted_with_help_and_type() {
    let registry = Registry::new();
    let puts = registry.counter("etcd_mvcc_put_total", "Total number of puts.");
    registry.gauge("b", "two\nlines \\").set(1.5e6);
    registry.gauge_fn("a", "asked", || 7.0);
    puts.inc();
    puts.add(2);
    let expected = "# HELP a asked\n# TYPE a gauge\na 7\n\
                    # HELP b two\\nlines \\\\\n# TYPE b gauge\nb 1.5e+06\n\
                    # HELP etcd_mvcc_put_total Total number of puts.\n\
                    # TYPE etcd_mvcc_put_total counter\netcd_mvcc_put_total 3\n";
    assert_eq!(registry.render(), expected);
}

#[test]
fn a_histogram_counts_cumulatively_and_bounds_are_inclusive() {
    let registry = Registry::new();
    let took = registry.histogram("took", "t", &exponential_buckets(0.001, 2.0, 3));
    for value in [0.001, 0.0015, 0.004, 9.0] {
        took.observe(value);
    }
    let expected = "# HELP took t\n# TYPE took histogram\n\
                    took_bucket{le=\"0.001\"} 1\ntook_bucket{le=\"0.002\"} 2\n\
                    took_bucket{le=\"0.004\"} 3\ntook_bucket{le=\"+Inf\"} 4\n\
                    took_sum 9.0065\ntook_count 4\n";
    assert_eq!(registry.render(), expected);
    assert_eq!((took.count(), took.sum()), (4, 9.0065));
}

#[test]
fn labels_are_sorted_by_name_and_values_escaped() {
    let registry = Registry::new();
    let handled = registry.counters("handled", "h", &["grpc_type", "grpc_code"]);
    assert_eq!(registry.render(), "", "a family without children is not printed");
    handled.with(&["unary", "OK"]).inc();
    handled.with(&["un\"a\\ry\n", "OK"]).add(2);
    let expected = "# HELP handled h\n# TYPE handled counter\n\
                    handled{grpc_code=\"OK\",grpc_type=\"un\\\"a\\\\ry\\n\"} 2\n\
                    handled{grpc_code=\"OK\",grpc_type=\"unary\"} 1\n";
    assert_eq!(registry.render(), expected);
    handled.remove(&["unary", "OK"]);
    assert!(!registry.render().contains("\"unary\""));
    handled.clear();
    assert_eq!(registry.render(), "");
}

#[test]
fn label_sets_are_bounded() {
    let registry = Registry::new();
    let family = registry.counters("requests", "r", &["client"]);
    for client in 0..CHILDREN_MAX + 10 {
        family.with(&[&client.to_string()]).inc();
    }
    family.with(&["0"]).inc();
    let text = registry.render();
    assert_eq!(text.lines().count(), 2 + CHILDREN_MAX + 1);
    assert!(text.contains("requests{client=\"overflow\"} 10\n"));
    assert!(text.contains("requests{client=\"0\"} 2\n"));
}

#[test]
fn a_labelled_histogram_puts_the_bound_last() {
    let registry = Registry::new();
    registry.histograms("x", "h", &["type"], &[1.0]).with(&["put"]).observe(1.0);
    let expected = "# HELP x h\n# TYPE x histogram\nx_bucket{type=\"put\",le=\"1\"} 1\n\
                    x_bucket{type=\"put\",le=\"+Inf\"} 1\nx_sum{type=\"put\"} 1\n\
                    x_count{type=\"put\"} 1\n";
    assert_eq!(registry.render(), expected);
}

#[test]
fn a_collector_can_give_a_summary() {
    let registry = Registry::new();
    registry.collect("gc", "g", Kind::Summary, |samples| {
        samples.add("", &[("quantile", "0.5")], 0.25);
        samples.add("_sum", &[], 1.0);
        samples.add("_count", &[], 4.0);
    });
    let expected = "# HELP gc g\n# TYPE gc summary\ngc{quantile=\"0.5\"} 0.25\ngc_sum 1\n\
                    gc_count 4\n";
    assert_eq!(registry.render(), expected);
}

#[test]
#[should_panic(expected = "metric twice is registered twice")]
fn a_name_has_one_owner() {
    let registry = Registry::new();
    let _first = registry.counter("twice", "");
    let _second = registry.gauge("twice", "");
}

#[test]
fn threads_count_together() {
    let registry = Registry::new();
    let (counter, gauge) = (registry.counter("c", ""), registry.gauge("g", ""));
    let histogram = registry.histogram("h", "", &[0.5]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    counter.inc();
                    gauge.inc();
                    histogram.observe(1.0);
                }
                gauge.add(-1000.0);
            });
        }
    });
    assert_eq!(counter.value(), 8000);
    assert_eq!(gauge.value(), 0.0);
    assert_eq!((histogram.count(), histogram.sum()), (8000, 8000.0));
}
