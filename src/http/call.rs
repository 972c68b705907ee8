//! What a call declares beside its handler: which errors it answers with, for the document, and which
//! of its refusals are audited.

use std::{collections::BTreeMap, marker::PhantomData};

use actix_web::{ResponseError, http::StatusCode};
use serde_json::{Value, json};
use utoipa::{
    IntoResponses,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
        example::ExampleBuilder, schema::Type,
    },
};

use ErrorType as E;

use crate::{
    http::error::{ApiError, ErrorType},
    model::Action,
};

/// A call, as a type of its own beside its handler: its route is made with it, and the handler's
/// `utoipa::path` names its [`Refusals`].
pub trait Call {
    const AUDITED: Audited;
    /// Beside those of [`Call::ANY`].
    const REFUSALS: &'static [ErrorType];
    /// What any call may refuse.
    const ANY: &'static [ErrorType] =
        &[E::BadRequest, E::UriTooLong, E::RateLimited, E::InternalError, E::Unavailable];
}

/// Which refusals of a call are audited, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audited {
    /// All that were understood: 400, 405, 413 and 415 were no attempt at anything yet. An id in the
    /// path is a link's.
    Attempts(Action),
    /// The same; the id in the path is a chat's.
    AttemptsAtChat(Action),
    /// Those of a client that may not see a private link. A dead link's address tells nothing.
    PrivateLinks(Action),
    None,
}

impl Audited {
    /// What a refusal with this status is audited as.
    #[must_use]
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

/// A call that refuses no more than any call may, and is not audited.
pub struct Plain;

impl Call for Plain {
    const AUDITED: Audited = Audited::None;
    const REFUSALS: &'static [ErrorType] = &[];
}

/// The errors of a call, as the document has them.
pub struct Refusals<C>(PhantomData<C>);

impl<C: Call> IntoResponses for Refusals<C> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let others = C::ANY.iter().filter(|error| !C::REFUSALS.contains(error));
        let mut by_status: BTreeMap<String, Vec<ErrorType>> = BTreeMap::new();
        for error in C::REFUSALS.iter().chain(others) {
            let status = ApiError::from(*error).status_code().as_str().to_owned();
            by_status.entry(status).or_default().push(*error);
        }
        by_status.into_iter().map(|(status, types)| (status, RefOr::T(response(&types)))).collect()
    }
}

/// One status, with an example for each error type that it can mean.
fn response(types: &[ErrorType]) -> Response {
    let mut descriptions = Vec::new();
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("EndpointError")));
    let mut response = ResponseBuilder::new();
    for error_type in types {
        let (error, name) = (ApiError::from(*error_type), error_type.name());
        let example = json!({
            "code": error.status_code().as_u16(),
            "message": error.message(),
            "error_type": name,
            "request_id": "0b4f6a4e-0c5d-4f6e-9a51-4f2f4a1c7d11",
        });
        let example = ExampleBuilder::new().value(Some::<Value>(example)).build();
        descriptions.push(format!("`{name}`: {}", error.message()));
        content = content.examples_from_iter([(name, example)]);
        let header = match error.status_code().as_u16() {
            401 => Some(("WWW-Authenticate", "The challenge of RFC 6750, 3")),
            416 => Some(("Content-Range", "`bytes */` and how many bytes there are")),
            429 | 503 => Some(("Retry-After", "Seconds until another try makes sense")),
            _ => None,
        };
        if let Some((name, meaning)) = header {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let header = HeaderBuilder::new().schema(Some(text)).description(Some(meaning));
            response = response.header(name, header.build());
        }
    }
    response
        .description(descriptions.join("\n\n"))
        .content("application/json", content.build())
        .build()
}
