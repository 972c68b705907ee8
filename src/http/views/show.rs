//! Showing a link: to programs as JSON, to people as a page. Both ways go through here.
//!
//! A view asks the database for the link each time, and again after anything that took its time
//! (a token's verification, a body that was made, an answer of the chat service): whatever was
//! revoked meanwhile is not shown (contract 3, "Narrowing is strict"). What was changed otherwise does
//! not matter: the view shows the link as it was at one moment since it was asked for.

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
            bodies::NotMade,
            bots::is_bot,
            representation::{self, Format, Representation},
        },
    },
    model::{LinkState, Mode, ShareId, SharedChat, ViewKind},
    sharing::{ContentHash, SharingError},
    telemetry::{self, FormatKind, LinkKind, ViewOutcome},
};

/// Keep a link out of search engines, and its address, which is the secret, out of `Referer`.
pub const UNLISTED: [(HeaderName, HeaderValue); 2] = [
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// For what a browser fetches (Fetch Metadata): a script's own request is for nothing.
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// How often a view starts over: because telling who the viewer is took its time; because the link was
/// closed, or its files taken away, while a body was made (what is made next is as narrow); or because it
/// was changed in the millisecond between the reading of its row and that of its list of files.
const TRIES: usize = 16;

/// Opens the link and shows it in the given form.
///
/// # Errors
/// 404 when there is no such link, then 401 when it is private and nobody is signed in; 502 or 504
/// when it is a live one and the chat service does not answer well.
pub async fn show(
    request: &HttpRequest,
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
    format: Format,
) -> Result<HttpResponse, ApiError> {
    let shown = shown(request, state, id, viewer, format).await;
    viewed(format, &shown);
    if shown.is_ok() {
        count(request, state, id, format);
    }
    shown.map(|(response, _)| response)
}

/// For the metrics.
fn viewed(format: Format, shown: &Result<(HttpResponse, Mode), ApiError>) {
    let format = match format {
        Format::Json => FormatKind::Json,
        Format::Page => FormatKind::Page,
    };
    let (kind, outcome) = match shown {
        Ok((response, mode)) => (
            match mode {
                Mode::Frozen => LinkKind::Frozen,
                Mode::Live => LinkKind::Live,
            },
            match response.status() {
                StatusCode::NOT_MODIFIED => ViewOutcome::NotModified,
                _ => ViewOutcome::Shown,
            },
        ),
        Err(error) if error.status_code().is_server_error() => {
            (LinkKind::None, ViewOutcome::Failed)
        }
        Err(_) => (LinkKind::None, ViewOutcome::Refused),
    };
    telemetry::viewed(kind, format, outcome);
}

async fn shown(
    request: &HttpRequest,
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
    format: Format,
) -> Result<(HttpResponse, Mode), ApiError> {
    let representation = Representation { format, coding: Coding::negotiate(request) };
    let mut made: Option<Made> = None;
    for _ in 0..TRIES {
        let link = state.sharing.link_state(id).await?;
        if !is_admitted(link.visibility, viewer).await? {
            continue;
        }
        let cached = match link.mode {
            Mode::Frozen => cached(request, state, id, link.revision, None, representation).await,
            Mode::Live => None,
        };
        if let Some(shown) = cached {
            return Ok((respond(request, state, link, representation, shown), link.mode));
        }
        if let Some(made) = made.take_if(|made| made.may_be_shown(link)) {
            let made_of = LinkState { visibility: made.link.visibility, ..link };
            return Ok((respond(request, state, made_of, representation, made.shown), link.mode));
        }
        let chat = state.sharing.open(id).await?;
        if !is_admitted(chat.visibility, viewer).await? {
            continue;
        }
        // On the heap, as it is rare: it would make every view's future some kilobytes larger.
        made = match Box::pin(make(request, state, &chat, representation)).await {
            Ok(shown) => Some(Made { link: chat.state(), shown }),
            Err(NotMade::Moved) => None,
            Err(NotMade::Failed(error)) => return Err(error),
        };
    }
    Err(SharingError::Unsettled.into())
}

/// Counts a view. `HEAD` shows nothing, and a page that fetches itself again (`page/live.js`) was seen
/// when it was opened.
fn count(request: &HttpRequest, state: &State, id: &ShareId, format: Format) {
    let refreshes = || request.headers().get(SEC_FETCH_DEST).is_some_and(|dest| dest == "empty");
    if request.method() == Method::HEAD || (format == Format::Page && refreshes()) {
        return;
    }
    let seen = if is_bot(request) { ViewKind::BotView } else { ViewKind::View };
    state.sharing.count(id, seen);
}

/// What there is to send.
struct Shown {
    tag: ViewTag,
    /// `None` when the client has it.
    body: Option<Bytes>,
}

/// What was made of a link, which may have been changed since.
struct Made {
    link: LinkState,
    shown: Shown,
}

impl Made {
    /// Whether this shows nothing that was taken away since, and does not call a link public that is
    /// private by now. The viewer was admitted to the link as it is now. What was changed otherwise may
    /// have its old value: this is the link as it was at one moment since the view began.
    fn may_be_shown(&self, now: LinkState) -> bool {
        (now.includes_artifacts || !self.link.includes_artifacts)
            && (self.link.is_private() || !now.is_private())
    }
}

/// What can be sent without making anything.
async fn cached(
    request: &HttpRequest,
    state: &State,
    id: &ShareId,
    revision: i64,
    content_hash: Option<ContentHash>,
    representation: Representation,
) -> Option<Shown> {
    let tag = ViewTag::new(revision, content_hash.as_deref(), representation.name());
    if not_modified(request, tag.as_str()) {
        return Some(Shown { tag, body: None });
    }
    let body = state.bodies.get(&(id.clone(), revision, content_hash, representation)).await?;
    Some(Shown { tag, body: Some(body) })
}

async fn make(
    request: &HttpRequest,
    state: &State,
    chat: &SharedChat,
    representation: Representation,
) -> Result<Shown, NotMade> {
    // A frozen link's content is asked for when there is a body to make of it.
    let live = match chat.mode {
        Mode::Frozen => None,
        Mode::Live => Some(state.sharing.content(chat).await?),
    };
    let (revision, content_hash) =
        (chat.revision, live.as_ref().and_then(|now| now.content_hash.clone()));
    if live.is_some()
        && let Some(shown) =
            cached(request, state, &chat.id, revision, content_hash.clone(), representation).await
    {
        return Ok(shown);
    }
    let tag = ViewTag::new(revision, content_hash.as_deref(), representation.name());
    let key = (chat.id.clone(), revision, content_hash, representation);
    let make = async |permit| {
        let content = match live {
            Some(content) => content,
            None => state.sharing.content(chat).await?,
        };
        Ok(representation::make(chat, content, &state.urls, representation, permit).await?)
    };
    let body = state.bodies.get_or_make(key, make).await?;
    Ok(Shown { tag, body: Some(body) })
}

fn respond(
    request: &HttpRequest,
    state: &State,
    link: LinkState,
    representation: Representation,
    shown: Shown,
) -> HttpResponse {
    let mut response = match shown.body {
        Some(_) => HttpResponse::Ok(),
        None => HttpResponse::NotModified(),
    };
    link_headers(&mut response, link.is_private(), shown.tag.to_header());
    response.insert_header((header::VARY, state.vary(request)));
    let Some(body) = shown.body else {
        return response.finish();
    };
    if representation.coding != Coding::Identity {
        response.insert_header((header::CONTENT_ENCODING, representation.coding.name()));
    }
    match representation.format {
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

/// Sets [`UNLISTED`].
pub fn unlisted(response: &mut HttpResponseBuilder) {
    for header in UNLISTED {
        response.insert_header(header);
    }
}

/// Any cache may keep it, none may use it without asking; a private link's only the browser's own.
/// Search engines are kept away.
pub fn link_headers(response: &mut HttpResponseBuilder, is_private: bool, tag: HeaderValue) {
    let caching = if is_private { "private, no-cache" } else { "no-cache" };
    response
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static(caching)))
        .insert_header((header::ETAG, tag));
    unlisted(response);
}
