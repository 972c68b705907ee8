//! The read-only page of a link (docs/API.md 3, "The link itself"): pure functions from its content
//! to HTML, and to a Markdown document. It is readable without script, and loads nothing from other
//! hosts. Its one script shows times in the viewer's zone, gives code a button that copies it, and
//! updates the page of a live link.
//!
//! To add a page: a template that extends `base.html`, a private struct that derives [`Template`]
//! with the same `config`, and a function here. Style goes to `page.css`: the policy forbids all
//! other style, also `style` attributes.

mod budget;
mod document;
mod format;
pub(super) mod markdown;
pub(super) mod open;
mod questions;
mod sanitize;
mod settings;

use std::{borrow::Cow, sync::LazyLock};

use askama::Template;
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::model::{Message, SharedChat, hex};
use budget::{Budget, MAX_PAGE_BYTES};
pub use document::document;
use questions::Questions;
pub use settings::{ContinueUrl, LinkPreview, PageSettings};

/// Served at `/favicon.ico`, which browsers request for every page.
pub const FAVICON: &str = include_str!("favicon.svg");

/// The style of the pages, and of what [`formatted`] gives.
pub const STYLE: &str = include_str!("page.css");
/// Shows times in the viewer's zone, and gives code a button that copies it.
const SCRIPT: &str = concat!(include_str!("times.js"), include_str!("copy.js"));
/// The same, and updates the page of a live link.
const LIVE_SCRIPT: &str =
    concat!(include_str!("times.js"), include_str!("copy.js"), include_str!("live.js"));

/// What the page of an unchanged link depends on, as a part of its entity tag: on the release and
/// on the settings.
pub fn version(settings: &PageSettings) -> String {
    let files = [STYLE, LIVE_SCRIPT, include_str!("base.html"), include_str!("shared_chat.html")];
    let all = format!("{}{files:?}{settings:?}", env!("CARGO_PKG_VERSION"));
    hex(&Sha256::digest(all)[..4])
}

/// The `Content-Security-Policy` of pages without a chat: the inline style by its hash, images of
/// this service, and no script.
pub static NOTICE_CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| policy(""));

/// The same for the page of a frozen link, with its inline script.
pub static CONTENT_SECURITY_POLICY: LazyLock<String> =
    LazyLock::new(|| policy(&format!("script-src '{}'; ", hash_source(SCRIPT))));

/// The same for the page of a live link, whose script may connect to this service only.
pub static LIVE_CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    policy(&format!("script-src '{}'; connect-src 'self'; ", hash_source(LIVE_SCRIPT)))
});

fn policy(scripts: &str) -> String {
    let style = hash_source(STYLE);
    format!(
        "default-src 'none'; style-src '{style}'; img-src 'self'; {scripts}base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// The hash source of inline text (CSP Level 3, 2.3.1).
fn hash_source(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// The content of the page of a link.
pub struct SharedChatPage<'a> {
    pub chat: &'a SharedChat,
    /// Oldest first.
    pub messages: &'a [Message],
    /// `None` unless the link includes them.
    pub artifacts: Option<&'a [PageArtifact]>,
    /// The path of the link's JSON on this service.
    pub json_url: &'a str,
    /// The path of the link's QR code on this service.
    pub qr_code_url: &'a str,
    /// The path of a live link's events on this service.
    pub events_url: Option<&'a str>,
    pub settings: &'a PageSettings,
}

/// A file in the page's list.
pub struct PageArtifact {
    pub filename: String,
    pub bytes: u64,
    pub media_type: String,
    pub created_at: DateTime<Utc>,
    /// `None` if it is not available any more.
    pub url: Option<String>,
}

impl PageArtifact {
    /// How long its row in the list is at most.
    fn row_bytes(&self) -> usize {
        // What is around the name, the type and the address.
        const MARKUP: usize = 256;
        let address = self.url.as_deref().map_or(0, sanitize::escaped_len);
        let [name, kind] =
            [&self.filename, &self.media_type].map(|text| sanitize::escaped_len(text));
        MARKUP + name + kind + address
    }
}

/// The page of a link that its viewer may see. What is beyond its budget is plain text.
pub fn shared_chat(page: &SharedChatPage<'_>) -> askama::Result<String> {
    within(page, MAX_PAGE_BYTES)
}

/// `budget` is that of the page's HTML beside plain text, in bytes.
fn within(page: &SharedChatPage<'_>, budget: usize) -> askama::Result<String> {
    // Files leave room for the messages.
    let mut of_files = Budget::of(budget / 4);
    let listed = page.artifacts.unwrap_or_default().iter();
    let listed = listed.take_while(|file| of_files.take(file.row_bytes())).count();
    let mut of_messages = Budget::of(budget - (budget / 4 - of_files.left()));
    let mut questions = Questions::default();
    let mut messages = Vec::with_capacity(page.messages.len());
    for (message, number) in page.messages.iter().zip(1..) {
        let text = message.content.text();
        questions.add(number, &message.role, &text);
        messages.push(ShownMessage::new(number, message, &text, &mut of_messages));
    }
    let is_exceeded = of_files.is_exceeded() || of_messages.is_exceeded();
    let questions = questions.within(&mut of_messages);
    SharedChatTemplate { page, listed, messages, questions, is_exceeded }.render()
}

/// A message of the page.
struct ShownMessage<'a> {
    /// From 1; its address is `#m1`.
    number: usize,
    message: &'a Message,
    /// Its text as markup; `None` if it is shown as plain text.
    formatted: Option<String>,
    /// Whether a link to it stands beside it.
    has_link: bool,
}

impl<'a> ShownMessage<'a> {
    /// How long the link is, and the element around it.
    const LINK_BYTES: usize = 128;

    /// What is beyond the budget is plain text, and has no link.
    fn new(number: usize, message: &'a Message, text: &str, budget: &mut Budget) -> Self {
        let has_link = budget.take(Self::LINK_BYTES);
        let formatted = match budget.is_exceeded() {
            true => None,
            false => markdown::render(text, budget),
        };
        Self { number, message, formatted, has_link }
    }

    /// Its text as markup, which is a note if it is empty. Plain text is made when it is written,
    /// as it may be long.
    fn html(&self) -> Cow<'_, str> {
        let empty = || Cow::Borrowed(r#"<p class="meta">Empty message</p>"#);
        match &self.formatted {
            Some(html) if html.trim().is_empty() => empty(),
            Some(html) => Cow::Borrowed(html.as_str()),
            None => match self.message.content.text() {
                text if text.trim().is_empty() => empty(),
                text => Cow::Owned(markdown::plain(&text)),
            },
        }
    }
}

/// The chat's name as it is shown.
fn name_of(name: Option<&str>) -> String {
    let name = name.map(sanitize::without_direction_changes);
    name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "Untitled chat".to_owned())
}

/// Messages as safe HTML, within the budget of a page, for another page than that of a link.
pub fn formatted(messages: &[Message]) -> Vec<String> {
    let mut budget = Budget::of(MAX_PAGE_BYTES);
    let texts = messages.iter().map(|message| message.content.text());
    let html = texts.map(|text| {
        let formatted = markdown::render(&text, &mut budget);
        formatted.unwrap_or_else(|| markdown::plain(&text))
    });
    html.collect()
}

/// The page of a link that does not exist.
pub fn not_found() -> askama::Result<String> {
    let notice = Notice {
        icon: BROKEN_LINK,
        title: "This link does not work",
        message: "It may have been deleted or have expired, or its address was not copied as a whole. \
                  The person who shared it can send a new one.",
        login: None,
        failure: None,
    };
    notice.render()
}

/// The page of a private link for a viewer who is not signed in. It tells nothing of the chat.
/// `login_url` already holds the address to return to.
pub fn sign_in(login_url: Option<&str>) -> askama::Result<String> {
    let message = match login_url {
        Some(_) => "This link is only for people who are signed in.",
        None => {
            "This link is only for people who are signed in. Sign in where you use the chats, then \
             open the link again."
        }
    };
    let title = "Sign in to open this link";
    let login = login_url.map(|url| ("Sign in", url));
    Notice { icon: LOCK, title, message, login, failure: None }.render()
}

/// The page of a link that is for other people than its viewer, who may be signed in as the wrong
/// one. `viewer` is who that is, and `login_url` as for [`sign_in`].
pub fn not_in_audience(viewer: Option<&str>, login_url: Option<&str>) -> askama::Result<String> {
    let rule =
        "person who shared this chat, and the rules of this service, decide who can open it.";
    let message = match viewer.map(sanitize::without_direction_changes) {
        Some(name) => format!("You are signed in as {name}, and the {rule}"),
        None => format!("The {rule}"),
    };
    let title = "This link is for other people";
    let login = login_url.map(|url| ("Sign in as another user", url));
    Notice { icon: LOCK, title, message: &message, login, failure: None }.render()
}

/// The page of a link that cannot be shown at the moment.
pub fn failure(
    status: u16,
    title: &str,
    message: &str,
    request_id: &str,
) -> askama::Result<String> {
    let failure = Some((status, request_id));
    Notice { icon: TROUBLE, title, message, login: None, failure }.render()
}

#[derive(Template)]
#[template(path = "shared_chat.html", config = "src/http/page/askama.toml")]
struct SharedChatTemplate<'a> {
    page: &'a SharedChatPage<'a>,
    /// How many files are within the budget.
    listed: usize,
    messages: Vec<ShownMessage<'a>>,
    questions: Questions,
    is_exceeded: bool,
}

impl SharedChatTemplate<'_> {
    fn name(&self) -> String {
        name_of(self.page.chat.name.as_deref())
    }

    /// What programs that draw a preview show as the title. Without one they would take the name
    /// from `<title>`.
    fn preview_title(&self) -> String {
        match self.page.settings.link_preview {
            LinkPreview::Name if !self.page.chat.is_private() => self.name(),
            LinkPreview::Name | LinkPreview::Off => "Shared chat".to_owned(),
        }
    }

    /// The host to go on at, and the address there.
    fn continuation(&self) -> Option<(&str, String)> {
        let url = self.page.settings.continue_url.as_ref()?;
        Some((url.host(), url.of(&self.page.chat.id)))
    }

    fn script(&self) -> &'static str {
        if self.page.events_url.is_some() { LIVE_SCRIPT } else { SCRIPT }
    }

    fn listed_files(&self) -> &[PageArtifact] {
        self.page.artifacts.and_then(|files| files.get(..self.listed)).unwrap_or_default()
    }

    /// The names of the files beyond the budget, as markup.
    fn other_files(&self) -> Option<String> {
        let others = self.page.artifacts?.get(self.listed..).filter(|files| !files.is_empty())?;
        let names = others.iter().map(|file| sanitize::without_direction_changes(&file.filename));
        Some(markdown::plain(&names.collect::<Vec<_>>().join("\n")))
    }
}

// Icons, as SVG paths in a 16 × 16 view box.
const BROKEN_LINK: &str = "M6.5 5H5a3 3 0 0 0 0 6h1.5M9.5 5H11a3 3 0 0 1 0 6H9.5M8 2v1.5M8 12.5V14";
const LOCK: &str = "M4.5 7V5a3.5 3.5 0 0 1 7 0v2M3.5 7h9v6.5h-9z";
const TROUBLE: &str = "M8 2 1.5 13.5h13zM8 6.5v3.25M8 11.75v.01";

#[derive(Template)]
#[template(path = "notice.html", config = "src/http/page/askama.toml")]
struct Notice<'a> {
    /// An SVG path.
    icon: &'static str,
    title: &'a str,
    message: &'a str,
    /// The text and the address of a button.
    login: Option<(&'a str, &'a str)>,
    /// Status and request id.
    failure: Option<(u16, &'a str)>,
}

#[cfg(test)]
mod tests;
