//! How often links are seen.

use chrono::{DateTime, Utc};

use super::{Settings, SharedChat};

/// What became of a link once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewKind {
    /// Somebody was shown it.
    View,
    /// A known bot was.
    BotView,
    /// Somebody was sent one of its files.
    Download,
}

/// How often a link was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ViewCounts {
    pub views: u64,
    pub bot_views: u64,
    pub downloads: u64,
    /// When it was viewed last; bots do not count.
    pub last_viewed_at: Option<DateTime<Utc>>,
}

impl ViewCounts {
    /// One more.
    pub fn add(&mut self, seen: ViewKind, at: DateTime<Utc>) {
        match seen {
            ViewKind::View => {
                self.views += 1;
                self.last_viewed_at = self.last_viewed_at.max(Some(at));
            }
            ViewKind::BotView => self.bot_views += 1,
            ViewKind::Download => self.downloads += 1,
        }
    }

    /// All of these.
    pub fn merge(&mut self, other: Self) {
        self.views += other.views;
        self.bot_views += other.bot_views;
        self.downloads += other.downloads;
        self.last_viewed_at = self.last_viewed_at.max(other.last_viewed_at);
    }
}

/// What a link's owner is told of it.
#[derive(Debug, Clone)]
pub struct Activity {
    pub link: SharedChat,
    pub view_counts: ViewCounts,
    /// What was done to it, oldest first, as far as audit records of it are kept.
    pub changes: Vec<LinkChange>,
}

/// Something that was done to a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkChange {
    pub at: DateTime<Utc>,
    /// The word of `Action::Create` or `Action::Change`.
    pub action: &'static str,
    /// Of a create all settings, of a change those that were given.
    pub settings: Settings,
}
