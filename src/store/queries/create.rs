//! Creates a link: its row, its snapshot and its idempotency key, all or nothing.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, Table, upsert::excluded};
use diesel_async::RunQueryDsl;

use super::{
    AuditRow, attach, log_audit_record, touch_chat, upsert_where,
    users::lock::{LockUsers, ended_since},
};
use crate::{
    model::{Audience, AuditRecord, ObjectKey, ShareId, SharedChat, UserId},
    store::{
        IDEMPOTENCY_RETENTION, Moment, Refused, SharedChatRow, Store, StoreError, on,
        rows::stored_audience,
        schema::{audit_records, idempotency_keys, shared_chats},
    },
};

/// The stored content of a frozen link.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The messages as JSON, compressed with zstd.
    pub messages: Bytes,
    /// The chat's files when it was shared, as JSON.
    pub files: String,
}

/// An `Idempotency-Key`. Each caller and owner has separate keys.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    pub caller: UserId,
    pub owner: UserId,
    pub key: String,
}

/// The earlier use of an idempotency key.
#[derive(Debug, Clone)]
pub struct PastUse {
    /// SHA-256 of the request.
    pub request_hash: Vec<u8>,
    /// The link that was created, which may be deleted by now.
    pub shared_chat_id: ShareId,
}

#[derive(Debug, Clone)]
pub struct NewSharedChat {
    pub chat: SharedChat,
    /// When the request began: an owner who ended since gets no link, a person who did is not named.
    pub began_at: DateTime<Utc>,
    /// For a frozen link.
    pub snapshot: Option<Snapshot>,
    /// Finished copies of its files.
    pub copies: Vec<ObjectKey>,
    /// The key, and the SHA-256 of the request.
    pub idempotency: Option<(IdempotencyKey, Vec<u8>)>,
}

/// Inserts the content of a frozen link.
macro_rules! insert_snapshot {
    ($conn:ident, $snapshot:expr, $link:expr) => {{
        use $crate::store::schema::snapshots;
        if let Some(snapshot) = $snapshot {
            diesel::insert_into(snapshots::table)
                .values((
                    snapshots::shared_chat_id.eq($link),
                    snapshots::messages.eq(snapshot.messages.as_ref()),
                    snapshots::files.eq(snapshot.files.as_str()),
                ))
                .execute($conn)
                .await?;
        }
    }};
}
pub(in crate::store) use insert_snapshot;

impl Store {
    /// Stores the link and its audit record.
    ///
    /// # Errors
    /// [`Refused::KeyTaken`] when the idempotency key was used in the last 24 hours, also by a
    /// concurrent request; [`Refused::OwnerEnded`], [`Refused::AudienceMemberEnded`];
    /// [`Refused::ChatDeleted`] when the chat has a tombstone, also when it was deleted while it was
    /// being fetched.
    pub async fn create(&self, new: NewSharedChat, record: AuditRecord) -> Result<(), StoreError> {
        let audit = AuditRow::from(&record);
        let row = SharedChatRow::from(&new.chat);
        let audience = new.chat.audience.as_ref().map(stored_audience);
        let id = new.chat.id.as_str().to_owned();
        let now = new.chat.created_at;
        let no_chat = || StoreError::Failed("a link to no chat".to_owned());
        let chat_session_id = new.chat.chat_session_id.ok_or_else(no_chat)?.as_str().to_owned();
        let owner = new.chat.owner_id.as_ref().map_or_else(String::new, |id| id.as_str().into());
        let named = new.chat.audience.iter().flat_map(Audience::users).map(str::to_owned);
        let users: Vec<String> = std::iter::once(owner.clone()).chain(named).collect();
        let NewSharedChat { snapshot, copies, idempotency, began_at, .. } = new;
        on!(&self.database, transaction, |conn| {
            if let Some((used, request_hash)) = idempotency {
                let free_since = Moment(now - IDEMPOTENCY_RETENTION);
                let use_it = diesel::insert_into(idempotency_keys::table)
                    .values((
                        idempotency_keys::caller_id.eq(used.caller.as_str()),
                        idempotency_keys::owner_id.eq(used.owner.as_str()),
                        idempotency_keys::key.eq(used.key.as_str()),
                        idempotency_keys::request_hash.eq(request_hash),
                        idempotency_keys::shared_chat_id.eq(id.as_str()),
                        idempotency_keys::created_at.eq(Moment(now)),
                    ))
                    .on_conflict(idempotency_keys::table.primary_key())
                    .do_update()
                    .set((
                        idempotency_keys::request_hash.eq(excluded(idempotency_keys::request_hash)),
                        idempotency_keys::shared_chat_id
                            .eq(excluded(idempotency_keys::shared_chat_id)),
                        idempotency_keys::created_at.eq(excluded(idempotency_keys::created_at)),
                    ));
                let unless_taken = idempotency_keys::created_at.le(free_since);
                if upsert_where(use_it, unless_taken).execute(conn).await? == 0 {
                    return Err(StoreError::Refused(Refused::KeyTaken));
                }
            }
            conn.lock_users(&users, false).await?;
            let ended = ended_since!(conn, &users, began_at);
            if ended.contains(&owner) {
                return Err(StoreError::Refused(Refused::OwnerEnded));
            }
            if !ended.is_empty() {
                return Err(StoreError::Refused(Refused::AudienceMemberEnded));
            }
            if touch_chat!(chat_session_id.as_str(), now).execute(conn).await? == 0 {
                return Err(StoreError::Refused(Refused::ChatDeleted));
            }
            diesel::insert_into(shared_chats::table)
                .values((row, shared_chats::audience.eq(audience)))
                .execute(conn)
                .await?;
            insert_snapshot!(conn, &snapshot, id.as_str());
            diesel::insert_into(audit_records::table).values(audit).execute(conn).await?;
            attach!(conn, copies, id.as_str());
            Ok(())
        })?;
        log_audit_record(&record);
        Ok(())
    }

    /// The use of the key in the 24 hours before `now`.
    pub async fn past_use(
        &self,
        key: &IdempotencyKey,
        now: DateTime<Utc>,
    ) -> Result<Option<PastUse>, StoreError> {
        let key = key.clone();
        let row: Option<(Vec<u8>, String)> = on!(&self.database, read, |conn| {
            Ok(idempotency_keys::table
                .find((key.caller.as_str(), key.owner.as_str(), key.key.as_str()))
                .filter(idempotency_keys::created_at.gt(Moment(now - IDEMPOTENCY_RETENTION)))
                .select((idempotency_keys::request_hash, idempotency_keys::shared_chat_id))
                .first(conn)
                .await
                .optional()?)
        })?;
        let Some((request_hash, id)) = row else { return Ok(None) };
        let malformed = || StoreError::malformed("idempotency_keys.shared_chat_id");
        let shared_chat_id = ShareId::parse(&id).ok_or_else(malformed)?;
        Ok(Some(PastUse { request_hash, shared_chat_id }))
    }
}
