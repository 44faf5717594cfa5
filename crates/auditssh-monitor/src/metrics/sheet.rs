//! A list of metrics, written one after the other.

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::fmt;

/// Labels of one series, as names and values.
pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// Labels, the sum, and the classes: up to how much each goes, and how many fell into it.
pub(super) type Histogram<'l, const N: usize> = (Labels<'l, N>, f64, Vec<(f64, u64)>);

/// Labels of a series that depend on how many outputs there are.
pub(super) type Names = Vec<(&'static str, String)>;

/// Writes metrics. Names are whole but for what the form itself adds: the `_total` of counters,
/// and the unit.
pub(super) struct Sheet<'a>(DescriptorEncoder<'a>);

impl<'a> Sheet<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// What only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counter_of(name, help, None, [(Names::new(), value)])
    }

    /// What only grows, of seconds.
    pub(super) fn counter_of_seconds(
        &mut self,
        name: &str,
        help: &str,
        seconds: f64,
    ) -> fmt::Result {
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Counter);
        let mut metric = self.0.encode_descriptor(name, help, unit, kind)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&seconds, None)
    }

    /// What only grows, in several series.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// What only grows, of each output. An empty list of labels is none.
    pub(super) fn counter_of(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: impl IntoIterator<Item = (Names, u64)>,
    ) -> fmt::Result {
        let kind = MetricType::Counter;
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            if labels.is_empty() {
                family.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
            } else {
                let mut metric = family.encode_family(&labels)?;
                metric.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
            }
        }
        Ok(())
    }

    /// What goes up and down, of each output.
    pub(super) fn gauge_of<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: impl IntoIterator<Item = (Names, V)>,
    ) -> fmt::Result {
        let kind = MetricType::Gauge;
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            if labels.is_empty() {
                family.encode_gauge(&value)?;
            } else {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    /// What goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.gauge_in(name, help, None, &value)
    }

    /// What goes up and down, of bytes.
    pub(super) fn gauge_of_bytes(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.gauge_in(name, help, Some(&Unit::Bytes), &value)
    }

    /// A time, in seconds of Unix time.
    pub(super) fn time(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        self.gauge_in(name, help, Some(&Unit::Seconds), &seconds)
    }

    fn gauge_in(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: &impl EncodeGaugeValue,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?;
        metric.encode_gauge(value)
    }

    /// What goes up and down, in several series.
    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// What does not change while the process lives; the form adds `_info`.
    pub(super) fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: Labels<'_, N>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Info)?;
        metric.encode_info(&labels)
    }

    /// How long something took, of each output. Of each class it is told up to how many seconds it
    /// goes.
    pub(super) fn histogram_of_seconds(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Names, f64, Vec<(f64, u64)>)>,
    ) -> fmt::Result {
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, sum, classes) in series {
            let count = classes.iter().map(|(_, count)| count).sum();
            if labels.is_empty() {
                family.encode_histogram::<NoLabelSet>(sum, count, &classes, None)?;
            } else {
                let mut metric = family.encode_family(&labels)?;
                metric.encode_histogram::<NoLabelSet>(sum, count, &classes, None)?;
            }
        }
        Ok(())
    }

    /// The same in several series: labels, the sum, and the classes of each.
    pub(super) fn histograms_of_seconds<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: &[Histogram<'_, N>],
    ) -> fmt::Result {
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, sum, classes) in series {
            let mut metric = family.encode_family(labels)?;
            let count = classes.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(*sum, count, classes, None)?;
        }
        Ok(())
    }
}
