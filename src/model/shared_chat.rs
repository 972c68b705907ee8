//! A link.

use chrono::{DateTime, Utc};

use super::{Audience, ChatSessionId, ShareId, StoredPolicy, UserId};

/// Who may open a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Anyone who has the link.
    Public,
    /// People who are signed in; with an audience, its owner and those whom it names alone.
    Private,
}

impl Visibility {
    pub fn of(is_private: bool) -> Self {
        if is_private { Self::Private } else { Self::Public }
    }
}

/// What a viewer sees of the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What the chat held when it was shared.
    Frozen,
    /// What the chat holds now.
    Live,
}

/// What a link is to be, told to the chat service: whom it admits, and what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    pub visibility: Visibility,
    /// Whether it has an audience, which counts while it is private.
    pub is_named: bool,
    pub mode: Mode,
}

/// A link to a chat, without the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedChat {
    pub id: ShareId,
    /// `None` for a legacy link whose chat is not known.
    pub chat_session_id: Option<ChatSessionId>,
    /// `None` for a legacy link, which has no owner.
    pub owner_id: Option<UserId>,
    /// The chat's name when it was shared.
    pub name: Option<String>,
    /// What viewers see as the sharer's name.
    pub shared_by: Option<String>,
    /// Visible to the owner alone.
    pub label: Option<String>,
    pub visibility: Visibility,
    /// Whom it admits while it is private; `None` is every user who is signed in. A public link
    /// keeps it for when it is private again.
    pub audience: Option<Audience>,
    pub mode: Mode,
    pub includes_artifacts: bool,
    /// Imported from the old system (docs/API.md 6): viewed until it expires, never changed.
    pub is_legacy: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// From this moment on the link answers as one that never existed.
    pub expires_at: Option<DateTime<Utc>>,
    /// Counts the changes of the settings above; ETags and cached bodies depend on it.
    pub revision: i64,
    /// The revision of the policy that the settings above are narrowed by, on which ETags and
    /// cached bodies depend too; 0 as they are stored.
    pub policy: i64,
}

/// What access to a link depends on. Every view reads it from the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    pub visibility: Visibility,
    pub audience: Option<Audience>,
    pub mode: Mode,
    pub includes_artifacts: bool,
    pub updated_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revision: i64,
    /// See [`SharedChat::policy`].
    pub policy: i64,
}

impl LinkState {
    /// The state that viewers see by this policy.
    #[must_use]
    pub fn narrowed(self, by: &StoredPolicy) -> Self {
        Self { policy: by.revision, ..by.policy.narrow(self) }
    }

    pub fn is_private(&self) -> bool {
        self.visibility == Visibility::Private
    }

    pub fn is_frozen(&self) -> bool {
        self.mode == Mode::Frozen
    }

    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether this state shows the link to more viewers than the other, or more of the chat, or for
    /// longer.
    pub fn is_wider_than(&self, other: &Self) -> bool {
        let admits_more = match (self.visibility, other.visibility) {
            (_, Visibility::Public) => false,
            (Visibility::Public, Visibility::Private) => true,
            (Visibility::Private, Visibility::Private) => match (&self.audience, &other.audience) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(now), Some(before)) => !now.is_subset_of(before),
            },
        };
        let adds_files = self.includes_artifacts && !other.includes_artifacts;
        let is_longer = match (self.expires_at, other.expires_at) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(now), Some(before)) => now > before,
        };
        admits_more || adds_files || is_longer
    }
}

impl SharedChat {
    pub fn state(&self) -> LinkState {
        LinkState {
            visibility: self.visibility,
            audience: self.audience.clone(),
            mode: self.mode,
            includes_artifacts: self.includes_artifacts,
            updated_at: self.updated_at,
            expires_at: self.expires_at,
            revision: self.revision,
            policy: self.policy,
        }
    }

    /// The link as viewers see it by this policy.
    #[must_use]
    pub fn narrowed(self, by: &StoredPolicy) -> Self {
        let LinkState { visibility, audience, includes_artifacts, expires_at, .. } =
            by.policy.narrow(self.state());
        let policy = by.revision;
        Self { visibility, audience, includes_artifacts, expires_at, policy, ..self }
    }

    pub fn is_private(&self) -> bool {
        self.visibility == Visibility::Private
    }

    pub fn is_frozen(&self) -> bool {
        self.mode == Mode::Frozen
    }

    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}
