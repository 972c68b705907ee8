//! Share a chat as a link.
//!
//! A request walks straight down these rooms and nothing points back up (`docs/ARCHITECTURE.md`):
//!
//! ```text
//! app → http → sharing → live → store, chat_service, auth, qr → openid, model
//! ```

pub mod app;
pub mod artifacts;
pub mod auth;
pub mod chat_service;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod limit;
pub mod live;
pub mod model;
pub mod openid;
pub mod qr;
pub mod sharing;
pub mod store;
pub mod telemetry;
