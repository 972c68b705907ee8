//! The rules: who may do what, and what a viewer sees. No actix, no diesel, no reqwest.
//!
//! To add one: a method of [`Sharing`] in the file of whom it serves (`create`, `owner`, `viewer`,
//! `service`), and its refusals in `error.rs`.

mod artifacts;
mod create;
mod download;
mod error;
mod legacy;
mod links;
mod owner;
mod reconcile;
mod service;
mod snapshot;
mod viewer;

pub use crate::store::{LinkFilter, LinkOrder, ListQuery, Page, SettingsChange, Swept};
pub use artifacts::{ArtifactLimits, Artifacts, Available};
pub use create::{CreateRequest, Owner, SHARED_BY_CHARS};
pub use download::{Artifact, ArtifactBytes};
pub use error::SharingError;
pub use legacy::{ImportError, Imported, LegacyImport, LineReport, NotImported};
pub use links::{InvalidSharePath, Links, SharePath};
pub use owner::Precondition;
pub use reconcile::{Reconciled, Refusal};
pub use viewer::{Content, Found};

use std::sync::Arc;

use tokio::sync::Notify;

use crate::{chat_service::ChatService, clock::Clock, store::Store};

/// Characters of a label (contract 3).
pub const LABEL_CHARS: usize = 200;
/// Links in one batch delete (contract 3).
pub const BATCH_LINKS: usize = 1000;

/// The share-link service itself, without HTTP around it.
#[derive(Clone)]
pub struct Sharing {
    store: Store,
    chat_service: Arc<ChatService>,
    artifacts: Artifacts,
    /// Rung when objects may have become waste.
    waste: Arc<Notify>,
    clock: Clock,
}

impl Sharing {
    #[must_use]
    pub fn new(
        store: Store,
        chat_service: ChatService,
        artifacts: Artifacts,
        clock: Clock,
    ) -> Self {
        let (chat_service, waste) = (Arc::new(chat_service), Arc::default());
        Self { store, chat_service, artifacts, waste, clock }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), SharingError> {
        Ok(self.store.ping().await?)
    }

    /// Takes away what nobody may see any more: see [`Store::sweep`].
    ///
    /// # Errors
    /// [`SharingError::Unavailable`] when the database is out of reach.
    pub async fn sweep(&self, expired_retention: chrono::Duration) -> Result<Swept, SharingError> {
        Ok(self.store.sweep(expired_retention, self.clock.now()).await?)
    }
}
