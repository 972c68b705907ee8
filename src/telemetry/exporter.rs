//! Exports the metrics in Prometheus' text format.

use metrics::{Recorder, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use parking_lot::Mutex;

use super::{
    background, database, hot_path,
    switch::RECORDER,
    table::{BUILD_INFO, Kind, METRICS},
};

/// Held while an application starts recording: several may run in one process.
static STARTING: Mutex<()> = Mutex::new(());

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    process: Collector,
}

/// Metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum StartMetricsError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("another recorder is installed")]
    Taken,
}

impl Metrics {
    /// Starts recording, unless it has started. All applications of a process share one recorder.
    ///
    /// # Errors
    /// When another crate has installed a recorder.
    pub fn start() -> Result<Self, StartMetricsError> {
        let process = Collector::default();
        let _alone = STARTING.lock();
        if let Some(handle) = RECORDER.get() {
            return Ok(Self { handle: handle.clone(), process });
        }
        let mut builder = PrometheusBuilder::new();
        for metric in METRICS {
            if let Kind::Histogram(buckets) = metric.kind {
                let name = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(name, buckets)?;
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        for metric in METRICS {
            let help = metric.help.into();
            match metric.kind {
                Kind::Counter => recorder.describe_counter(metric.name.into(), None, help),
                Kind::Gauge => recorder.describe_gauge(metric.name.into(), None, help),
                Kind::Histogram(_) => recorder.describe_histogram(metric.name.into(), None, help),
            }
        }
        metrics::set_global_recorder(recorder).map_err(|_| StartMetricsError::Taken)?;
        let handle = RECORDER.get_or_init(|| handle).clone();
        process.describe();
        gauge!(BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        // Prometheus computes no rate for the event with which a series appears.
        hot_path::begin();
        database::begin();
        background::begin();
        Ok(Self { handle, process })
    }

    /// All series, with those of the process.
    #[must_use]
    pub fn text(&self) -> String {
        self.process.collect();
        self.handle.render()
    }

    /// Moves recorded samples into the buckets of histograms. To be called every few seconds:
    /// otherwise the samples pile up until `/metrics` is requested.
    pub fn keep_small(&self) {
        self.handle.run_upkeep();
    }
}
