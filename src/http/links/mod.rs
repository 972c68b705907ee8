//! `/api/v1/shared_chats` (docs/API.md 3): a file for each call.

pub mod activity;
pub mod artifact;
pub mod batch_delete;
pub mod change;
pub mod create;
pub mod delete;
pub mod events;
pub mod list;
pub mod qr_code;
pub mod query;
mod stream;
pub mod view;
