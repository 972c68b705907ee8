//! `GET /api/v1/shared_chats/{id}/artifacts/{artifact_id}`.

use std::{borrow::Cow, ops::Range, rc::Rc};

use actix_web::body::SizedStream;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use futures_util::stream::{self, Stream, StreamExt};
use percent_encoding::percent_decode_str;

use crate::http::State;
use crate::http::call::{Audited, CALLER, CHAT_SERVICE, Call, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::{credentials::OptionalCaller, link_id::LinkId};
use crate::http::headers::disposition::attachment;
use crate::http::headers::etag::not_modified;
use crate::http::headers::ranges::{Part, part};
use crate::http::responses::media_type;
use crate::http::views::{
    authorize::admitted,
    bots::is_prefetch,
    revocable_body::watched,
    show::{embeddable, link_headers},
};
use crate::model::{Action, ShareId, SharedChat, ViewKind};
use crate::sharing::{Artifact, SharingError};

/// The id of a file; `None` if it is not UTF-8. It may contain an encoded `/`, so it is decoded
/// from the path as it was sent: the router leaves some characters encoded.
fn artifact_id(path: &str) -> Option<String> {
    let segment = path.rsplit('/').next()?;
    percent_decode_str(segment).decode_utf8().ok().map(Cow::into_owned)
}

pub struct Download;

impl Call for Download {
    const AUDITED: Audited = Audited::PrivateLinks(Action::Download);
    const REFUSALS: &'static [&'static [E]] =
        &[CALLER, CHAT_SERVICE, &[E::NotFound, E::RangeNotSatisfiable]];
}

/// Downloads a file of the link.
///
/// The access rule is that of the view, while the link includes its files. A transfer is aborted
/// within a second after access ends.
///
/// A live link's file is streamed from the chat service. Only its size and time are known, so its
/// entity tag is weak and `If-Range` never matches.
#[utoipa::path(
    get, path = "/api/v1/shared_chats/{shared_chat_id}/artifacts/{artifact_id}", tag = "links",
    operation_id = "get_shared_chat_artifact",
    params(
        ("shared_chat_id" = String, Path, description = "The link's id"),
        ("artifact_id" = String, Path, description = "The file's id, as the view gives it"),
        ("Range" = Option<String>, Header, description = "One range; several give the whole file"),
        ("If-Range" = Option<String>, Header, description = "The strong entity tag of the range"),
        ("If-None-Match" = Option<String>, Header, description = "An entity tag of the file"),
    ),
    responses(
        (status = 200, description = "The file",
            content((Vec<u8> = "*/*")),
            headers(
                ("Content-Disposition" = String, description = "`attachment`, with the name"),
                ("Accept-Ranges" = String, description = "`bytes`"),
                ("ETag" = String, description = "Strong for a frozen link, weak for a live one"),
                ("Cache-Control" = String,
                    description = "`no-cache, no-transform`; with `private` for a private link"),
            )),
        (status = 206, description = "The requested range",
            content((Vec<u8> = "*/*")),
            headers(("Content-Range" = String, description = "The range, and the size of the file"))),
        (status = 304, description = "`If-None-Match` names it"),
        Refusals<Download>,
    ),
    security((), ("bearer" = [])),
)]
pub async fn artifact(
    request: HttpRequest,
    state: web::Data<State>,
    id: LinkId,
    viewer: OptionalCaller,
) -> Result<HttpResponse, ApiError> {
    let artifact_id = artifact_id(request.uri().path()).ok_or(SharingError::ArtifactNotFound)?;
    let id = id.get()?;
    let chat = admitted(&state, &id, &viewer).await?;
    let artifact = state.sharing.artifact(&chat, &artifact_id).await?;
    // Access may have ended meanwhile.
    let chat = admitted_to_files(&state, &id, &viewer).await?;
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
    let is_immutable = artifact.is_immutable();
    let tag = if is_immutable { strong.clone() } else { format!("W/{strong}") };
    let tag = HeaderValue::try_from(tag).map_err(SharingError::defect)?;
    let vary = match state.settings.auth_cookie {
        Some(_) => "Authorization, Cookie",
        None => "Authorization",
    };
    let headers = |status: StatusCode, is_private: bool| {
        let mut response = HttpResponseBuilder::new(status);
        link_headers(&mut response, is_private, tag.clone());
        // A proxy that compresses would take the size away, and compress a range as if it were a
        // file.
        let caching =
            if is_private { "private, no-cache, no-transform" } else { "no-cache, no-transform" };
        embeddable(&mut response, is_private);
        response
            .insert_header((header::CACHE_CONTROL, caching))
            .insert_header((header::VARY, vary));
        response
    };
    if not_modified(request, &strong) {
        return Ok(headers(StatusCode::NOT_MODIFIED, chat.is_private()).finish());
    }
    let bytes = artifact.bytes;
    let (status, range) = match part(request, bytes, is_immutable.then_some(strong.as_str())) {
        Part::Whole => (StatusCode::OK, 0..bytes),
        Part::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Unsatisfiable => return Err(ApiError::range_not_satisfiable(bytes)),
    };
    let Range { start, end } = range;
    let media_type = media_type(&artifact.filename);
    let disposition = attachment(&artifact.filename);
    let head = |is_private: bool| {
        let mut response = headers(status, is_private);
        response
            .content_type(media_type.as_str())
            .insert_header((header::CONTENT_DISPOSITION, disposition.as_str()))
            // If it is opened as a page, it runs no script and has no origin.
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
    if start == 0 && !is_prefetch(request) {
        sharing.count(&chat.id, ViewKind::Download);
    }
    Ok(head(chat.is_private()).body(SizedStream::new(end - start, Box::pin(body))))
}

/// The bytes, and the link as it was last read, for the response's headers.
async fn body(
    state: web::Data<State>,
    chat: SharedChat,
    artifact: Artifact,
    viewer: OptionalCaller,
    range: Range<u64>,
) -> Result<(SharedChat, impl Stream<Item = Result<web::Bytes, ApiError>>), ApiError> {
    let mut bytes = state.sharing.artifact_bytes(&chat, &artifact, range).await?;
    // If the source fails at once, the response is an error instead of a broken connection.
    let first = bytes.next().await.transpose()?;
    let bytes = stream::iter(first.map(Ok)).chain(bytes).boxed();
    let watch = Rc::new((state, chat.id, viewer));
    // Access may have ended meanwhile.
    let chat = admitted_to_files(&watch.0, &watch.1, &watch.2).await?;
    let bytes = watched(bytes, move || {
        let watch = watch.clone();
        async move { admitted_to_files(&watch.0, &watch.1, &watch.2).await.map(drop) }
    });
    Ok((chat, bytes))
}

/// The link, if the viewer may download its files now.
async fn admitted_to_files(
    state: &State,
    id: &ShareId,
    viewer: &OptionalCaller,
) -> Result<SharedChat, ApiError> {
    let chat = admitted(state, id, viewer).await?;
    if chat.includes_artifacts { Ok(chat) } else { Err(SharingError::ArtifactNotFound.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_id_is_percent_decoded_once() {
        for (segment, id) in [
            ("f1", Some("f1")),
            ("a%2Fb%2e%C3%A9", Some("a/b.é")),
            ("100%", Some("100%")),
            ("%zz%4", Some("%zz%4")),
            ("%+1", Some("%+1")),
            ("a+b", Some("a+b")),
            ("%ff", None),
        ] {
            assert_eq!(artifact_id(segment).as_deref(), id, "{segment}");
        }
    }
}
