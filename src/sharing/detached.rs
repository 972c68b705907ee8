//! Work that goes on when the client that asked for it disconnects.

use tracing::Instrument;

use super::SharingError;

/// Runs `work` in a task of its own, so that a change that was begun is finished, recorded and
/// published, and copies that it made are attached to a link or discarded.
pub(super) async fn run_detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, SharingError>> + Send + 'static,
) -> Result<T, SharingError> {
    tokio::spawn(work.in_current_span()).await.map_err(SharingError::defect)?
}
