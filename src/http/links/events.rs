//! `GET /api/v1/shared_chats/{id}/events`.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use url::form_urlencoded;

use crate::http::State;
use crate::http::call::{Audited, CALLER, CHAT_SERVICE, Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::{context::client_address, credentials::OptionalCaller, link_id::LinkId};
use crate::http::links::stream;
use crate::http::responses::ChatEvent;
use crate::http::views::{authorize::admitted, show::unlisted};
use crate::model::{Action, Client, SharedChat};

/// Tells nginx not to buffer the response.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub struct Watch;

impl Call for Watch {
    const AUDITED: Audited = Audited::PrivateLinks(Action::Watch);
    const REFUSALS: &'static [&'static [E]] =
        &[CALLER, CHAT_SERVICE, &[E::NotFound, E::TooManyRequests]];
}

/// Streams the changes of a live link's chat (server-sent events).
///
/// `message` (a message as in the view; the event's id is the message's), `changed` (an edited
/// message), `removed` `{id}`, `renamed` `{name}`, `settings` `{is_private, includes_artifacts,
/// expires_at}`, `reset` `{}` (the changes cannot be expressed in events, or the cursor is unknown:
/// fetch the view again; the stream goes on, or ends if the chat is too large to be watched for
/// now), `revoked` `{}` (access has ended, and the stream ends). A comment is sent at least every
/// 15 seconds. A client that reconnects with a cursor gets every later message once; edits and
/// removals that happened in between are in the view only.
///
/// A frozen link is 400.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}/events", tag = "links",
    operation_id = "watch_shared_chat",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("Last-Event-ID" = Option<String>, Header,
            description = "A cursor: the id of any message, in UTF-8 or else Latin-1. What came \
                           after it is sent first; without one only new messages are sent"),
        ("after" = Option<String>, Query,
            description = "The same, for clients that cannot set the header, which takes precedence"),
    ),
    responses(
        (status = 200,
            description = "The stream, until the viewer's access ends or the service stops",
            body = ChatEvent, content_type = "text/event-stream",
            example = "event: message\nid: m2\ndata: {\"id\":\"m2\",\"role\":\"assistant\",\"content\":\"Yes.\",\"created_at\":\"2026-11-20T08:00:07Z\",\"reply_to\":\"m1\"}\n\nevent: revoked\ndata: {}\n\n"),
        Refusals<Watch>,
    ),
    security((), ("bearer" = [])),
)]
pub async fn events(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    let id = id.get()?;
    let link = admitted(&state, &id, &viewer).await?;
    let client = client(&request, &state, &viewer, &link);
    let subscription = state.sharing.subscribe(link, client, cursor(&request).as_deref()).await?;
    // Access may have ended while the chat was read.
    let link = admitted(&state, &id, &viewer).await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        // A proxy that compresses would hold events back.
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        .insert_header((header::VARY, state.vary()));
    unlisted(&mut response);
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    Ok(response.streaming(stream::events(subscription, viewer, &link)))
}

/// Whom the stream is counted for: as in a view's rate limit, the address on a public link. `None`
/// behind a proxy that is not trusted, where the clients cannot be told apart.
fn client(
    request: &HttpRequest,
    state: &State,
    viewer: &OptionalCaller,
    link: &SharedChat,
) -> Option<Client> {
    let caller = if link.is_private() { viewer.verified() } else { None };
    match caller {
        Some(caller) => Some(Client::User(caller.user_id().clone())),
        None => state
            .settings
            .trusted_proxies
            .knows_client(request.headers())
            .then(|| Client::at(client_address(request))),
    }
}

/// The client's cursor. Any text is one: an unknown cursor leads to a `reset`, while without a
/// cursor the client would not notice what it missed.
pub fn cursor(request: &HttpRequest) -> Option<String> {
    let is_given = |cursor: &String| !cursor.is_empty();
    let header = request.headers().get(LAST_EVENT_ID).map(|value| text(value.as_bytes()));
    let query = || {
        form_urlencoded::parse(request.query_string().as_bytes())
            .find(|(name, _)| name == "after")
            .map(|(_, value)| value.into_owned())
    };
    header.filter(is_given).or_else(query).filter(is_given)
}

/// `EventSource` sends UTF-8; `fetch` sends the Latin-1 that a script gave it.
fn text(header: &[u8]) -> String {
    match std::str::from_utf8(header) {
        Ok(text) => text.to_owned(),
        Err(_) => header.iter().map(|byte| char::from(*byte)).collect(),
    }
}
