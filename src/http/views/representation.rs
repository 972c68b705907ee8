//! What a link's view sends: its form, and how it is made.

use actix_web::web::Bytes;
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking};

use crate::{
    http::{
        error::ApiError,
        headers::coding::Coding,
        page::{self, PageArtifact, SharedChatPage},
        responses,
    },
    model::SharedChat,
    sharing::{Content, Links, SharingError},
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

/// Makes a body on a blocking thread: it is CPU work that grows with the chat. The work goes on when
/// the request is cancelled, and so holds the permit itself.
///
/// # Errors
/// 500 when a stored row is damaged.
pub async fn make(
    chat: &SharedChat,
    content: Content,
    links: &Links,
    variant: Variant,
    permit: OwnedSemaphorePermit,
) -> Result<Bytes, ApiError> {
    let (chat, links) = (chat.clone(), links.clone());
    let making = spawn_blocking(move || {
        let _permit = permit;
        make_blocking(&chat, &content, &links, variant)
    });
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
        responses::around_messages(chat, content, links).map_err(SharingError::defect)?;
    let whole = Bytes::from([before.as_slice(), &content.messages.json()?, after].concat());
    coding.encode(&whole).map_err(SharingError::defect)
}

fn html(chat: &SharedChat, content: &Content, links: &Links) -> Result<String, SharingError> {
    // A live chat may have another name by now.
    let chat = SharedChat { name: content.name.clone(), ..chat.clone() };
    let artifacts = responses::artifacts(&chat, content, links).map(|artifacts| {
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
