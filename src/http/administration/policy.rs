//! The policy of the instance (docs/API.md 4, "Policy").

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::State;
use crate::http::call::{Audited, CALLER, Call, JSON_BODY, Refusals};
use crate::http::error::{ApiError, ErrorType as E};
use crate::http::extract::{credentials::AdminCaller, json_body::JsonBody};
use crate::http::headers::etag::{PolicyTag, not_modified, policy_precondition};
use crate::model::{Action, Caller, ClientInfo, Policy};

// The schema of `crate::model::Policy`.
/// What links may show at most. Every field must be given.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Policy", example = json!({
    "widest_audience": "signed_in", "max_lifetime_seconds": null, "allows_artifacts": true,
}))]
pub struct PolicyDocument {
    /// `anyone`, `signed_in`, `named` or `owner`: what is wider is narrowed to it. Under `named` a
    /// link without an audience is its owner's alone, under `owner` every link is.
    #[schema(pattern = "^(anyone|signed_in|named|owner)$")]
    pub widest_audience: String,
    /// How long a link is shown after its owner last changed it; null is for ever.
    #[schema(minimum = 60, maximum = 3_155_760_000_u64)]
    pub max_lifetime_seconds: Option<u64>,
    /// Whether files are listed and served.
    pub allows_artifacts: bool,
}

pub struct ReadPolicy;

impl Call for ReadPolicy {
    const AUDITED: Audited = Audited::None;
    const REFUSALS: &'static [&'static [E]] = &[CALLER];
}

/// Reads the policy. For every signed-in user: a dialog needs it.
#[utoipa::path(
    get, path = "/api/v1/policy", tag = "policy", operation_id = "get_policy",
    params(("If-None-Match" = Option<String>, Header, description = "An entity tag of the policy")),
    responses(
        (status = 200, description = "The policy", body = PolicyDocument,
            headers(("ETag" = String, description = "Strong"))),
        (status = 304, description = "`If-None-Match` names it"),
        Refusals<ReadPolicy>,
    ),
    security(("bearer" = [])),
)]
pub async fn read(
    request: HttpRequest,
    state: web::Data<State>,
    _: Caller,
) -> Result<HttpResponse, ApiError> {
    let stored = state.sharing.policy().await?;
    let tag = PolicyTag::new(stored.revision);
    let is_known = not_modified(&request, tag.as_str());
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, tag.as_str()))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    Ok(if is_known { response.finish() } else { response.json(stored.policy) })
}

pub struct SetPolicy;

impl Call for SetPolicy {
    const AUDITED: Audited = Audited::Attempts(Action::Policy);
    const REFUSALS: &'static [&'static [E]] = &[CALLER, JSON_BODY, &[E::PreconditionFailed]];
}

/// Sets the policy. For administrators.
///
/// It narrows what links show from now on, those of the past too; no link is written, so that
/// another policy takes it back.
#[utoipa::path(
    put, path = "/api/v1/policy", tag = "policy", operation_id = "set_policy",
    request_body = PolicyDocument,
    params(("If-Match" = Option<String>, Header,
        description = "The policy's entity tag, or `*`: the call fails if it has changed since")),
    responses(
        (status = 200, description = "The policy", body = PolicyDocument,
            headers(("ETag" = String, description = "Strong"))),
        Refusals<SetPolicy>,
    ),
    security(("bearer" = [])),
)]
pub async fn set(
    request: HttpRequest,
    state: web::Data<State>,
    caller: AdminCaller,
    origin: ClientInfo,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let policy: Policy = body.read().await?;
    let precondition = policy_precondition(&request)?;
    let revision = state.sharing.set_policy(&caller, policy.clone(), precondition, origin).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, PolicyTag::new(revision).as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(policy))
}
