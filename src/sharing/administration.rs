//! What administrators do: the inventory, take-down, and the end of a user (docs/API.md 4,
//! "Administration"). The extractor checks that the caller is one.

use super::{Sharing, SharingError, detached::run_detached};
use crate::{
    model::{
        Action, AuditRecord, Caller, ClientInfo, Detail, Listed, ShareId, SharedChat, UserId,
        ViewCounts,
    },
    store::{InventoryQuery, Notice},
};

impl Sharing {
    /// A page of all owners' links. Who looked, and for what, is recorded.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`]
    pub async fn inventory(
        &self,
        caller: &Caller,
        query: InventoryQuery,
        origin: ClientInfo,
    ) -> Result<Vec<(SharedChat, ViewCounts)>, SharingError> {
        let now = self.clock.now();
        let detail = Detail::Listed(Listed {
            owner: query.owner.as_ref().map(UserId::short),
            chat: query.chat_session_id.as_ref().map(|chat| chat.short()),
            filter: query.filter.name(),
        });
        let record = AuditRecord {
            detail: Some(detail),
            ..AuditRecord::of(Action::AdminList, caller.into(), origin, now)
        };
        self.store.record(record).await?;
        Ok(self.store.inventory(query, now).await?)
    }

    /// Deletes links of any owner, legacy ones too. Ids without a link are skipped.
    ///
    /// # Errors
    /// [`SharingError::Unavailable`]
    pub async fn take_down(
        &self,
        caller: &Caller,
        ids: &[ShareId],
        origin: ClientInfo,
    ) -> Result<(), SharingError> {
        let (this, caller, ids) = (self.clone(), caller.clone(), ids.to_vec());
        run_detached(async move {
            let now = this.clock.now();
            let record = AuditRecord::of(Action::AdminDelete, (&caller).into(), origin, now);
            this.store.take_down(&ids, record).await?;
            this.orphans_created();
            this.notify(&Notice::links(&ids));
            Ok(())
        })
        .await
    }

    /// The user left: deletes all their links, and makes their creates in progress fail. Returns
    /// how many links were deleted. It can be repeated.
    pub async fn user_ended(
        &self,
        caller: &Caller,
        user: &UserId,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let (this, caller, user) = (self.clone(), caller.clone(), user.clone());
        run_detached(async move { this.end_user(&caller, &user, origin).await }).await
    }

    /// As [`Sharing::user_ended`], and nothing of the person is left: see
    /// [`Store::erase_user`](crate::store::Store::erase_user).
    pub async fn user_erased(
        &self,
        caller: &Caller,
        user: &UserId,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let (this, caller, user) = (self.clone(), caller.clone(), user.clone());
        run_detached(async move {
            let ended = this.end_user(&caller, &user, origin.clone()).await?;
            let now = this.clock.now();
            let record = AuditRecord::of(Action::UserErased, (&caller).into(), origin, now);
            this.store.erase_user(&user, record, ended).await?;
            this.notify(&Notice::Everything);
            Ok(ended)
        })
        .await
    }

    async fn end_user(
        &self,
        caller: &Caller,
        user: &UserId,
        origin: ClientInfo,
    ) -> Result<usize, SharingError> {
        let record =
            AuditRecord::of(Action::UserLinksDeleted, caller.into(), origin, self.clock.now());
        let ended = self.store.end_user(user, record).await?;
        self.orphans_created();
        // On PostgreSQL each page of links was announced; here they were not collected.
        self.notify(&Notice::Everything);
        Ok(ended)
    }
}
