//! Whether metrics are recorded.

use std::sync::OnceLock;

use metrics_exporter_prometheus::PrometheusHandle;

/// The one recorder of the process.
pub(super) static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// For what happens at every request: without a recorder, the name of a series would be put
/// together for nothing.
pub(super) fn is_on() -> bool {
    RECORDER.get().is_some()
}
