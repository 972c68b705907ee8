//! What the migrations make: the tables that the code names, and indexes that its lists are read
//! by.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where; clippy.toml covers test functions alone"
)]

mod plans;
mod postgres;
mod tables;

use std::time::Duration;

use shared_chats::store::{DatabaseSettings, DatabaseUrl};

fn settings(url: DatabaseUrl) -> DatabaseSettings {
    let timeout = Duration::from_secs(10);
    DatabaseSettings { url, pool_size: 2, timeout, queue_timeout: timeout, ca_file: None }
}
