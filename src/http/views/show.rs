//! Views of a link, as JSON, as Markdown and as a page.
//!
//! A view reads the link from the database each time, and again after anything that may take long
//! (a token's verification, making a body, an answer of the chat service): what was revoked
//! meanwhile is not sent (docs/API.md 3, "Narrowing is strict"). Other changes do not matter: the
//! view shows the link as it was at one moment since the request came.

use std::task::Poll;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::Bytes,
};
use futures_util::poll;

use crate::{
    http::{
        State,
        error::ApiError,
        extract::credentials::OptionalCaller,
        headers::{
            coding::Coding,
            etag::{ViewTag, not_modified},
        },
        page,
        views::{
            authorize::is_admitted,
            bodies::{MakeError, Version},
            bots::{is_bot, is_prefetch},
            representation::{self, BodyContext, Format, Representation, make_blocking},
        },
    },
    model::{LinkState, Mode, ShareId, SharedChat, ViewKind},
    sharing::{SharingError, Snapshot},
    telemetry::{self, FormatKind, LinkKind, ViewOutcome},
};

/// Keeps a link out of search engines, and its address, which is a secret, out of `Referer`.
pub const UNLISTED: [(HeaderName, HeaderValue); 2] = [
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Fetch Metadata; `empty` for a script's `fetch`.
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// How often a view starts over: because the token had to be verified; because the link was deleted
/// or narrowed while a body was made (what is made next is as narrow); or because it was changed
/// between the reads of its row and of its list of files.
const TRIES: usize = 16;

/// Sends the link in the given format.
///
/// # Errors
/// 404 if there is no such link, then 401 if it is private and there is no valid credential; 502 or
/// 504 if it is live and the chat service fails.
pub async fn show(
    request: &HttpRequest,
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
    format: Format,
) -> Result<HttpResponse, ApiError> {
    let representation = Representation { format, coding: Coding::negotiate(request) };
    let view = View { request, state, id, viewer, representation };
    let answer = view.answer().await;
    record_outcome(format, &answer);
    if answer.is_ok() {
        count_view(request, state, id, format);
    }
    answer.map(|(response, _)| response)
}

fn record_outcome(format: Format, answer: &Result<(HttpResponse, Mode), ApiError>) {
    let format = match format {
        Format::Json => FormatKind::Json,
        Format::Page => FormatKind::Page,
        Format::Markdown => FormatKind::Markdown,
    };
    let kind = match answer {
        Ok((_, Mode::Frozen)) => LinkKind::Frozen,
        Ok((_, Mode::Live)) => LinkKind::Live,
        Err(_) => LinkKind::None,
    };
    let outcome = match answer {
        Ok((response, _)) if response.status() == StatusCode::NOT_MODIFIED => {
            ViewOutcome::NotModified
        }
        Ok(_) => ViewOutcome::Shown,
        Err(error) if error.status_code().is_server_error() => ViewOutcome::Failed,
        Err(_) => ViewOutcome::Refused,
    };
    telemetry::viewed(kind, format, outcome);
}

/// Counts a view. `HEAD` and a prefetch show nothing, and a page that reloads itself
/// (`page/live.js`) was counted when it was opened.
fn count_view(request: &HttpRequest, state: &State, id: &ShareId, format: Format) {
    let is_reload = || request.headers().get(SEC_FETCH_DEST).is_some_and(|dest| dest == "empty");
    let shows_nothing = request.method() == Method::HEAD || is_prefetch(request);
    if shows_nothing || (format == Format::Page && is_reload()) {
        return;
    }
    state.sharing.count(id, if is_bot(request) { ViewKind::BotView } else { ViewKind::View });
}

/// What is sent of a view.
struct Answer {
    tag: ViewTag,
    /// `None` if the client has it (304).
    body: Option<Bytes>,
}

/// Whether an answer that was made of the link as it was may be sent to a viewer who was admitted
/// to it as it is now: it shows nothing that was revoked since, and does not call a link public
/// that is private now. Other changes do not matter: the answer is of one moment since the request
/// came.
fn may_be_sent(made_of: &LinkState, now: &LinkState) -> bool {
    (now.includes_artifacts || !made_of.includes_artifacts)
        && (made_of.is_private() || !now.is_private())
}

/// A request for a view.
struct View<'a> {
    request: &'a HttpRequest,
    state: &'a State,
    id: &'a ShareId,
    viewer: &'a OptionalCaller,
    representation: Representation,
}

impl View<'_> {
    async fn answer(&self) -> Result<(HttpResponse, Mode), ApiError> {
        let State { sharing, bodies, .. } = self.state;
        let key = (self.id.clone(), self.representation);
        for _ in 0..TRIES {
            // For what the cache or the client has already the state is enough.
            let cached = bodies.get(&key).await.filter(|(version, _)| version.hash.is_none());
            let may_be_known =
                cached.is_some() || self.request.headers().contains_key(header::IF_NONE_MATCH);
            if may_be_known {
                let link = sharing.link_state(self.id).await?;
                if !is_admitted(self.state, self.id, &link, self.viewer).await? {
                    continue;
                }
                if link.is_frozen()
                    && let Some(answer) = self.known(&link, cached)
                {
                    return Ok((self.respond(&link, answer), link.mode));
                }
            }
            let (chat, small) = sharing.open_with_small_snapshot(self.id).await?;
            let link = chat.state();
            if !is_admitted(self.state, self.id, &link, self.viewer).await? {
                continue;
            }
            // Boxed, as it would make the future of every view some kilobytes larger.
            let mut making = Box::pin(self.make(&chat, small));
            let (made, has_waited) = match poll!(&mut making) {
                Poll::Ready(made) => (made, false),
                Poll::Pending => (making.await, true),
            };
            let answer = match made {
                Ok(answer) => answer,
                Err(MakeError::LinkChanged) => continue,
                Err(MakeError::Failed(error)) => return Err(error),
            };
            if has_waited {
                let now = sharing.link_state(self.id).await?;
                if !is_admitted(self.state, self.id, &now, self.viewer).await?
                    || !may_be_sent(&link, &now)
                {
                    continue;
                }
            }
            return Ok((self.respond(&link, answer), link.mode));
        }
        Err(SharingError::Unsettled.into())
    }

    fn tag(&self, Version { revision, policy, hash }: &Version) -> ViewTag {
        let form = self.representation.name();
        let hash = hash.as_deref();
        match self.representation.format {
            Format::Json => ViewTag::new(*revision, *policy, hash, form),
            Format::Page | Format::Markdown => {
                let form = format!("{form}.{}", self.state.page_version);
                ViewTag::new(*revision, *policy, hash, &form)
            }
        }
    }

    /// The answer of a frozen link in this state, if it is a 304 or the cached body.
    fn known(&self, link: &LinkState, cached: Option<(Version, Bytes)>) -> Option<Answer> {
        let version = Version { revision: link.revision, policy: link.policy, hash: None };
        let tag = self.tag(&version);
        if not_modified(self.request, tag.as_str()) {
            return Some(Answer { tag, body: None });
        }
        let (_, body) = cached.filter(|(cached, _)| *cached == version)?;
        Some(Answer { tag, body: Some(body) })
    }

    /// Makes the answer. Of a small frozen chat without files, and of a live one whose transcript
    /// is in memory, it does so without waiting.
    async fn make(
        &self,
        chat: &SharedChat,
        mut small: Option<Snapshot>,
    ) -> Result<Answer, MakeError> {
        let State { sharing, bodies, urls, settings, .. } = self.state;
        let context = BodyContext { urls, page: &settings.page };
        let representation = self.representation;
        // Anything else is read only if the body has to be made.
        let is_at_hand = !chat.is_frozen() || (small.is_some() && !chat.includes_artifacts);
        let content = match is_at_hand {
            true => Some(sharing.content(chat, small.take()).await?),
            false => None,
        };
        let hash = content.as_ref().and_then(|content| content.content_hash.clone());
        let version = Version { revision: chat.revision, policy: chat.policy, hash };
        let tag = self.tag(&version);
        if not_modified(self.request, tag.as_str()) {
            return Ok(Answer { tag, body: None });
        }
        let key = (chat.id.clone(), representation);
        if let Some(content) = content.as_ref().filter(|content| representation.is_cheap(content)) {
            let body = make_blocking(chat, content, context, representation)?;
            bodies.insert(key, version, body.clone()).await;
            return Ok(Answer { tag, body: Some(body) });
        }
        let make = async {
            let content = match content {
                Some(content) => content,
                None => sharing.content(chat, small).await?,
            };
            Ok(representation::make(chat, content, context, representation, &bodies.makers).await?)
        };
        let body = bodies.get_or_make(key, version, make).await?;
        Ok(Answer { tag, body: Some(body) })
    }

    fn respond(&self, link: &LinkState, Answer { tag, body }: Answer) -> HttpResponse {
        let Representation { format, coding } = self.representation;
        let is_new = body.is_some();
        let mut response = if is_new { HttpResponse::Ok() } else { HttpResponse::NotModified() };
        link_headers(&mut response, link.is_private(), tag.to_header());
        response.insert_header((header::VARY, self.state.vary()));
        let Some(body) = body else {
            return response.finish();
        };
        if coding != Coding::Identity {
            response.insert_header((header::CONTENT_ENCODING, coding.name()));
        }
        match format {
            Format::Json => response.content_type("application/json"),
            Format::Markdown => response.content_type("text/markdown; charset=utf-8"),
            Format::Page => response.content_type("text/html; charset=utf-8").insert_header((
                header::CONTENT_SECURITY_POLICY,
                match link.mode {
                    Mode::Frozen => page::CONTENT_SECURITY_POLICY.as_str(),
                    Mode::Live => page::LIVE_CONTENT_SECURITY_POLICY.as_str(),
                },
            )),
        };
        response.body(body)
    }
}

/// Lets pages of other origins embed an image or a file: of a public link those of every site, as
/// anyone may open it; of a private link those of this service's own site alone, whose pages may
/// know what a person who is signed in sees.
pub fn embeddable(response: &mut HttpResponseBuilder, is_private: bool) {
    let policy = if is_private { "same-site" } else { "cross-origin" };
    response.insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, policy));
}

/// Sets [`UNLISTED`].
pub fn unlisted(response: &mut HttpResponseBuilder) {
    for header in UNLISTED {
        response.insert_header(header);
    }
}

/// Caches must revalidate; shared caches do not store private links. Sets [`UNLISTED`] too.
pub fn link_headers(response: &mut HttpResponseBuilder, is_private: bool, tag: HeaderValue) {
    let caching = if is_private { "private, no-cache" } else { "no-cache" };
    response.insert_header((header::CACHE_CONTROL, caching)).insert_header((header::ETAG, tag));
    unlisted(response);
}
