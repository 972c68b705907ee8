//! Whether metrics are recorded.

use std::sync::OnceLock;

use metrics_exporter_prometheus::PrometheusHandle;

/// The recorder of the process.
pub(super) static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Saves building the keys of series at every request while there is no recorder.
pub(super) fn is_on() -> bool {
    RECORDER.get().is_some()
}
