//! An error with its causes, for the crates whose errors keep them apart.

use std::error::Error;

/// The error and each of its causes, as one line.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
