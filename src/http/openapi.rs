//! The OpenAPI document, and its endpoints: JSON, YAML and Swagger UI. A test compares
//! `openapi.yaml` with it.
//!
//! A handler declares its successful responses in `utoipa::path`, its errors as
//! [`crate::http::call::Refusals`].

use std::mem;
use std::sync::{Arc, LazyLock};

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, Ref, RefOr, Response};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

use crate::http::call::{Plain, Refusals};
use crate::http::error::{self, ApiError, ErrorType};
use crate::http::state::{Documents, State};
use crate::http::{administration, chats, health, links, page, responses};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Share-link service",
        description = "Share a chat as a link: public or private, frozen or live.\n\nThe shapes of \
                       `/api/v1/shared_chats` are those of the h2oGPTe REST API, so its Python \
                       client works against this service. Errors always have one shape, \
                       `EndpointError`; `error_type` is for programs. A link's id is a secret: \
                       anyone who has it may open a public link.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This service")),
    tags(
        (name = "links", description = "Calls of users and viewers"),
        (name = "chat service", description = "Calls of the chat service, whose token has the \
                                               scope `shared_chats:service`"),
        (name = "operations", description = "For operators and tools"),
    ),
    paths(
        links::create::create,
        links::list::list,
        links::view::view,
        links::change::change,
        links::delete::delete,
        links::batch_delete::batch_delete,
        links::activity::activity,
        links::qr_code::qr_code,
        links::artifact::artifact,
        links::events::events,
        chats::links,
        chats::delete_links,
        chats::delete_links_of_owner,
        chats::changed,
        administration::links::inventory,
        administration::links::take_down,
        administration::links::end_user,
        administration::links::erase_user,
        administration::policy::read,
        administration::policy::set,
        page::open::open,
        health::live,
        health::ready,
        json,
        yaml,
    ),
    components(schemas(error::EndpointError, responses::ViewedMessage)),
    modifiers(&Tidy),
)]
struct ApiDoc;

/// The security schemes, by the names that handlers use.
const SCHEMES: [(&str, &str); 2] = [
    (
        "bearer",
        "A user's token from the identity provider. `Authorization: Bearer-Token <JWT>` and \
         `Bearer-AD <JWT>`, which the h2ogpte client sends, mean the same.",
    ),
    ("chat_service", "The chat service's token: its scope holds `shared_chats:service`."),
];

struct Tidy;

impl Modify for Tidy {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_default();
        for item in api.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                tidy(operation);
                share_errors(operation, components);
            }
        }
        for (name, meaning) in SCHEMES {
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.bearer_format = Some("JWT".to_owned());
            scheme.description = Some(meaning.to_owned());
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// Removes rustdoc's `# Errors`, and `null` from parameters: an optional one is left out instead.
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

/// Moves the errors of an operation to the components, so that each is written once.
fn share_errors(operation: &mut Operation, components: &mut Components) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(error) = response
            && let Some(name) = error_name(error)
        {
            let reference = RefOr::Ref(Ref::from_response_name(&name));
            components.responses.insert(name, mem::replace(response, reference));
        }
    }
}

/// A component name made of a response's error types, such as `InvalidTokenOrLoginRequired`;
/// `…Page` if it may be a page.
fn error_name(response: &Response) -> Option<String> {
    let RefOr::T(content) = response.content.get("application/json")? else { return None };
    let names: Vec<String> = content.examples.keys().map(|name| camel_case(name)).collect();
    let page = if response.content.contains_key("text/html") { "Page" } else { "" };
    (!names.is_empty()).then(|| names.join("Or") + page)
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('_').map(word).collect()
}

/// The document of a service that clients reach below a path, such as `/`.
fn document(base: &str) -> Documents {
    let mut api = ApiDoc::openapi();
    for server in api.servers.iter_mut().flatten() {
        base.clone_into(&mut server.url);
    }
    Documents {
        json: api.to_pretty_json().unwrap_or_default().into(),
        yaml: api.to_yaml().unwrap_or_default().into(),
    }
}

fn served(state: &State) -> &Documents {
    state.documents.get_or_init(|| {
        let base = state.urls.at("");
        document(if base.is_empty() { "/" } else { &base })
    })
}

static YAML: LazyLock<String> = LazyLock::new(|| ApiDoc::openapi().to_yaml().unwrap_or_default());
// Relative to `/docs/`, wherever a proxy has that.
static BROWSER: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(Config::from("../openapi.json").validator_url("none").persist_authorization(false))
});

/// Swagger UI needs inline styles; all scripts come from this service.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The content of `openapi.yaml`, whose server is `/`.
pub fn yaml_text() -> &'static str {
    &YAML
}

/// This document as JSON.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", operation_id = "openapi_json",
    responses((status = 200, description = "This document", content_type = "application/json"),
        Refusals<Plain>),
    security(()))]
pub async fn json(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(served(&state).json.clone())
}

/// This document as YAML (RFC 9512).
#[utoipa::path(get, path = "/openapi.yaml", tag = "operations", operation_id = "openapi_yaml",
    responses((status = 200, description = "This document", content_type = "application/yaml"),
        Refusals<Plain>),
    security(()))]
pub async fn yaml(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/yaml").body(served(&state).yaml.clone())
}

/// Redirects to the slash that Swagger UI's relative URLs need.
pub async fn to_index(state: web::Data<State>) -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, state.urls.at("/docs/")))
        .finish()
}

/// Serves the files of Swagger UI.
pub async fn browse(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let path = request.match_info().get("file").unwrap_or_default();
    match utoipa_swagger_ui::serve(path, BROWSER.clone()) {
        Ok(Some(file)) => Ok(HttpResponse::Ok()
            .content_type(file.content_type)
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .body(file.bytes.into_owned())),
        _ => Err(ErrorType::NotFound.into()),
    }
}
