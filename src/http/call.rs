//! What a call declares beside its handler: its errors, for openapi.yaml, and which of its refusals
//! are audited.

use std::{collections::BTreeMap, marker::PhantomData};

use actix_web::{ResponseError, http::StatusCode};
use serde_json::json;
use utoipa::IntoResponses;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
    example::ExampleBuilder, schema::Type,
};

use crate::http::error::{ApiError, ErrorType as E};
use crate::model::Action;

/// A unit type for each call: `routes` registers the handler with it, and the handler's
/// `utoipa::path` names its [`Refusals`].
pub trait Call {
    const AUDITED: Audited = Audited::None;
    /// In addition to [`Call::ANY`].
    const REFUSALS: &'static [&'static [E]] = &[];
    /// Errors that any call can return.
    const ANY: &'static [E] =
        &[E::BadRequest, E::UriTooLong, E::RateLimited, E::InternalError, E::Unavailable];
    /// Whether a browser gets refusals as pages.
    const HAS_PAGES: bool = false;
}

/// Errors of a call that needs a credential.
pub const CALLER: &[E] = &[E::LoginRequired, E::InvalidToken, E::Forbidden];
/// Errors of a call with a JSON body.
pub const JSON_BODY: &[E] = &[E::PayloadTooLarge, E::UnsupportedMediaType];
/// Errors of a call that reads a chat from the chat service.
pub const CHAT_SERVICE: &[E] = &[E::ChatTooLarge, E::ChatServiceError, E::ChatServiceTimeout];

/// Which refusals of a call are audited, and as which action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audited {
    /// All but 400, 405, 413 and 415: a malformed request is no attempt yet. The `{id}` of the path
    /// is a link's.
    Attempts(Action),
    /// The same; the `{id}` is a chat's.
    AttemptsAtChat(Action),
    /// 401 and 403. A 404 is not audited: requests for dead links are common.
    PrivateLinks(Action),
    None,
}

impl Audited {
    /// The action as which a refusal with this status is audited.
    pub fn action(self, status: StatusCode) -> Option<Action> {
        const ATTEMPTS: &[u16] = &[401, 403, 404, 409, 412, 422, 429];
        const PRIVATE: &[u16] = &[401, 403];
        let (action, statuses) = match self {
            Self::Attempts(action) | Self::AttemptsAtChat(action) => (action, ATTEMPTS),
            Self::PrivateLinks(action) => (action, PRIVATE),
            Self::None => return None,
        };
        statuses.contains(&status.as_u16()).then_some(action)
    }
}

/// A call that is not audited and has no errors beyond [`Call::ANY`].
pub struct Plain;

impl Call for Plain {}

/// The error responses of a call in openapi.yaml.
pub struct Refusals<C>(PhantomData<C>);

impl<C: Call> IntoResponses for Refusals<C> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status: BTreeMap<u16, Vec<E>> = BTreeMap::new();
        for error_type in C::REFUSALS.iter().copied().flatten().chain(C::ANY) {
            let status = ApiError::from(*error_type).status_code().as_u16();
            by_status.entry(status).or_default().push(*error_type);
        }
        let responses = by_status.into_iter();
        responses
            .map(|(status, types)| {
                let mut response = response(status, types);
                if C::HAS_PAGES {
                    let page = ObjectBuilder::new().schema_type(Type::String);
                    let page = ContentBuilder::new().schema(Some(page)).build();
                    response.content.insert("text/html".to_owned(), RefOr::T(page));
                }
                (status.to_string(), RefOr::T(response))
            })
            .collect()
    }
}

/// The response with this status; it has an example for each error type.
fn response(status: u16, types: Vec<E>) -> Response {
    let mut descriptions = Vec::new();
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("EndpointError")));
    for error_type in types {
        let (error, name) = (ApiError::from(error_type), error_type.name());
        descriptions.push(format!("`{name}`: {}", error.message()));
        let example = json!({
            "code": status,
            "message": error.message(),
            "error_type": name,
            "request_id": "0b4f6a4e-0c5d-4f6e-9a51-4f2f4a1c7d11",
        });
        let example = ExampleBuilder::new().value(Some(example)).build();
        content = content.examples_from_iter([(name, example)]);
    }
    let response = ResponseBuilder::new()
        .description(descriptions.join("\n\n"))
        .content("application/json", content.build());
    let (header, meaning) = match status {
        401 => ("WWW-Authenticate", "The challenge (RFC 6750, section 3)"),
        416 => ("Content-Range", "`bytes */` and the size of the file"),
        429 | 503 => ("Retry-After", "Seconds to wait before the next try"),
        _ => return response.build(),
    };
    let text = ObjectBuilder::new().schema_type(Type::String);
    let value = HeaderBuilder::new().schema(Some(text)).description(Some(meaning)).build();
    response.header(header, value).build()
}
