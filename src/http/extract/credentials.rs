//! Authentication by argument types: a handler that takes a [`Caller`] cannot forget to
//! authenticate, and one that takes a [`ChatServiceCaller`] cannot forget to check the scope.

use std::{cell::Cell, marker::PhantomData, ops::Deref, rc::Rc, sync::Arc};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};
use futures_util::future::{LocalBoxFuture, Ready, ready};

use crate::{
    auth::AuthError,
    http::{
        State,
        error::{ApiError, ErrorType},
        extract::{
            context::AuthenticatedAs,
            presented::{Presented, presented},
        },
        rate_limits::Meter,
    },
    model::{Caller, Credential, Identity},
};

/// The caller, if there is one. The credential is verified on demand: a public link needs none.
pub struct OptionalCaller {
    presented: Presented,
    /// Which of several cookies was verified last: those before it did not.
    proven: Cell<usize>,
    state: web::Data<State>,
    /// `None` while there are no rate limits.
    meter: Option<Rc<Meter>>,
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
        Ok(Self { presented, proven: Cell::new(0), state, meter })
    }

    /// The caller, if the token was verified before and its verification is cached.
    pub fn verified(&self) -> Option<Caller> {
        let credential = match &self.presented {
            Presented::Nothing | Presented::Malformed(_) => return None,
            Presented::Header(credential) => credential,
            Presented::Cookies(cookies) => cookies.get(self.proven.get())?,
        };
        let identity = self.state.authenticator.verified(credential.token())?;
        Some(Caller { identity, credential: credential.clone() })
    }

    /// The caller, once a token is verified. This may wait for the identity provider's keys.
    ///
    /// # Errors
    /// 401 `login_required` without a credential, `invalid_token` if it is not valid; 503 if it
    /// cannot be verified at the moment; 429 over the rate limit.
    pub async fn require(&self) -> Result<Caller, ApiError> {
        let credentials = match &self.presented {
            Presented::Nothing => return Err(ErrorType::LoginRequired.into()),
            Presented::Malformed(why) => {
                return Err(ApiError::from(ErrorType::InvalidToken).refused(why));
            }
            Presented::Header(credential) => std::slice::from_ref(credential),
            Presented::Cookies(cookies) => cookies,
        };
        let mut first_error = None;
        for (at, credential) in credentials.iter().enumerate() {
            match self.verify(credential).await? {
                Ok(identity) => {
                    self.proven.set(at);
                    let caller = Caller { identity, credential: credential.clone() };
                    self.count_as(&caller)?;
                    return Ok(caller);
                }
                // Whether this one would count cannot be told.
                Err(error @ AuthError::KeysUnavailable) => {
                    first_error = Some(error);
                    break;
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        self.count_as_anyone()?;
        Err(first_error.map_or(ErrorType::LoginRequired.into(), ApiError::from))
    }

    /// # Errors
    /// 429 over the rate limit.
    async fn verify(
        &self,
        credential: &Credential,
    ) -> Result<Result<Arc<Identity>, AuthError>, ApiError> {
        let authenticator = &self.state.authenticator;
        if let Some(meter) = &self.meter
            && authenticator.verified(credential.token()).is_none()
        {
            meter.unverified_token()?;
        }
        Ok(authenticator.verify(credential.token()).await)
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

/// A caller with a right beyond that of a user.
pub struct Entitled<R> {
    caller: Caller,
    right: PhantomData<R>,
}

/// A right that a caller may have.
pub trait Right: 'static {
    /// Which callers have it, in an error.
    const WHOSE: &'static str;
    /// What the caller lacks, for the log.
    const LACKS: &'static str;

    fn is_of(identity: &Identity) -> bool;
}

/// The chat service: its token's scope holds exactly `shared_chats:service` (docs/API.md 1).
pub struct OfChatService;
/// An administrator: the scope `shared_chats:admin`, or the group `AUTH_ADMIN_GROUP` (docs/API.md
/// 1).
pub struct OfAdmin;
/// Either of them.
pub struct OfEither;

pub type ChatServiceCaller = Entitled<OfChatService>;
pub type AdminCaller = Entitled<OfAdmin>;
pub type EndingCaller = Entitled<OfEither>;

impl Right for OfChatService {
    const WHOSE: &'static str =
        "This is for the chat service: the scope shared_chats:service is missing.";
    const LACKS: &'static str = "no scope shared_chats:service";

    fn is_of(identity: &Identity) -> bool {
        identity.is_chat_service
    }
}

impl Right for OfAdmin {
    const WHOSE: &'static str =
        "This is for administrators: the scope shared_chats:admin is missing.";
    const LACKS: &'static str = "no scope shared_chats:admin";

    fn is_of(identity: &Identity) -> bool {
        identity.is_admin
    }
}

impl Right for OfEither {
    const WHOSE: &'static str = "This is for the chat service and for administrators: the scopes \
                                 shared_chats:service and shared_chats:admin are missing.";
    const LACKS: &'static str = "no scope shared_chats:service or shared_chats:admin";

    fn is_of(identity: &Identity) -> bool {
        identity.is_chat_service || identity.is_admin
    }
}

impl<R> Deref for Entitled<R> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<R: Right> FromRequest for Entitled<R> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let caller = caller.await?;
            if R::is_of(&caller.identity) {
                return Ok(Self { caller, right: PhantomData });
            }
            Err(ApiError::new(ErrorType::Forbidden, R::WHOSE).refused(R::LACKS))
        })
    }
}
