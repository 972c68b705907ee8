//! What the fuzz targets in `fuzz/targets/` call. Each function takes any bytes, gives them to the
//! code that strangers' bytes reach, and asserts what has to hold whatever they are. Not part of the
//! library otherwise; the tests replay what `fuzz/seeds/` holds.
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

/// A target takes any bytes, and panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 6] = [
    ("chat_service", chat_service),
    ("events", events),
    ("legacy", legacy),
    ("page", page),
    ("request", request),
    ("token", token),
];
