//! `GET /api/v1/shared_chats/{id}/artifacts/{artifact_id}`.

use std::{borrow::Cow, ops::Range, rc::Rc};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder,
    body::SizedStream,
    dev::Payload,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
    web,
};
use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;

use crate::http::extract::link_id::LinkId;
use crate::{
    http::{
        State,
        call::{Audited, Call, Refusals},
        error::{ApiError, ErrorType as E},
        extract::credentials::OptionalCaller,
        headers::{
            disposition::attachment,
            etag::not_modified,
            ranges::{Part, part},
        },
        responses::media_type,
        views::{authorize::admitted, revocable_body::watched, show::link_headers},
    },
    model::{Action, ShareId, SharedChat, ViewKind},
    sharing::{Artifact, SharingError},
};

/// The id of a file in a path. It may hold anything, `/` for one, so it is read from the path as it
/// was sent: the router's own reading leaves some of its characters encoded.
pub struct ArtifactId(String);

impl FromRequest for ArtifactId {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let segment = request.uri().path().rsplit('/').next().unwrap_or_default();
        let id = percent_decoded(segment);
        std::future::ready(id.map(Self).ok_or_else(|| SharingError::ArtifactNotFound.into()))
    }
}

/// `None` when it is no UTF-8; every id is.
fn percent_decoded(segment: &str) -> Option<String> {
    percent_decode_str(segment).decode_utf8().ok().map(Cow::into_owned)
}

pub struct Download;

impl Call for Download {
    const AUDITED: Audited = Audited::PrivateLinks(Action::Download);
    const REFUSALS: &'static [E] = &[
        E::LoginRequired,
        E::InvalidToken,
        E::Forbidden,
        E::NotFound,
        E::RangeNotSatisfiable,
        E::ChatTooLarge,
        E::ChatServiceError,
        E::Unavailable,
        E::ChatServiceTimeout,
    ];
}

/// A file of the link, as a download. Whoever may view the link may have it, while the link includes
/// its files; the transfer is cut short within a second after that ends.
///
/// A live link's file is fetched from the chat service as it is read. Of such a one only size and
/// time are known, so its entity tag is weak, and `If-Range` never holds.
///
/// # Errors
/// 404 for a dead link, then 401 as for the view, then 404 for a file that this link does not show
/// or whose bytes cannot be had; 416 for a range beyond its end.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}/artifacts/{artifact_id}", tag = "links",
    operation_id = "get_shared_chat_artifact",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("artifact_id" = String, Path, description = "The file's id, as the view gives it"),
        ("Range" = Option<String>, Header, description = "One range of bytes; several give the whole"),
        ("If-Range" = Option<String>, Header, description = "The strong entity tag that the range is of"),
        ("If-None-Match" = Option<String>, Header, description = "An entity tag of the file"),
    ),
    responses(
        (status = 200, description = "The file",
            content((Vec<u8> = "*/*")),
            headers(
                ("Content-Disposition" = String, description = "`attachment`, with the file's name"),
                ("Accept-Ranges" = String, description = "`bytes`"),
                ("ETag" = String, description = "Strong for a frozen link, weak for a live one"),
                ("Cache-Control" = String, description = "`no-cache`; `private, no-cache` for a private link"),
            )),
        (status = 206, description = "The range that was asked for",
            content((Vec<u8> = "*/*")),
            headers(("Content-Range" = String, description = "Which bytes of how many"))),
        (status = 304, description = "`If-None-Match` names it"),
        Refusals<Download>,
    ),
    security((), ("bearer" = [])),
)]
pub async fn artifact(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
    artifact_id: ArtifactId,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    let id = id.get()?;
    let chat = admitted(&state, &id, &viewer).await?;
    let artifact = state.sharing.artifact(&chat, &artifact_id.0).await?;
    // That may have taken long.
    let chat = may_have(&state, &id, &viewer).await?;
    send(&request, state, chat, artifact, viewer).await
}

async fn send(
    request: &HttpRequest,
    state: web::Data<State>,
    chat: SharedChat,
    artifact: Artifact,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    let strong = format!("\"artifact.{}\"", artifact.content_hash);
    let is_strong = artifact.is_immutable();
    let tag = if is_strong { strong.clone() } else { format!("W/{strong}") };
    let tag = HeaderValue::try_from(tag).map_err(SharingError::defect)?;
    let vary = match state.settings.auth_cookie {
        Some(_) => "Authorization, Cookie",
        None => "Authorization",
    };
    let headers = |status: StatusCode, is_private: bool| {
        let mut response = HttpResponseBuilder::new(status);
        link_headers(&mut response, is_private, tag.clone());
        response
            // A frontend of another origin may show images.
            .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
            .insert_header((header::VARY, vary));
        response
    };
    if not_modified(request, &strong) {
        return Ok(headers(StatusCode::NOT_MODIFIED, chat.is_private()).finish());
    }
    let bytes = artifact.bytes;
    let (status, range) = match part(request, bytes, is_strong.then_some(strong.as_str())) {
        Part::Whole => (StatusCode::OK, 0..bytes),
        Part::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Unsatisfiable => return Err(ApiError::range_not_satisfiable(bytes)),
    };
    let Range { start, end } = range;
    let (media_type, disposition) =
        (media_type(&artifact.filename), attachment(&artifact.filename));
    let head = |is_private: bool| {
        let mut response = headers(status, is_private);
        response
            .content_type(media_type.as_str())
            .insert_header((header::CONTENT_DISPOSITION, disposition.as_str()))
            // Opened by itself all the same, it runs nothing and has no origin.
            .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
            .insert_header((header::ACCEPT_RANGES, "bytes"));
        if status == StatusCode::PARTIAL_CONTENT {
            let part = format!("bytes {start}-{}/{bytes}", end - 1);
            response.insert_header((header::CONTENT_RANGE, part));
        }
        response
    };
    if request.method() == Method::HEAD {
        let nothing = stream::empty::<Result<web::Bytes, ApiError>>();
        return Ok(head(chat.is_private()).body(SizedStream::new(end - start, nothing)));
    }
    let sharing = state.sharing.clone();
    let (chat, body) = body(state, chat, artifact, viewer, range).await?;
    if start == 0 {
        sharing.count(&chat.id, ViewKind::Download);
    }
    Ok(head(chat.is_private()).body(SizedStream::new(end - start, Box::pin(body))))
}

/// The bytes, and the link as it was when it was asked for last, which is what the head is of.
async fn body(
    state: web::Data<State>,
    chat: SharedChat,
    artifact: Artifact,
    viewer: OptionalCaller,
    range: Range<u64>,
) -> Result<(SharedChat, impl stream::Stream<Item = Result<web::Bytes, ApiError>>), ApiError> {
    let mut bytes = state.sharing.artifact_bytes(&chat, &artifact, range).await?;
    // A source that fails at once gets an answer that says so, instead of a broken connection.
    let first = bytes.next().await.transpose()?;
    let bytes = stream::iter(first.map(Ok)).chain(bytes).boxed();
    let watch = Rc::new((state, chat.id, viewer));
    // That may have taken long.
    let chat = may_have(&watch.0, &watch.1, &watch.2).await?;
    let bytes = watched(bytes, move || {
        let watch = watch.clone();
        async move { may_have(&watch.0, &watch.1, &watch.2).await.map(drop) }
    });
    Ok((chat, bytes))
}

/// The link, if the viewer may have its files at this moment.
async fn may_have(
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
) -> Result<SharedChat, ApiError> {
    let chat = admitted(state, id, viewer).await?;
    match chat.includes_artifacts {
        true => Ok(chat),
        false => Err(SharingError::ArtifactNotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_encoded() {
        for (segment, id) in [
            ("f1", Some("f1")),
            ("a%2Fb%2e%C3%A9", Some("a/b.é")),
            ("100%", Some("100%")),
            ("%zz%4", Some("%zz%4")),
            ("%+1", Some("%+1")),
            ("a+b", Some("a+b")),
            ("%ff", None),
        ] {
            assert_eq!(percent_decoded(segment).as_deref(), id, "{segment}");
        }
    }
}
