//! The metrics in Prometheus' text format.

use metrics::{Recorder, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use parking_lot::Mutex;

use super::{
    background, database, hot_path,
    switch::RECORDER,
    table::{BUILD_INFO, Kind, METRICS},
};

/// Two applications of one process do not start it together.
static STARTING: Mutex<()> = Mutex::new(());

/// Everything that was recorded in this process.
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
    /// Turns recording on, if it is not; applications of one process share what is recorded.
    ///
    /// # Errors
    /// When a bucket is no number, or somebody else records in this process.
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
        // A series that appears with its first event has no rate for it.
        hot_path::begin();
        database::begin();
        background::begin();
        Ok(Self { handle, process })
    }

    /// All series, with the process's own.
    #[must_use]
    pub fn text(&self) -> String {
        self.process.collect();
        self.handle.render()
    }

    /// Puts what histograms gathered into their buckets. Without it they grow until somebody looks,
    /// so it is to be called every few seconds.
    pub fn keep_small(&self) {
        self.handle.run_upkeep();
    }
}
