//! Showing a link: to programs as JSON, to people as a page. Both ways go through here.
//!
//! A view asks the database for the link each time, and again after anything that took its time
//! (a token's verification, a body that was made, an answer of the chat service): whatever was
//! revoked meanwhile is not shown (contract 3, "Narrowing is strict").

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError,
    http::StatusCode,
    http::header::{self, HeaderName, HeaderValue},
    web::{self, Bytes},
};
use sha2::{Digest, Sha256};

use super::{
    State,
    bodies::{self, Medium, Variant},
    coding::Coding,
    credentials::OptionalCaller,
    documents::SharedChatDetail,
    error::{ApiError, ErrorType},
    etag::{ViewTag, not_modified},
    page,
};
use crate::{
    model::{Mode, ShareId, SharedChat, Standing},
    sharing::{Found, SharingError, may_view},
    telemetry::{self, LinkKind, MediumKind, ViewOutcome},
};

pub const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
pub const NO_INDEX: HeaderValue = HeaderValue::from_static("noindex, nofollow");
pub const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// How often a view starts over because the link was changed meanwhile.
const TRIES: usize = 4;

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
    medium: Medium,
) -> Result<HttpResponse, ApiError> {
    let shown = shown(request, state, id, viewer, medium).await;
    viewed(medium, &shown);
    shown.map(|(response, _)| response)
}

/// For the metrics.
fn viewed(medium: Medium, shown: &Result<(HttpResponse, Mode), ApiError>) {
    let medium = match medium {
        Medium::Json => MediumKind::Json,
        Medium::Page => MediumKind::Page,
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
    telemetry::viewed(kind, medium, outcome);
}

async fn shown(
    request: &HttpRequest,
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
    medium: Medium,
) -> Result<(HttpResponse, Mode), ApiError> {
    let variant = Variant { medium, coding: Coding::negotiate(request) };
    let mut made: Option<(i64, Shown)> = None;
    for _ in 0..TRIES {
        let standing = state.sharing.standing(id).await?;
        if !is_admitted(standing, viewer).await? {
            continue;
        }
        if standing.is_frozen()
            && let Some(body) = state.bodies.get(id, standing.revision, variant)
        {
            let shown = Shown { body, content: None };
            return Ok((respond(request, state, standing, variant, shown), standing.mode));
        }
        match made.take() {
            // The link is as it was when this was made.
            Some((revision, shown)) if revision == standing.revision => {
                return Ok((respond(request, state, standing, variant, shown), standing.mode));
            }
            _ => {
                let chat = state.sharing.open(id).await?;
                if let Admission::Admitted(chat) = admit(chat, viewer).await? {
                    // On the heap, as it is rare: it would make every view's future some kilobytes
                    // larger.
                    made = Some((chat.revision, Box::pin(make(state, &chat, variant)).await?));
                }
            }
        }
    }
    Err(SharingError::Unsettled.into())
}

/// Whether this viewer may see a link that stands so, for what is at hand already. `false` when telling
/// who it is took its time: then the link is to be asked for again.
///
/// # Errors
/// As [`admit`].
async fn is_admitted(standing: Standing, viewer: &OptionalCaller) -> Result<bool, ApiError> {
    if !standing.is_private() {
        viewer.count_as_anyone()?;
        return Ok(true);
    }
    if let Some(caller) = viewer.verified() {
        viewer.count_as(&caller)?;
        may_view(standing.visibility, Some(&caller.identity))?;
        return Ok(true);
    }
    Box::pin(viewer.require()).await.map_err(sign_in_first)?;
    Ok(false)
}

/// A body, and for a live link what its content is known by.
struct Shown {
    body: Bytes,
    content: Option<String>,
}

/// Whether somebody may see a link.
pub enum Admission {
    Admitted(SharedChat),
    /// Telling who it is took its time; the link may have changed meanwhile.
    AskAgain,
}

/// Admits whoever may see the link.
///
/// # Errors
/// 401 when it is private and nobody is signed in; 403 for the chat service; 503 when it cannot be told.
pub async fn admit(found: Found, viewer: &OptionalCaller) -> Result<Admission, ApiError> {
    if !found.is_private() {
        viewer.count_as_anyone()?;
        return Ok(Admission::Admitted(found.admit(None)?));
    }
    if let Some(caller) = viewer.verified() {
        viewer.count_as(&caller)?;
        return Ok(Admission::Admitted(found.admit(Some(&caller.identity))?));
    }
    Box::pin(viewer.require()).await.map_err(sign_in_first)?;
    Ok(Admission::AskAgain)
}

/// The link, for a viewer who may see it as it is at this moment.
///
/// # Errors
/// 404 when there is no such link, then 401 when it is private and nobody is signed in.
pub async fn admitted(
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
) -> Result<SharedChat, ApiError> {
    for _ in 0..TRIES {
        if let Admission::Admitted(chat) = admit(state.sharing.open(id).await?, viewer).await? {
            return Ok(chat);
        }
    }
    Err(SharingError::Unsettled.into())
}

/// Says of a private link that it is private, where nothing was presented.
fn sign_in_first(error: ApiError) -> ApiError {
    match error.error_type() {
        ErrorType::LoginRequired => SharingError::SignInRequired.into(),
        _ => error,
    }
}

async fn make(state: &State, chat: &SharedChat, variant: Variant) -> Result<Shown, ApiError> {
    if chat.is_frozen() {
        let make = || async {
            let content = state.sharing.content(chat).await?;
            bodies::make(chat, content, &state.links, variant).await
        };
        let body = state.bodies.get_or_make(chat, variant, make).await?;
        return Ok(Shown { body, content: None });
    }
    let content = state.sharing.content(chat).await?;
    let mut hash = Sha256::new();
    hash.update(content.name.as_deref().unwrap_or_default());
    hash.update([u8::from(content.name.is_some())]);
    hash.update(serde_json::to_vec(&content.files).map_err(SharingError::defect)?);
    hash.update(content.messages.json()?);
    let known_by = hash.finalize()[..12].iter().map(|b| format!("{b:02x}")).collect();
    let body = bodies::make(chat, content, &state.links, variant).await?;
    Ok(Shown { body, content: Some(known_by) })
}

fn respond(
    request: &HttpRequest,
    state: &State,
    standing: Standing,
    variant: Variant,
    shown: Shown,
) -> HttpResponse {
    let tag = ViewTag::new(standing.revision, shown.content.as_deref(), variant.name());
    let unchanged = not_modified(request, tag.as_str());
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    cache_headers(&mut response, standing.is_private(), tag.to_header());
    response
        .insert_header((X_ROBOTS_TAG, NO_INDEX))
        .insert_header((header::REFERRER_POLICY, NO_REFERRER))
        .insert_header((header::VARY, state.vary(request)));
    if unchanged {
        return response.finish();
    }
    if variant.coding != Coding::Identity {
        response.insert_header((header::CONTENT_ENCODING, variant.coding.name()));
    }
    match variant.medium {
        Medium::Json => response.content_type("application/json"),
        Medium::Page => response.content_type("text/html; charset=utf-8").insert_header((
            header::CONTENT_SECURITY_POLICY,
            match standing.is_frozen() {
                true => page::CONTENT_SECURITY_POLICY.as_str(),
                false => page::LIVE_CONTENT_SECURITY_POLICY.as_str(),
            },
        )),
    };
    response.body(shown.body)
}

/// Any cache may keep it, none may use it without asking; a private link's only the browser's own.
pub fn cache_headers(response: &mut HttpResponseBuilder, is_private: bool, tag: HeaderValue) {
    let caching = if is_private { "private, no-cache" } else { "no-cache" };
    response
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static(caching)))
        .insert_header((header::ETAG, tag));
}

/// The id of a link in a path.
pub struct LinkId(pub Option<ShareId>);

impl actix_web::FromRequest for LinkId {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(ShareId::parse);
        std::future::ready(Ok(Self(id)))
    }
}

impl LinkId {
    /// The id, if it could be one.
    ///
    /// # Errors
    /// 404: what cannot be a link's id is no link. It is asked for only after 401 and 400.
    pub fn get(self) -> Result<ShareId, ApiError> {
        self.0.ok_or_else(ApiError::no_such_link)
    }
}

/// Shows a link: anyone a public one, people who are signed in a private one.
///
/// # Errors
/// See [`show`].
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}", tag = "links",
    operation_id = "get_shared_chat",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("If-None-Match" = Option<String>, Header, description = "An entity tag of the view"),
    ),
    responses(
        (status = 200, description = "The shared chat",
            body = SharedChatDetail,
            headers(
                ("ETag" = String, description = "Strong, one for each coding"),
                ("Cache-Control" = String, description = "`no-cache`; `private, no-cache` for a private link"),
            )),
        (status = 304, description = "`If-None-Match` names it"),
    ),
    security((), ("bearer" = [])),
)]
pub async fn view(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    show(&request, &state, &id.get()?, &viewer, Medium::Json).await
}
