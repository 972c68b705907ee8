//! How a link is shown: who may see it, in which representation, and for how long a body is cached.

pub mod authorize;
pub mod bodies;
pub mod bots;
pub mod qr_codes;
pub mod representation;
pub mod revocable_body;
pub mod show;
