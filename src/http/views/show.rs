//! Views of a link, as JSON and as a page.
//!
//! A view reads the link from the database each time, and again after anything that may take long
//! (a token's verification, making a body, an answer of the chat service): what was revoked
//! meanwhile is not sent (docs/API.md 3, "Narrowing is strict"). Other changes do not matter: the
//! view shows the link as it was at one moment since the request came.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::Bytes,
};

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
            bodies::MakeError,
            bots::{is_bot, is_prefetch},
            representation::{self, Format, Representation},
        },
    },
    model::{LinkState, Mode, ShareId, SharedChat, ViewKind},
    sharing::{ContentHash, SharingError},
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

/// An answer that was made of a link as it was then.
struct Made {
    link: LinkState,
    answer: Answer,
}

impl Made {
    /// Whether the answer shows nothing that was revoked since, and does not call a link public
    /// that is private now. The viewer was admitted to the link as it is now. Other changes do not
    /// matter: the answer is of one moment since the request came.
    fn may_be_sent(&self, now: LinkState) -> bool {
        (now.includes_artifacts || !self.link.includes_artifacts)
            && (self.link.is_private() || !now.is_private())
    }
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
        let sharing = &self.state.sharing;
        let mut made: Option<Made> = None;
        for _ in 0..TRIES {
            let link = sharing.link_state(self.id).await?;
            if !is_admitted(link.visibility, self.viewer).await? {
                continue;
            }
            let cached = match link.mode {
                Mode::Frozen => self.cached(link.revision, None).await,
                Mode::Live => None,
            };
            if let Some(answer) = cached {
                return Ok((self.respond(link, answer), link.mode));
            }
            if let Some(made) = made.take_if(|made| made.may_be_sent(link)) {
                let made_of = LinkState { visibility: made.link.visibility, ..link };
                return Ok((self.respond(made_of, made.answer), link.mode));
            }
            let chat = sharing.open(self.id).await?;
            if !is_admitted(chat.visibility, self.viewer).await? {
                continue;
            }
            // Boxed, as it is rare and would make every view's future some kilobytes larger.
            made = match Box::pin(self.make(&chat)).await {
                Ok(answer) => Some(Made { link: chat.state(), answer }),
                Err(MakeError::LinkChanged) => None,
                Err(MakeError::Failed(error)) => return Err(error),
            };
        }
        Err(SharingError::Unsettled.into())
    }

    fn tag(&self, revision: i64, hash: Option<&ContentHash>) -> ViewTag {
        ViewTag::new(revision, hash.map(|hash| &**hash), self.representation.name())
    }

    /// A 304, or the cached body.
    async fn cached(&self, revision: i64, hash: Option<ContentHash>) -> Option<Answer> {
        let tag = self.tag(revision, hash.as_ref());
        if not_modified(self.request, tag.as_str()) {
            return Some(Answer { tag, body: None });
        }
        let key = (self.id.clone(), revision, hash, self.representation);
        let body = self.state.bodies.get(&key).await?;
        Some(Answer { tag, body: Some(body) })
    }

    async fn make(&self, chat: &SharedChat) -> Result<Answer, MakeError> {
        let State { sharing, bodies, urls, .. } = self.state;
        // The content of a frozen link is read only if its body has to be made.
        let live = match chat.mode {
            Mode::Frozen => None,
            Mode::Live => Some(sharing.content(chat).await?),
        };
        let revision = chat.revision;
        let hash = live.as_ref().and_then(|content| content.content_hash.clone());
        if live.is_some()
            && let Some(answer) = self.cached(revision, hash.clone()).await
        {
            return Ok(answer);
        }
        let tag = self.tag(revision, hash.as_ref());
        let make = async {
            let content = match live {
                Some(content) => content,
                None => sharing.content(chat).await?,
            };
            Ok(representation::make(chat, content, urls, self.representation, &bodies.makers)
                .await?)
        };
        let key = (chat.id.clone(), revision, hash, self.representation);
        let body = bodies.get_or_make(key, make).await?;
        Ok(Answer { tag, body: Some(body) })
    }

    fn respond(&self, link: LinkState, Answer { tag, body }: Answer) -> HttpResponse {
        let Representation { format, coding } = self.representation;
        let is_new = body.is_some();
        let mut response = if is_new { HttpResponse::Ok() } else { HttpResponse::NotModified() };
        link_headers(&mut response, link.is_private(), tag.to_header());
        response.insert_header((header::VARY, self.state.vary(self.request)));
        let Some(body) = body else {
            return response.finish();
        };
        if coding != Coding::Identity {
            response.insert_header((header::CONTENT_ENCODING, coding.name()));
        }
        match format {
            Format::Json => response.content_type("application/json"),
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
