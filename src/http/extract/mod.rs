//! Extractors: the caller, a JSON body, the ids in a path, the client's address.

pub mod context;
pub mod credentials;
pub mod json_body;
pub mod link_id;
pub mod presented;
pub mod user_id;
