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
    sharing::{Content, SharingError, Urls},
};

/// In which form a link is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Page,
}

/// A form in a coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Representation {
    pub format: Format,
    pub coding: Coding,
}

impl Representation {
    /// Its name within an entity tag.
    #[must_use]
    pub fn name(self) -> &'static str {
        match (self.format, self.coding) {
            (Format::Json, Coding::Identity) => "json",
            (Format::Json, Coding::Gzip) => "json.gzip",
            (Format::Json, Coding::Brotli) => "json.br",
            (Format::Json, Coding::Zstd) => "json.zstd",
            (Format::Page, Coding::Identity) => "page",
            (Format::Page, Coding::Gzip) => "page.gzip",
            (Format::Page, Coding::Brotli) => "page.br",
            (Format::Page, Coding::Zstd) => "page.zstd",
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
    urls: &Urls,
    representation: Representation,
    permit: OwnedSemaphorePermit,
) -> Result<Bytes, ApiError> {
    let (chat, urls) = (chat.clone(), urls.clone());
    let making = spawn_blocking(move || {
        let _permit = permit;
        make_blocking(&chat, &content, &urls, representation)
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
    urls: &Urls,
    representation: Representation,
) -> Result<Bytes, SharingError> {
    match representation.format {
        Format::Json => json(chat, content, urls, representation.coding),
        Format::Page => {
            let html = html(chat, content, urls)?;
            representation.coding.encode(&Bytes::from(html)).map_err(SharingError::defect)
        }
    }
}

fn json(
    chat: &SharedChat,
    content: &Content,
    urls: &Urls,
    coding: Coding,
) -> Result<Bytes, SharingError> {
    let (before, after) =
        responses::around_messages(chat, content, urls).map_err(SharingError::defect)?;
    let whole = Bytes::from([before.as_slice(), &content.messages.json()?, after].concat());
    coding.encode(&whole).map_err(SharingError::defect)
}

fn html(chat: &SharedChat, content: &Content, urls: &Urls) -> Result<String, SharingError> {
    // A live chat may have another name by now.
    let chat = SharedChat { name: content.name.clone(), ..chat.clone() };
    let artifacts = responses::artifacts(&chat, content, urls).map(|artifacts| {
        let files = artifacts.into_iter().map(|artifact| PageArtifact {
            filename: artifact.filename.to_owned(),
            bytes: artifact.bytes,
            media_type: artifact.media_type,
            created_at: artifact.created_at,
            url: artifact.available.then_some(artifact.url),
        });
        files.collect::<Vec<_>>()
    });
    let events_url = (!chat.is_frozen()).then(|| urls.events_path(&chat.id));
    let page = SharedChatPage {
        chat: &chat,
        messages: &content.parse_messages()?,
        artifacts: artifacts.as_deref(),
        qr_code_url: &urls.qr_code_path(&chat.id),
        events_url: events_url.as_deref(),
    };
    page::shared_chat(&page).map_err(SharingError::defect)
}
