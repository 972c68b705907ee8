//! The functions that the fuzz targets in `fuzz/targets/` call. Each passes any bytes to code that
//! handles untrusted input, and asserts its invariants. Not compiled into the service; the tests
//! replay the seeds in `fuzz/seeds/`.
//!
//! To add a target: a function here and its row in [`TARGETS`], a file in `fuzz/targets/` with its
//! `[[bin]]` in `fuzz/Cargo.toml`, and a seed or two in `fuzz/seeds/<target>/`.

mod chat_service;
#[cfg(test)]
mod tests;
mod token;

pub use crate::{
    http::fuzzing::{page, request},
    live::fuzzing::events,
    sharing::legacy::fuzzing::legacy,
};
pub use chat_service::chat_service;
pub use token::token;

/// Takes any bytes, and panics if an invariant does not hold.
pub type Target = fn(&[u8]);

pub const TARGETS: [(&str, Target); 6] = [
    ("chat_service", chat_service),
    ("events", events),
    ("legacy", legacy),
    ("page", page),
    ("request", request),
    ("token", token),
];
