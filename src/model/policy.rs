//! What links may show at most, whatever their owners set (docs/API.md 4, "Policy").

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::{Audience, LinkState, Visibility};

/// The least lifetime, and the most (100 years), in seconds.
const LIFETIMES: std::ops::RangeInclusive<u64> = 60..=3_155_760_000;

/// Each field is needed where it is set: one that is left out would be a guess at a bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub widest_audience: WidestAudience,
    /// How long a link is shown after its owner last changed it, in seconds; null is for ever.
    /// [`Policy::check`] says whether it is in range.
    #[serde(deserialize_with = "Option::deserialize")]
    pub max_lifetime_seconds: Option<u64>,
    pub allows_artifacts: bool,
}

/// Whom a link may admit at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum WidestAudience {
    /// Its owner alone: the off switch.
    Owner,
    /// Whom its audience names; its owner alone if it has none.
    Named,
    /// Every user who is signed in.
    SignedIn,
    /// Anyone who has the link.
    Anyone,
}

impl TryFrom<String> for WidestAudience {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        [Self::Anyone, Self::SignedIn, Self::Named, Self::Owner]
            .into_iter()
            .find(|one| one.name() == name)
            .ok_or("must be anyone, signed_in, named or owner")
    }
}

impl WidestAudience {
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Named => "named",
            Self::SignedIn => "signed_in",
            Self::Anyone => "anyone",
        }
    }

    /// Whom a link admits.
    pub fn of(visibility: Visibility, audience: Option<&Audience>) -> Self {
        match (visibility, audience) {
            (Visibility::Public, _) => Self::Anyone,
            (Visibility::Private, None) => Self::SignedIn,
            (Visibility::Private, Some(audience)) if audience.is_empty() => Self::Owner,
            (Visibility::Private, Some(_)) => Self::Named,
        }
    }
}

impl Default for Policy {
    /// Nothing is narrowed.
    fn default() -> Self {
        Self {
            widest_audience: WidestAudience::Anyone,
            max_lifetime_seconds: None,
            allows_artifacts: true,
        }
    }
}

impl Policy {
    /// # Errors
    /// The range of `max_lifetime_seconds`.
    pub fn check(&self) -> Result<(), String> {
        match self.max_lifetime_seconds {
            Some(seconds) if !LIFETIMES.contains(&seconds) => Err(format!(
                "must be null or from {} to {} seconds",
                LIFETIMES.start(),
                LIFETIMES.end()
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn max_lifetime(&self) -> Option<Duration> {
        let seconds = i64::try_from(self.max_lifetime_seconds?).ok()?;
        Duration::try_seconds(seconds)
    }

    /// The latest end of a link that is changed at this moment.
    pub fn latest_end(&self, changed_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        changed_at.checked_add_signed(self.max_lifetime()?)
    }

    /// The link as viewers see it. Each viewer whom it admits is one whom the stored link admits,
    /// and it shows no more and no longer.
    #[must_use]
    pub fn narrow(&self, link: LinkState) -> LinkState {
        let widest = WidestAudience::of(link.visibility, link.audience.as_ref());
        let (visibility, audience) = if widest <= self.widest_audience {
            (link.visibility, link.audience)
        } else if self.widest_audience == WidestAudience::SignedIn {
            (Visibility::Private, None)
        } else {
            // A list that was not in force does not come into force by the policy.
            (Visibility::Private, Some(Audience::default()))
        };
        let ends = [link.expires_at, self.latest_end(link.updated_at)];
        LinkState {
            visibility,
            audience,
            includes_artifacts: link.includes_artifacts && self.allows_artifacts,
            expires_at: ends.into_iter().flatten().min(),
            ..link
        }
    }
}

/// The names of the fields of a link that the policy narrows, for its owner.
pub fn limited_fields(stored: &LinkState, policy: &Policy) -> Vec<&'static str> {
    let seen = policy.narrow(stored.clone());
    let limits = [
        ("is_private", stored.visibility != seen.visibility),
        ("audience", stored.audience != seen.audience),
        ("includes_artifacts", stored.includes_artifacts != seen.includes_artifacts),
        ("expires_at", stored.expires_at != seen.expires_at),
    ];
    limits.into_iter().filter(|(_, is_limited)| *is_limited).map(|(field, _)| field).collect()
}

/// A policy and how often it was changed; 0 is the default one, before any was set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredPolicy {
    pub revision: i64,
    pub policy: Policy,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mode;

    fn link(visibility: Visibility, audience: Option<&[&str]>) -> LinkState {
        let audience = audience
            .map(|list| Audience::new(list.iter().map(|&it| it.to_owned()).collect()).unwrap());
        LinkState {
            visibility,
            audience,
            mode: Mode::Frozen,
            includes_artifacts: true,
            updated_at: DateTime::UNIX_EPOCH,
            expires_at: None,
            revision: 1,
            policy: 0,
        }
    }

    fn links() -> Vec<LinkState> {
        let audiences: [Option<&[&str]>; 4] =
            [None, Some(&[]), Some(&["user:bob"]), Some(&["group:finance", "user:carol"])];
        let mut links = Vec::new();
        for visibility in [Visibility::Public, Visibility::Private] {
            for audience in audiences {
                for end in [None, Some(30), Some(600)] {
                    for includes_artifacts in [true, false] {
                        let expires_at =
                            end.map(|end| DateTime::UNIX_EPOCH + Duration::seconds(end));
                        let link = link(visibility, audience);
                        links.push(LinkState { expires_at, includes_artifacts, ..link });
                    }
                }
            }
        }
        links
    }

    #[test]
    fn each_bound_narrows_what_is_wider() {
        let policy = |widest_audience| Policy { widest_audience, ..Policy::default() };
        let public = link(Visibility::Public, Some(&["user:bob"]));
        let seen = policy(WidestAudience::SignedIn).narrow(public.clone());
        assert_eq!((seen.visibility, seen.audience), (Visibility::Private, None));
        let seen = policy(WidestAudience::Named).narrow(public);
        assert_eq!(seen.audience, Some(Audience::default()), "its list was not in force");
        let named = link(Visibility::Private, Some(&["user:bob"]));
        assert_eq!(policy(WidestAudience::Named).narrow(named.clone()), named);
        let seen = policy(WidestAudience::Owner).narrow(named);
        assert_eq!(seen.audience, Some(Audience::default()));
    }

    #[test]
    fn the_default_policy_limits_nothing() {
        for link in links() {
            assert_eq!(Policy::default().narrow(link.clone()), link);
            assert!(limited_fields(&link, &Policy::default()).is_empty());
        }
    }

    #[test]
    fn limited_fields_are_named() {
        let all = Policy {
            widest_audience: WidestAudience::Owner,
            max_lifetime_seconds: Some(60),
            allows_artifacts: false,
        };
        let fields = ["is_private", "audience", "includes_artifacts", "expires_at"];
        assert_eq!(limited_fields(&link(Visibility::Public, None), &all), fields);
    }
}
