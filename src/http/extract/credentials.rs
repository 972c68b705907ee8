//! Authentication by argument types: a handler that takes a [`Caller`] cannot forget to
//! authenticate, and one that takes a [`ChatServiceCaller`] cannot forget to check the scope.

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

/// The caller, if there is one. The credential is verified on demand: a public link needs none.
pub struct OptionalCaller {
    presented: Presented,
    state: web::Data<State>,
    /// `None` while there are no rate limits.
    meter: Option<Rc<Meter>>,
}

/// The credential of a request.
pub enum Presented {
    Nothing,
    /// Another scheme, no token, or several `Authorization` headers (RFC 6750, 2).
    Malformed,
    Credential(Credential),
}

impl OptionalCaller {
    /// # Errors
    /// 500 outside of this service's routes.
    pub fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
            return Err(ErrorType::InternalError.into());
        };
        let presented = presented(request, state.settings.auth_cookie.as_deref());
        let meter = request.extensions().get::<Rc<Meter>>().cloned();
        Ok(Self { presented, state, meter })
    }

    /// The caller, if the token was verified before and its verification is cached.
    pub fn verified(&self) -> Option<Caller> {
        let Presented::Credential(credential) = &self.presented else { return None };
        let identity = self.state.authenticator.verified(credential.token())?;
        Some(Caller { identity, credential: credential.clone() })
    }

    /// The caller, once the token is verified. This may wait for the identity provider's keys.
    ///
    /// # Errors
    /// 401 `login_required` without a credential, `invalid_token` if it is not valid; 503 if it
    /// cannot be verified at the moment; 429 over the rate limit.
    pub async fn require(&self) -> Result<Caller, ApiError> {
        let credential = match &self.presented {
            Presented::Nothing => return Err(ErrorType::LoginRequired.into()),
            Presented::Malformed => return Err(ErrorType::InvalidToken.into()),
            Presented::Credential(credential) => credential,
        };
        let authenticator = &self.state.authenticator;
        if let Some(meter) = &self.meter
            && authenticator.verified(credential.token()).is_none()
        {
            meter.unverified_token()?;
        }
        match authenticator.verify(credential.token()).await {
            Ok(identity) => {
                let caller = Caller { identity, credential: credential.clone() };
                self.count_as(&caller)?;
                Ok(caller)
            }
            Err(error) => {
                tracing::debug!(%error, "the token was refused");
                self.count_as_anyone()?;
                Err(error.into())
            }
        }
    }

    /// Counts the request for its authenticated caller, unless it is counted already.
    ///
    /// # Errors
    /// 429 over the rate limit.
    pub fn count_as(&self, caller: &Caller) -> Result<(), ApiError> {
        self.meter.as_ref().map_or(Ok(()), |meter| meter.caller(&caller.identity))
    }

    /// Counts the request for its address, as that of an anonymous client, unless it is counted
    /// already: the credential is not needed here, or not valid.
    ///
    /// # Errors
    /// 429 over the rate limit.
    pub fn count_as_anyone(&self) -> Result<(), ApiError> {
        self.meter.as_ref().map_or(Ok(()), |meter| meter.anonymous())
    }
}

impl FromRequest for OptionalCaller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// The credential in `Authorization`, else in the cookie of this name.
pub fn presented(request: &HttpRequest, cookie: Option<&str>) -> Presented {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    if let Some(value) = headers.next() {
        let only = value.to_str().ok().filter(|_| headers.next().is_none());
        return only.and_then(credential).map_or(Presented::Malformed, Presented::Credential);
    }
    // A browser sends cookies with requests that other sites make it send (CSRF), so a cookie
    // counts only where nothing is changed.
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let cookie = cookie.filter(|_| is_read).and_then(|name| request.cookie(name));
    match cookie.filter(|cookie| !cookie.value().is_empty()) {
        Some(cookie) => {
            Presented::Credential(Credential::new(CredentialScheme::Bearer, cookie.value()))
        }
        None => Presented::Nothing,
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
        let (optional, request) = (OptionalCaller::of(request), request.clone());
        Box::pin(async move {
            let caller = optional?.require().await?;
            request.extensions_mut().insert(AuthenticatedAs(caller.identity.clone()));
            Ok(caller)
        })
    }
}

/// The chat service: its token's scope holds exactly `shared_chats:service` (docs/API.md 1).
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
                return Ok(Self(caller));
            }
            let message =
                "This is for the chat service: the scope shared_chats:service is missing.";
            Err(ApiError::new(ErrorType::Forbidden, message))
        })
    }
}
