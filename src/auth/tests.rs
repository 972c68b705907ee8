//! The rules of docs/API.md 1, each with a token or an issuer that breaks it.

mod attacks;
mod claims;
mod fixtures;
mod freshness;
mod headers;
mod key_sets;
mod provider;
mod remembered;
