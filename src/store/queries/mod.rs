//! The queries, each written once for both engines.

pub(in crate::store) mod activity;
pub(in crate::store) mod artifacts;
pub(in crate::store) mod audit;
pub(in crate::store) mod chats;
pub(in crate::store) mod create;
pub(in crate::store) mod fold;
pub(in crate::store) mod inventory;
pub(in crate::store) mod legacy;
pub(in crate::store) mod list;
pub(in crate::store) mod owner;
pub(in crate::store) mod policy;
pub(in crate::store) mod sweep;
pub(in crate::store) mod usage;
pub(in crate::store) mod users;
pub(in crate::store) mod view;

use artifacts::{attach, detach};
use audit::{AuditRow, log_audit_record, record_change};
use chats::{touch_chat, upsert_where};
use create::insert_snapshot;
use owner::deleted_links;
pub(in crate::store) use policy::{narrowed, policy_revision};
use sweep::{BATCH, sweep_until};
