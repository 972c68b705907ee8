//! `/api/v1/shared_chats` (contract 3), a file for each call; showing a link is in `http::view`.

pub mod activity;
pub mod artifact;
pub mod batch_delete;
pub mod change;
pub mod create;
pub mod delete;
pub mod events;
pub mod list;
pub mod qr_code;
mod stream;
