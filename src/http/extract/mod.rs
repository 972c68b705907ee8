//! Extractors: the caller, a JSON body, the id of a link, the client's address.

pub mod context;
pub mod credentials;
pub mod json_body;
pub mod link_id;
pub mod presented;
