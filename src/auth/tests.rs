//! The rules of docs/API.md 1, each by a token and an issuer that break it.

mod attacks;
mod claims;
mod fixtures;
mod freshness;
mod headers;
mod key_sets;
mod provider;
mod remembered;
