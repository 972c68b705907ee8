//! View counts of links.

use chrono::{DateTime, Utc};

use super::{Settings, SharedChat};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewKind {
    View,
    /// By a known bot.
    BotView,
    /// Of one of its files.
    Download,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ViewCounts {
    pub views: u64,
    pub bot_views: u64,
    pub downloads: u64,
    /// When it was viewed last; bots do not count.
    pub last_viewed_at: Option<DateTime<Utc>>,
}

impl ViewCounts {
    pub fn add(&mut self, kind: ViewKind, at: DateTime<Utc>) {
        match kind {
            ViewKind::View => {
                self.views += 1;
                self.last_viewed_at = self.last_viewed_at.max(Some(at));
            }
            ViewKind::BotView => self.bot_views += 1,
            ViewKind::Download => self.downloads += 1,
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.views += other.views;
        self.bot_views += other.bot_views;
        self.downloads += other.downloads;
        self.last_viewed_at = self.last_viewed_at.max(other.last_viewed_at);
    }
}

/// The activity of a link, for its owner.
#[derive(Debug, Clone)]
pub struct Activity {
    pub link: SharedChat,
    pub view_counts: ViewCounts,
    /// Oldest first, from the audit records that are kept.
    pub changes: Vec<LinkChange>,
}

/// A change of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkChange {
    pub at: DateTime<Utc>,
    /// The name of `Action::Create` or `Action::Change`.
    pub action: &'static str,
    /// Of a create all settings, of a change those that were given.
    pub settings: Settings,
}
