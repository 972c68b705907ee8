//! The API's description. `openapi.yaml` is this, written out; a test compares the two.
//!
//! What an operation gives when all is well stands at its handler. What it refuses stands in
//! [`REFUSALS`], from the same error types that are sent.

use actix_web::ResponseError;
use serde_json::{Value, json};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
        example::ExampleBuilder,
        path::{Operation, Parameter},
        schema::{Schema, SchemaType, Type},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::{
    chats, documents,
    error::{self, ApiError, ErrorType},
    health, shared_chats,
};

/// The whole API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Share-link service",
        description = "Share a chat as a link: public or private, frozen or live.\n\nThe shapes of \
                       `/api/v1/shared_chats` are those of the h2oGPTe REST API, so its Python \
                       client works against this service. Errors always have one shape, \
                       `EndpointError`; `error_type` is for programs. A link's id is a secret: \
                       whoever has it may open a public link.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This service")),
    tags(
        (name = "links", description = "What people do with links"),
        (name = "chat service", description = "What the chat service tells and asks; the token's \
                                               scope holds `shared_chats:service`"),
        (name = "operations", description = "For whoever runs this service"),
    ),
    paths(
        shared_chats::create::create,
        shared_chats::list::list,
        super::view::view,
        shared_chats::change::change,
        shared_chats::delete::delete,
        shared_chats::batch_delete::batch_delete,
        shared_chats::activity::activity,
        shared_chats::qr_code::qr_code,
        shared_chats::artifact::artifact,
        shared_chats::events::events,
        chats::links,
        chats::delete_links,
        chats::changed,
        super::link::open,
        health::live,
        health::ready,
        super::docs::json,
        super::docs::yaml,
    ),
    components(schemas(error::EndpointError, documents::ViewedMessage)),
    modifiers(&Refusals, &Schemes),
)]
pub struct ApiDoc;

use ErrorType as E;

/// What each operation refuses, by its id. Any may fail with `internal_error` besides.
const REFUSALS: &[(&str, &[ErrorType])] = &[
    (
        "share_chat_session",
        &[
            E::BadRequest,
            E::LoginRequired,
            E::InvalidToken,
            E::Forbidden,
            E::NotFound,
            E::IdempotencyConflict,
            E::PayloadTooLarge,
            E::UnsupportedMediaType,
            E::ChatTooLarge,
            E::ChatIsEmpty,
            E::ArtifactTooLarge,
            E::ChatServiceError,
            E::Unavailable,
            E::ChatServiceTimeout,
        ],
    ),
    (
        "list_shared_chats",
        &[E::BadRequest, E::LoginRequired, E::InvalidToken, E::Forbidden, E::Unavailable],
    ),
    ("get_shared_chat", VIEWING),
    ("open_link", VIEWING),
    (
        "update_shared_chat",
        &[
            E::BadRequest,
            E::LoginRequired,
            E::InvalidToken,
            E::Forbidden,
            E::NotFound,
            E::LegacyLink,
            E::PreconditionFailed,
            E::PayloadTooLarge,
            E::UnsupportedMediaType,
            E::ChatTooLarge,
            E::ArtifactTooLarge,
            E::ChatServiceError,
            E::Unavailable,
            E::ChatServiceTimeout,
        ],
    ),
    (
        "delete_shared_chat",
        &[
            E::LoginRequired,
            E::InvalidToken,
            E::Forbidden,
            E::NotFound,
            E::LegacyLink,
            E::Unavailable,
        ],
    ),
    (
        "delete_shared_chats",
        &[
            E::BadRequest,
            E::LoginRequired,
            E::InvalidToken,
            E::Forbidden,
            E::LegacyLink,
            E::PayloadTooLarge,
            E::UnsupportedMediaType,
            E::Unavailable,
        ],
    ),
    (
        "get_shared_chat_activity",
        &[E::LoginRequired, E::InvalidToken, E::Forbidden, E::NotFound, E::Unavailable],
    ),
    ("get_qr_code", &[E::BadRequest, E::NotFound, E::Unavailable]),
    (
        "get_shared_chat_artifact",
        &[
            E::LoginRequired,
            E::InvalidToken,
            E::Forbidden,
            E::NotFound,
            E::RangeNotSatisfiable,
            E::ChatTooLarge,
            E::ChatServiceError,
            E::Unavailable,
            E::ChatServiceTimeout,
        ],
    ),
    ("watch_shared_chat", WATCHING),
    ("list_shared_chats_of_chat", BY_THE_CHAT_SERVICE),
    ("chat_changed", BY_THE_CHAT_SERVICE),
    ("delete_shared_chats_of_chat", BY_THE_CHAT_SERVICE),
    ("openapi_json", &[]),
    ("openapi_yaml", &[]),
    ("ready", &[E::Unavailable]),
];

const VIEWING: &[ErrorType] = &[
    E::LoginRequired,
    E::InvalidToken,
    E::Forbidden,
    E::NotFound,
    E::ChatTooLarge,
    E::ChatServiceError,
    E::Unavailable,
    E::ChatServiceTimeout,
];

const WATCHING: &[ErrorType] = &[
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

const BY_THE_CHAT_SERVICE: &[ErrorType] =
    &[E::LoginRequired, E::InvalidToken, E::Forbidden, E::NotFound, E::Unavailable];

struct Refusals;

impl Modify for Refusals {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        for item in api.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                tidy(operation);
                describe(operation);
            }
        }
    }
}

/// What rustdoc wants to read is not for callers, and a parameter may be left out but not be null.
fn tidy(operation: &mut Operation) {
    let text = operation.description.take().unwrap_or_default();
    let text = text.split("# Errors").next().unwrap_or_default().trim();
    operation.description = (!text.is_empty()).then(|| text.to_owned());
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(Parameter { schema: Some(RefOr::T(Schema::Object(schema))), .. }) =
            parameter
            && let SchemaType::Array(types) = &mut schema.schema_type
        {
            types.retain(|given| *given != Type::Null);
            if let [only] = types.as_slice() {
                schema.schema_type = SchemaType::Type(only.clone());
            }
        }
    }
}

fn describe(operation: &mut Operation) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let Some((_, refusals)) = REFUSALS.iter().find(|(name, _)| *name == id) else { return };
    // Probes are always let in.
    let always: &[ErrorType] = match id {
        "ready" => &[E::BadRequest, E::InternalError],
        _ => &[E::BadRequest, E::UriTooLong, E::RateLimited, E::Unavailable, E::InternalError],
    };
    let mut refusals: Vec<ErrorType> = refusals.to_vec();
    refusals
        .extend(always.iter().filter(|refusal| !refusals.contains(refusal)).collect::<Vec<_>>());
    for refusal in &refusals {
        let status = ApiError::from(*refusal).status_code();
        let same: Vec<ErrorType> = refusals
            .iter()
            .copied()
            .filter(|other| ApiError::from(*other).status_code() == status)
            .collect();
        let response = RefOr::T(response(&same));
        operation.responses.responses.insert(status.as_str().to_owned(), response);
    }
}

/// One status, with an example for each error type that it can mean.
fn response(types: &[ErrorType]) -> Response {
    let mut names = Vec::new();
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("EndpointError")));
    let mut headers = Vec::new();
    for error_type in types {
        let error = ApiError::from(*error_type);
        let name = json!(error_type).as_str().unwrap_or_default().to_owned();
        let example = json!({
            "code": error.status_code().as_u16(),
            "message": error.message(),
            "error_type": name,
            "request_id": "0b4f6a4e-0c5d-4f6e-9a51-4f2f4a1c7d11",
        });
        content = content.examples_from_iter([(
            name.clone(),
            ExampleBuilder::new().value(Some::<Value>(example)).build(),
        )]);
        names.push(format!("`{name}`: {}", error.message()));
        match error.status_code().as_u16() {
            401 => headers.push(("WWW-Authenticate", "The challenge of RFC 6750, 3")),
            416 => headers.push(("Content-Range", "`bytes */` and how many bytes there are")),
            429 | 503 => headers.push(("Retry-After", "Seconds until another try makes sense")),
            _ => {}
        }
    }
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let response = ResponseBuilder::new()
        .description(names.join("\n\n"))
        .content("application/json", content.build());
    headers
        .into_iter()
        .fold(response, |response, (name, meaning)| {
            let header =
                HeaderBuilder::new().schema(Some(text())).description(Some(meaning)).build();
            response.header(name, header)
        })
        .build()
}

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        let bearer = |meaning: &str| {
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.bearer_format = Some("JWT".to_owned());
            scheme.description = Some(meaning.to_owned());
            SecurityScheme::Http(scheme)
        };
        components.add_security_scheme(
            "bearer",
            bearer(
                "A user's token from the identity provider. `Authorization: Bearer-Token <JWT>`, \
                 which the h2ogpte client sends, means the same.",
            ),
        );
        components.add_security_scheme(
            "chat_service",
            bearer("The chat service's token: its scope holds `shared_chats:service`."),
        );
    }
}
