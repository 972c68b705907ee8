//! `GET /api/v1/shared_chats/{id}/events`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{self, HeaderName},
    },
    web,
};
use url::form_urlencoded;

use crate::http::extract::link_id::LinkId;
use crate::{
    http::{
        State,
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
        extract::credentials::OptionalCaller,
        links::stream,
        responses::ChatEvent,
        views::{authorize::admitted, show::unlisted},
    },
    model::Action,
};

/// Tells nginx not to buffer the response.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub struct Watch;

impl Call for Watch {
    const AUDITED: Audited = Audited::PrivateLinks(Action::Watch);
    const REFUSALS: &'static [E] = &[
        E::BadRequest,
        E::LoginRequired,
        E::InvalidToken,
        E::Forbidden,
        E::NotFound,
        E::ChatTooLarge,
        E::TooManyRequests,
        E::ChatServiceError,
        E::Unavailable,
        E::ChatServiceTimeout,
    ];
}

/// What happens in the chat of a live link, as it happens (server-sent events).
///
/// `message` (a message as in the view; the event's id is the message's), `changed` (an edited
/// message), `removed` `{id}`, `renamed` `{name}`, `settings` `{is_private, includes_artifacts,
/// expires_at}`, `reset` `{}` (what happened cannot be told, or the cursor is not known: fetch the
/// view again; the stream goes on), `revoked` `{}` (the link is not yours to see any more; the stream
/// ends). A comment comes every 15 seconds at the latest. A client that reconnects with a cursor gets every
/// later message once; edits and removals that happened in between are in the view alone.
///
/// # Errors
/// 404, then 401, as the view; then 400 for a frozen link, 429 and 503 when there is no place for
/// another stream, 502 and 504 when the chat service does not answer well.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}/events", tag = "links",
    operation_id = "watch_shared_chat",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("Last-Event-ID" = Option<String>, Header,
            description = "A cursor, the id of any message, in UTF-8 or else Latin-1: later ones are \
                           sent first. Without one only what comes later is sent"),
        ("after" = Option<String>, Query,
            description = "The same, for clients that cannot set the header; the header takes precedence"),
    ),
    responses(
        (status = 200,
            description = "The stream, until the link is not the viewer's to see any more or the \
                           service stops",
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
    let subscription = state.sharing.subscribe(link, cursor(&request).as_deref()).await?;
    // Reading the chat may have taken long.
    let link = admitted(&state, &id, &viewer).await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        .insert_header((header::VARY, state.vary(&request)));
    unlisted(&mut response);
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    Ok(response.streaming(stream::events(subscription, viewer, &link)))
}

/// What the client knows already. Any text is a cursor, perhaps an unknown one: without a cursor the
/// client is not sent what it missed, nor told that it missed something.
pub(in crate::http) fn cursor(request: &HttpRequest) -> Option<String> {
    let is_given = |cursor: &String| !cursor.is_empty();
    let header = request.headers().get(LAST_EVENT_ID).map(|value| text(value.as_bytes()));
    let query = || {
        form_urlencoded::parse(request.query_string().as_bytes())
            .find(|(name, _)| name == "after")
            .map(|(_, value)| value.into_owned())
    };
    header.filter(is_given).or_else(query).filter(is_given)
}

/// Browsers send ids as UTF-8 by themselves (`EventSource`), and as Latin-1 when a script gives them
/// to `fetch`.
fn text(header: &[u8]) -> String {
    match std::str::from_utf8(header) {
        Ok(text) => text.to_owned(),
        Err(_) => header.iter().map(|byte| char::from(*byte)).collect(),
    }
}
