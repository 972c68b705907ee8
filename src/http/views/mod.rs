//! Views of links: authorization, representations and their caches.

pub mod authorize;
pub mod bodies;
pub mod bots;
pub mod qr_codes;
pub mod representation;
pub mod revocable_body;
pub mod show;
