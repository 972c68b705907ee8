//! The id of a user in a path.

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;

use crate::{
    http::error::{ApiError, ErrorType},
    model::UserId,
};

/// A user's id in the path, percent-decoded. `followed_by` is how many segments come after it.
///
/// # Errors
/// 400 if no user can have it, or if it is `.` or `..`, which clients resolve in an address.
pub fn user_id(request: &HttpRequest, followed_by: usize) -> Result<UserId, ApiError> {
    // Not from the router, which replaces what is not UTF-8.
    let segment = request.uri().path().rsplit('/').nth(followed_by).unwrap_or_default();
    let invalid =
        |problem: &str| ApiError::new(ErrorType::BadRequest, format!("The user's id {problem}."));
    let id = percent_decode_str(segment).decode_utf8();
    let id = id.map_err(|_| invalid("must be percent-encoded UTF-8"))?;
    if matches!(&*id, "." | "..") {
        return Err(invalid("cannot be a dot segment"));
    }
    UserId::parse(&id).map_err(|problem| invalid(&problem.to_string()))
}
