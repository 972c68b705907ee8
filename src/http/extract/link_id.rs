//! The id of a link in a path.

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{http::error::ApiError, model::ShareId};

/// The id of a link in a path; `None` if it is not well-formed.
pub struct LinkId(pub Option<ShareId>);

impl FromRequest for LinkId {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(ShareId::parse);
        std::future::ready(Ok(Self(id)))
    }
}

impl LinkId {
    /// # Errors
    /// 404 if the id is not well-formed. Handlers call this after they have checked for 401 and
    /// 400.
    pub fn get(self) -> Result<ShareId, ApiError> {
        self.0.ok_or_else(ApiError::no_such_link)
    }
}
