//! Share a chat as a link.
//!
//! A module names only modules that stand in a line below its own (`docs/ARCHITECTURE.md`);
//! `tests/architecture.rs` holds which of them:
//!
//! ```text
//! cli
//! demo
//! app
//! config
//! http
//! sharing
//! live
//! auth, chat_service, store, artifacts
//! openid
//! model, telemetry, clock, limit, qr
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
