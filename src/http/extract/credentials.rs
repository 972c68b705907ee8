//! Who calls, as argument types: a handler that asks for a [`Caller`] cannot forget to
//! authenticate, and one that asks for a [`ChatServiceCaller`] cannot forget the scope.

use std::{ops::Deref, rc::Rc};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{Method, header},
    web,
};
use futures_util::future::{LocalBoxFuture, Ready, ready};

use crate::{
    http::{
        State,
        error::{ApiError, ErrorType},
        extract::context::AuthenticatedAs,
        rate_limits::Meter,
    },
    model::{Caller, Credential, CredentialScheme},
};

/// What was presented, not verified yet: on a public link a credential neither admits nor cuts, so
/// nobody asks the provider about it.
pub struct OptionalCaller {
    presented: Presented,
    state: web::Data<State>,
    /// Where the request is to be counted, if anything is limited.
    meter: Option<Rc<Meter>>,
}

/// What a request brings to prove who sent it.
pub enum Presented {
    Nothing,
    /// Not one bearer token: another scheme, no token, or several headers (RFC 6750, 2).
    Malformed,
    Credential(Credential),
}

impl OptionalCaller {
    /// What this request presents.
    ///
    /// # Errors
    /// 500 outside of this service's routes.
    pub fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let state = request.app_data::<web::Data<State>>();
        let state = state.ok_or_else(|| ApiError::from(ErrorType::InternalError))?;
        let presented = presented(request, state.settings.auth_cookie.as_deref());
        let meter = || request.extensions().get::<Rc<Meter>>().cloned();
        let meter = state.rate_limits.as_ref().and_then(|_| meter());
        Ok(Self { presented, state: state.clone(), meter })
    }

    /// Whoever was verified before, without waiting for anything.
    #[must_use]
    pub fn verified(&self) -> Option<Caller> {
        let Presented::Credential(credential) = &self.presented else { return None };
        let identity = self.state.authenticator.verified(credential.token())?;
        Some(Caller { identity, credential: credential.clone() })
    }

    /// Whoever calls; this may have to wait for the provider's keys.
    ///
    /// # Errors
    /// 401 `login_required` when nothing was presented, `invalid_token` when it is no good; 503
    /// when it cannot be told; 429 for whoever calls too often.
    pub async fn require(&self) -> Result<Caller, ApiError> {
        match &self.presented {
            Presented::Nothing => Err(ErrorType::LoginRequired.into()),
            Presented::Malformed => Err(ErrorType::InvalidToken.into()),
            Presented::Credential(credential) => {
                let caller = self.verify(credential).await;
                match &caller {
                    Ok(caller) => self.count_as(caller)?,
                    Err(_) => self.count_as_anyone()?,
                }
                caller
            }
        }
    }

    async fn verify(&self, credential: &Credential) -> Result<Caller, ApiError> {
        let authenticator = &self.state.authenticator;
        if let Some(meter) = &self.meter
            && authenticator.verified(credential.token()).is_none()
        {
            meter.unproven()?;
        }
        let verified = authenticator.verify(credential.token()).await;
        let identity = verified.inspect_err(|error| tracing::debug!(%error, "refused"))?;
        Ok(Caller { identity, credential: credential.clone() })
    }

    /// Counts the request on whoever made it, unless that was done.
    ///
    /// # Errors
    /// 429 when it is one too many.
    pub fn count_as(&self, caller: &Caller) -> Result<(), ApiError> {
        self.meter.as_ref().map_or(Ok(()), |meter| meter.caller(&caller.identity))
    }

    /// Counts the request on the address it came from, unless that was done: no credential matters
    /// here, or it is no good.
    ///
    /// # Errors
    /// 429 when it is one too many.
    pub fn count_as_anyone(&self) -> Result<(), ApiError> {
        self.meter.as_ref().map_or(Ok(()), |meter| meter.anyone())
    }
}

impl FromRequest for OptionalCaller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// Whether a credential was presented that is still to be looked at.
pub fn are_presented(request: &HttpRequest, state: &State) -> bool {
    matches!(presented(request, state.settings.auth_cookie.as_deref()), Presented::Credential(_))
}

pub fn presented(request: &HttpRequest, cookie: Option<&str>) -> Presented {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    match (headers.next(), headers.next()) {
        (None, _) => {}
        (Some(_), Some(_)) => return Presented::Malformed,
        (Some(value), None) => {
            return value
                .to_str()
                .ok()
                .and_then(credential)
                .map_or(Presented::Malformed, Presented::Credential);
        }
    }
    // A cookie comes along with any request that another site makes a browser send (CSRF), so it
    // only ever counts where nothing is changed.
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match cookie.filter(|_| reads).and_then(|name| request.cookie(name)) {
        Some(cookie) if !cookie.value().is_empty() => {
            Presented::Credential(Credential::new(CredentialScheme::Bearer, cookie.value()))
        }
        _ => Presented::Nothing,
    }
}

fn credential(value: &str) -> Option<Credential> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let scheme = match scheme {
        _ if scheme.eq_ignore_ascii_case("bearer") => CredentialScheme::Bearer,
        _ if scheme.eq_ignore_ascii_case("bearer-token") => CredentialScheme::BearerToken,
        _ => return None,
    };
    let token = token.trim();
    (!token.is_empty()).then(|| Credential::new(scheme, token))
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (presented, request) = (OptionalCaller::of(request), request.clone());
        Box::pin(async move {
            let caller = presented?.require().await?;
            request.extensions_mut().insert(AuthenticatedAs(caller.identity.clone()));
            Ok(caller)
        })
    }
}

/// The chat service itself: its token's scope holds exactly `shared_chats:service` (contract 1).
pub struct ChatServiceCaller(Caller);

impl Deref for ChatServiceCaller {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for ChatServiceCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let caller = caller.await?;
            if caller.identity.is_chat_service {
                Ok(Self(caller))
            } else {
                let message =
                    "This is for the chat service: the scope shared_chats:service is missing.";
                Err(ApiError::new(ErrorType::Forbidden, message))
            }
        })
    }
}
