//! What views send, made once and kept. A body is bound to a link's id and revision, so it is
//! immutable and never stale; whether the link still stands is asked elsewhere, each time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use actix_web::web::Bytes;
use moka::sync::Cache;
use tokio::sync::OnceCell;

use super::{
    coding::Coding,
    documents,
    error::ApiError,
    page::{self, PageArtifact, SharedChatPage},
    zstd_frame,
};
use crate::{
    model::{ShareId, SharedChat},
    queue::Turns,
    relay,
    sharing::{Content, Links, SharingError},
    telemetry::{self, Cache as Cached},
};

/// In which form a link is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Medium {
    Json,
    Page,
}

/// A form in a coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    pub medium: Medium,
    pub coding: Coding,
}

impl Variant {
    /// Its name within an entity tag.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.medium, self.coding) {
            (Medium::Json, Coding::Identity) => "json",
            (Medium::Json, Coding::Gzip) => "json.gzip",
            (Medium::Json, Coding::Brotli) => "json.br",
            (Medium::Json, Coding::Zstd) => "json.zstd",
            (Medium::Page, Coding::Identity) => "page",
            (Medium::Page, Coding::Gzip) => "page.gzip",
            (Medium::Page, Coding::Brotli) => "page.br",
            (Medium::Page, Coding::Zstd) => "page.zstd",
        }
    }
}

/// A link's form, by all that it depends on.
type Key = (ShareId, i64, Variant);

/// The bodies of frozen links: those kept, bounded in bytes, and those that are being made or sent.
/// However many ask for one, it is made once and held once, so slow readers of a large chat cost a
/// connection each and not a copy.
#[derive(Clone)]
pub struct Bodies {
    kept: Cache<Key, Arc<Body>>,
    in_use: Arc<Mutex<HashMap<Key, Weak<Body>>>>,
    /// Bounds how many are made at the same time.
    makers: Turns,
}

/// A body, from the moment somebody asks for it.
#[derive(Default)]
struct Body(OnceCell<Vec<u8>>);

/// Keeps its body in use for as long as it is being sent.
struct Sending(Arc<Body>);

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        self.0.0.get().map_or(&[], Vec::as_slice)
    }
}

fn to_send(body: Arc<Body>) -> Bytes {
    Bytes::from_owner(Sending(body))
}

impl Bodies {
    /// Keeps at most `capacity` bytes, and none for more than ten minutes after its last use: what
    /// was deleted is never shown, and does not stay around either. Whoever waits for longer than
    /// `queue_timeout` until one can be made is told to come back.
    #[must_use]
    pub fn new(capacity: u64, queue_timeout: Duration) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity)
            .time_to_idle(Duration::from_secs(600))
            // The key and the cache's own bookkeeping count as well, or empty chats were free.
            .weigher(|_, body: &Arc<Body>| {
                u32::try_from(body.0.get().map_or(0, Vec::len) + 256).unwrap_or(u32::MAX)
            })
            .build();
        let makers = std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get());
        let makers = Turns::new(makers, queue_timeout);
        Self { kept, in_use: Arc::default(), makers }
    }

    /// The body of a frozen link, if it is kept.
    #[must_use]
    pub fn get(&self, id: &ShareId, revision: i64, variant: Variant) -> Option<Bytes> {
        let body = self.kept.get(&(id.clone(), revision, variant)).map(to_send);
        telemetry::cache_asked(Cached::Views, body.is_some());
        body
    }

    /// Makes known how much is kept.
    pub fn report(&self) {
        // The numbers are those of the last time that this was done.
        self.kept.run_pending_tasks();
        let bytes = Some(self.kept.weighted_size());
        telemetry::set_cache(Cached::Views, self.kept.entry_count(), bytes);
    }

    /// The body of a frozen link, made unless it is at hand.
    ///
    /// # Errors
    /// Those of `make`, which the next one to ask tries again.
    pub async fn get_or_make<F, E>(
        &self,
        chat: &SharedChat,
        variant: Variant,
        make: impl FnOnce() -> F,
    ) -> Result<Bytes, E>
    where
        F: Future<Output = Result<Bytes, E>>,
        E: From<ApiError>,
    {
        let key = (chat.id.clone(), chat.revision, variant);
        let body = self.in_use(&key);
        let made = body.0.get_or_try_init(|| async {
            let turn = self.makers.take().await;
            let _turn = turn.map_err(|_| ApiError::overloaded("too many views are being made"))?;
            Ok::<_, E>(make().await?.into())
        });
        relay::from_afar(made).await?;
        self.kept.insert(key, body.clone());
        Ok(to_send(body))
    }

    fn in_use(&self, key: &Key) -> Arc<Body> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(body) = in_use.get(key).and_then(Weak::upgrade) {
            return body;
        }
        // Before it grows, entries of bodies that are gone make room.
        if in_use.len() == in_use.capacity() {
            in_use.retain(|_, body| body.strong_count() > 0);
        }
        let body = Arc::<Body>::default();
        in_use.insert(key.clone(), Arc::downgrade(&body));
        body
    }
}

/// Makes a body, on a blocking thread: it is CPU work that grows with the chat.
///
/// # Errors
/// 500 when a stored row is damaged.
pub async fn make(
    chat: &SharedChat,
    content: Content,
    links: &Links,
    variant: Variant,
) -> Result<Bytes, ApiError> {
    let (chat, links) = (chat.clone(), links.clone());
    let making = relay::blocking(move || make_blocking(&chat, &content, &links, variant));
    Ok(making.await.map_err(SharingError::defect)??)
}

/// The same, right here.
///
/// # Errors
/// [`SharingError::Defect`] when a stored row is damaged.
pub fn make_blocking(
    chat: &SharedChat,
    content: &Content,
    links: &Links,
    variant: Variant,
) -> Result<Bytes, SharingError> {
    match variant.medium {
        Medium::Json => json(chat, content, links, variant.coding),
        Medium::Page => {
            let html = html(chat, content, links)?;
            variant.coding.encode(&Bytes::from(html)).map_err(SharingError::defect)
        }
    }
}

fn json(
    chat: &SharedChat,
    content: &Content,
    links: &Links,
    coding: Coding,
) -> Result<Bytes, SharingError> {
    let (before, after) =
        documents::around_messages(chat, content, links).map_err(SharingError::defect)?;
    if coding == Coding::Zstd
        && let Some(frame) = content.messages.compressed()
        && let Some(whole) = zstd_frame::enclosed(&before, frame, after)
    {
        return Ok(whole.into());
    }
    let whole = Bytes::from([before.as_slice(), &content.messages.json()?, after].concat());
    coding.encode(&whole).map_err(SharingError::defect)
}

fn html(chat: &SharedChat, content: &Content, links: &Links) -> Result<String, SharingError> {
    // A live chat may have another name by now.
    let chat = SharedChat { name: content.name.clone(), ..chat.clone() };
    let artifacts = documents::artifacts(&chat, content, links).map(|artifacts| {
        let files = artifacts.into_iter().map(|artifact| PageArtifact {
            filename: artifact.filename.to_owned(),
            bytes: artifact.bytes,
            media_type: artifact.media_type,
            created_at: artifact.created_at,
            url: artifact.available.then_some(artifact.url),
        });
        files.collect::<Vec<_>>()
    });
    let events_url = (!chat.is_frozen()).then(|| links.events_path(&chat.id));
    let page = SharedChatPage {
        chat: &chat,
        messages: &content.parse_messages()?,
        artifacts: artifacts.as_deref(),
        qr_code_url: &links.qr_code_path(&chat.id),
        events_url: events_url.as_deref(),
    };
    page::shared_chat(&page).map_err(SharingError::defect)
}
