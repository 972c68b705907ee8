//! The representations of a view, and how their bodies are made.

use actix_web::web::Bytes;
use tokio::task::spawn_blocking;

use crate::{
    http::{
        error::ApiError,
        headers::coding::Coding,
        page::{self, PageArtifact, PageSettings, SharedChatPage},
        responses,
    },
    limit::{Limiter, Timeout},
    model::SharedChat,
    sharing::{Content, SharingError, Urls},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Page,
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Representation {
    pub format: Format,
    pub coding: Coding,
}

impl Representation {
    /// Its part of an entity tag.
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
            (Format::Markdown, Coding::Identity) => "md",
            (Format::Markdown, Coding::Gzip) => "md.gzip",
            (Format::Markdown, Coding::Brotli) => "md.br",
            (Format::Markdown, Coding::Zstd) => "md.zstd",
        }
    }
}

/// What bodies hold of the service itself.
#[derive(Clone, Copy)]
pub struct BodyContext<'a> {
    pub urls: &'a Urls,
    pub page: &'a PageSettings,
}

/// Up to this many bytes of messages are made into JSON on the worker: a hop to a blocking thread
/// would take longer.
const INLINE_BYTES: u64 = 64 * 1024;

impl Representation {
    /// Whether the body is made on the worker.
    pub fn is_cheap(self, content: &Content) -> bool {
        self.format == Format::Json
            && matches!(self.coding, Coding::Identity | Coding::Zstd)
            && content.messages.size().is_some_and(|bytes| bytes <= INLINE_BYTES)
    }
}

/// Makes a body on a blocking thread. That work cannot be cancelled with the request, so it holds
/// the permit itself.
///
/// # Errors
/// 503 if no permit became free in time; 500 if a stored row is damaged.
pub async fn make(
    chat: &SharedChat,
    content: Content,
    context: BodyContext<'_>,
    representation: Representation,
    makers: &Limiter,
) -> Result<Bytes, ApiError> {
    let permit = makers.acquire().await;
    let permit = permit.map_err(|Timeout| ApiError::overloaded("too many views are being made"))?;
    let (chat, urls, page) = (chat.clone(), context.urls.clone(), context.page.clone());
    let making = spawn_blocking(move || {
        let _permit = permit;
        let context = BodyContext { urls: &urls, page: &page };
        make_blocking(&chat, &content, context, representation)
    });
    Ok(making.await.map_err(SharingError::defect)??)
}

pub fn make_blocking(
    chat: &SharedChat,
    content: &Content,
    context: BodyContext<'_>,
    representation: Representation,
) -> Result<Bytes, SharingError> {
    let body = match representation.format {
        Format::Json => {
            let (before, after) = responses::around_messages(chat, content, context.urls)?;
            Bytes::from([before.as_slice(), &content.messages.json()?, after].concat())
        }
        Format::Page => html(chat, content, context)?.into(),
        Format::Markdown => {
            page::document(&as_named_now(chat, content), &content.parse_messages()?).into()
        }
    };
    representation.coding.encode(&body).map_err(SharingError::defect)
}

/// A live chat may have been renamed since it was shared.
fn as_named_now(chat: &SharedChat, content: &Content) -> SharedChat {
    SharedChat { name: content.name.clone(), ..chat.clone() }
}

fn html(
    chat: &SharedChat,
    content: &Content,
    context: BodyContext<'_>,
) -> Result<String, SharingError> {
    let chat = as_named_now(chat, content);
    let BodyContext { urls, page: settings } = context;
    let page_artifact = |artifact: responses::Artifact<'_>| PageArtifact {
        filename: artifact.filename.to_owned(),
        bytes: artifact.bytes,
        media_type: artifact.media_type,
        created_at: artifact.created_at,
        url: artifact.available.then_some(artifact.url),
    };
    let files = content.files.parse()?;
    let artifacts = responses::artifacts(&chat, &files, &content.available, urls);
    let artifacts: Option<Vec<_>> =
        artifacts.map(|files| files.into_iter().map(page_artifact).collect());
    let events_url = (!chat.is_frozen()).then(|| urls.events_path(&chat.id));
    let page = SharedChatPage {
        chat: &chat,
        messages: &content.parse_messages()?,
        artifacts: artifacts.as_deref(),
        json_url: &urls.api_path(&chat.id),
        qr_code_url: &urls.qr_code_path(&chat.id),
        events_url: events_url.as_deref(),
        settings,
    };
    page::shared_chat(&page).map_err(SharingError::defect)
}
