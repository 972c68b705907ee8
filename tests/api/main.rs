//! The API, as its callers meet it: each test starts the real application and speaks HTTP with it,
//! on SQLite and, where `TEST_DATABASE_URL` names a server, on PostgreSQL.
//!
//! To add a test: an `async fn` with `#[apply(on_both_databases)]` in its endpoint's file, which
//! takes an [`support::App`] (or a [`support::Setup`], to start one with other settings). Without
//! the attribute it is dead code, which the compiler reports. Its tests are `name::sqlite` and
//! `name::postgres`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where; clippy.toml covers test functions alone"
)]

mod support;

mod access;
mod activity;
mod administration;
mod artifacts;
mod attacks;
mod audience;
mod audit;
mod auth;
mod batch_delete;
mod change;
mod changing;
mod chats;
mod concurrency;
mod connections;
mod cookies;
mod create;
mod delete;
mod errors;
mod event_silences;
mod events;
mod expiry;
mod forwarding;
mod health_and_docs;
mod hostile_clients;
mod idempotency;
mod identity_providers;
mod in_doubt;
mod instances;
mod legacy;
mod link;
mod list;
mod live;
mod live_events;
mod live_memory;
mod live_views;
mod markdown;
mod metrics;
mod narrowing;
mod outage;
mod overload;
mod owner_rights;
mod policy;
mod qr_code;
mod quotas;
mod rate_limits;
mod reconcile;
mod sweep;
mod ui;
mod view;
