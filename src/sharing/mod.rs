//! The rules: who may do what, and what a viewer sees. No actix, no diesel, no reqwest.
//!
//! To add one: a method of [`Sharing`] in the file of its caller (`create`, `owner`, `content`,
//! `chat_events`), and its errors in `error.rs`.

mod activity;
mod administration;
mod artifacts;
mod chat_events;
mod content;
mod create;
mod detached;
mod download;
mod error;
pub(crate) mod legacy;
mod owner;
mod policy;
mod quotas;
mod reconcile;
pub mod snapshot;
mod urls;

pub use crate::live::{ContentHash, Full, LiveSettings};
pub use crate::store::{
    InventoryFilter, InventoryQuery, LinkFilter, LinkOrder, ListQuery, Page, Place, PlaceKey,
    SettingsChange, Snapshot, Swept, log_audit_record,
};
pub use artifacts::{ArtifactLimits, Artifacts, Available};
pub use content::{Content, Files, may_view};
pub use create::{CreateRequest, Owner};
pub use download::{Artifact, ArtifactBytes};
pub use error::SharingError;
pub use legacy::{ImportError, Imported, LegacyImport, LineReport, NotImported};
pub use owner::Precondition;
pub use quotas::{Quota, Quotas};
pub use reconcile::{Reconciled, Refusal, Tally};
pub use snapshot::{Messages, encode_blocking};
pub use urls::{InvalidSharePath, SharePath, Urls};

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::{
    chat_service::ChatService,
    clock::Clock,
    live::{LiveChats, Subscriptions},
    store::{Notice, Store},
    telemetry::{self, Sweep, Swept as What},
};
use activity::ViewCounter;

/// Links in one batch delete (docs/API.md 3).
pub const BATCH_LINKS: usize = 1000;

/// How views are counted.
#[derive(Debug, Clone, Copy)]
pub struct RecordSettings {
    /// Links whose views are counted in memory until they are written.
    pub links: usize,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { links: 10_000 }
    }
}

/// The settings of the rules.
#[derive(Debug, Clone, Copy, Default)]
pub struct SharingSettings {
    pub live: LiveSettings,
    pub records: RecordSettings,
    pub quotas: Quotas,
}

/// The share-link service itself, without HTTP around it.
#[derive(Clone)]
pub struct Sharing {
    store: Store,
    chat_service: Arc<ChatService>,
    artifacts: Artifacts,
    quotas: Quotas,
    /// Notified when objects may have become orphans.
    orphans: Arc<Notify>,
    clock: Clock,
    live_chats: LiveChats,
    subscriptions: Subscriptions,
    view_counter: ViewCounter,
}

impl Sharing {
    /// Must be called within the runtime on which chats are fetched and watched.
    pub fn new(
        store: Store,
        chat_service: ChatService,
        artifacts: Artifacts,
        clock: Clock,
        settings: SharingSettings,
    ) -> Self {
        let SharingSettings { live, records, quotas } = settings;
        let chat_service = Arc::new(chat_service);
        let live_chats = LiveChats::new(chat_service.clone(), live.max_age, live.max_waiting);
        let subscriptions =
            Subscriptions::new(live, live_chats.clone(), store.clone(), clock.clone());
        Self {
            store,
            chat_service,
            artifacts,
            quotas,
            orphans: Arc::default(),
            clock,
            live_chats,
            subscriptions,
            view_counter: ViewCounter::new(records.links),
        }
    }

    /// See [`ChatService::prepare`]. It may take long, and requests need not wait for it.
    pub async fn prepare(&self) {
        self.chat_service.prepare().await;
    }

    /// See [`Store::fold_names`].
    pub async fn fold_names(&self) -> Result<usize, SharingError> {
        Ok(self.store.fold_names().await?)
    }

    /// Receives the changes that other instances make, for as long as the returned task lives.
    /// `None` on SQLite, where there is one instance only.
    pub fn listen(&self) -> Option<tokio::task::JoinHandle<()>> {
        let this = self.clone();
        self.store.listen(move |notice| this.notify(&notice))
    }

    /// Passes a notice on within this instance, before the change is acknowledged to its caller.
    fn notify(&self, notice: &Notice) {
        self.live_chats.invalidate(notice);
        self.subscriptions.notify(notice);
    }

    /// Ends every event stream; later ones are refused.
    pub fn stop_streams(&self) {
        self.subscriptions.stop();
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), SharingError> {
        Ok(self.store.ping().await?)
    }

    /// See [`Store::sweep`].
    pub async fn sweep(&self, expired_retention: chrono::Duration) -> Result<Swept, SharingError> {
        let swept = self.store.sweep(expired_retention, self.clock.now()).await;
        if let Ok(swept) = &swept {
            for (what, count) in [
                (What::Contents, swept.snapshots),
                (What::ListedFiles, swept.artifacts),
                (What::Links, swept.links),
                (What::IdempotencyKeys, swept.idempotency_keys),
                (What::Tombstones, swept.tombstones),
            ] {
                telemetry::swept(what, count);
            }
        }
        self.sweep_ended(Sweep::Expired, swept.is_ok());
        Ok(swept?)
    }

    fn sweep_ended(&self, sweep: Sweep, succeeded: bool) {
        if succeeded {
            telemetry::sweep_succeeded(sweep, self.clock.now());
        } else {
            telemetry::sweep_failed(sweep);
        }
    }

    /// Updates the gauges of the database and of the streams.
    pub fn report(&self) {
        self.store.report();
        telemetry::set_streams(self.subscriptions.streams());
    }

    /// Deletes audit records that are older than `retention`. Returns how many.
    pub async fn sweep_audit_records(
        &self,
        retention: chrono::Duration,
    ) -> Result<usize, SharingError> {
        Ok(self.store.sweep_audit_records(self.clock.now() - retention).await?)
    }
}
