//! Whom a private link admits (docs/API.md 3, "Audience").

use std::{collections::BTreeSet, sync::Arc};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{Identity, UserId};

/// The most principals of one audience.
const MAX_PRINCIPALS: usize = 100;
/// The most characters of a principal's value.
const MAX_VALUE_CHARS: usize = 255;

const USER: &str = "user:";
const GROUP: &str = "group:";

/// Named people and groups, each `user:<sub>` or `group:<value>`, compared byte for byte. An empty
/// one admits the link's owner alone. Clones share the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience(Arc<BTreeSet<String>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAudience {
    #[error("must have at most {MAX_PRINCIPALS} entries")]
    TooMany,
    #[error(
        "each entry must be user: or group: and 1 to {MAX_VALUE_CHARS} characters without control \
         characters"
    )]
    BadPrincipal,
}

impl Audience {
    /// Duplicates are dropped.
    ///
    /// # Errors
    /// [`InvalidAudience`]
    pub fn new(principals: Vec<String>) -> Result<Self, InvalidAudience> {
        if principals.len() > MAX_PRINCIPALS {
            return Err(InvalidAudience::TooMany);
        }
        if !principals.iter().all(|principal| is_principal(principal)) {
            return Err(InvalidAudience::BadPrincipal);
        }
        Ok(Self(Arc::new(principals.into_iter().collect())))
    }

    /// The principal of a user.
    pub fn user(id: &UserId) -> String {
        format!("{USER}{}", id.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the viewer is named, or in a group that is.
    pub fn has(&self, viewer: &Identity) -> bool {
        self.0.contains(&Self::user(&viewer.user_id))
            || self.groups().any(|group| viewer.groups.contains(group))
    }

    /// All but this principal.
    #[must_use]
    pub fn without(&self, principal: &str) -> Self {
        Self(Arc::new(self.0.iter().filter(|one| *one != principal).cloned().collect()))
    }

    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// In the order of their bytes.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The `sub` of each person who is named.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.principals().filter_map(|principal| principal.strip_prefix(USER))
    }

    fn groups(&self) -> impl Iterator<Item = &str> {
        self.principals().filter_map(|principal| principal.strip_prefix(GROUP))
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.principals())
    }
}

fn is_principal(text: &str) -> bool {
    let value = text.strip_prefix(USER).or_else(|| text.strip_prefix(GROUP));
    value.is_some_and(|value| {
        (1..=MAX_VALUE_CHARS).contains(&value.chars().count())
            && !value.chars().any(char::is_control)
    })
}

/// The groups of a token, as hashes: thousands of tokens are cached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups(Box<[GroupHash]>);

type GroupHash = [u8; 16];

impl Groups {
    pub fn of(values: &[String]) -> Self {
        let mut hashes: Vec<GroupHash> = values.iter().map(|value| hash(value)).collect();
        hashes.sort_unstable();
        Self(hashes.into())
    }

    pub fn contains(&self, value: &str) -> bool {
        !self.0.is_empty() && self.0.binary_search(&hash(value)).is_ok()
    }
}

fn hash(value: &str) -> GroupHash {
    let digest = Sha256::digest(value);
    let mut hash = GroupHash::default();
    hash.copy_from_slice(&digest[..16]);
    hash
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn audience(principals: &[&str]) -> Audience {
        Audience::new(principals.iter().map(|&it| it.to_owned()).collect()).unwrap()
    }

    fn viewer(user: &str, groups: &[&str]) -> Identity {
        let groups: Vec<String> = groups.iter().map(|&it| it.to_owned()).collect();
        Identity {
            user_id: UserId::parse(user).unwrap(),
            display_name: None,
            is_chat_service: false,
            is_admin: false,
            groups: Groups::of(&groups),
            expires_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn named_people_and_members_of_named_groups_are_in_the_audience() {
        let audience = audience(&["user:bob", "group:finance", "user:auth0|7"]);
        for (user, groups, expected) in [
            ("bob", &[][..], true),
            ("auth0|7", &[], true),
            ("carol", &["sales", "finance"], true),
            ("carol", &["sales"], false),
            ("Bob", &[], false),
            // A group does not become a person by its name, nor the other way round.
            ("finance", &[], false),
            ("carol", &["bob"], false),
            ("carol", &["user:bob"], false),
            ("carol", &["group:finance"], false),
        ] {
            assert_eq!(audience.has(&viewer(user, groups)), expected, "{user} {groups:?}");
        }
    }

    #[test]
    fn an_empty_audience_has_no_one() {
        assert!(!audience(&[]).has(&viewer("bob", &["finance"])));
    }

    #[test]
    fn a_user_named_star_is_an_ordinary_string() {
        assert!(!audience(&["user:*", "group:*"]).has(&viewer("bob", &["finance"])));
    }

    #[test]
    fn invalid_audiences_are_rejected() {
        let long = format!("user:{}", "x".repeat(256));
        for bad in
            ["user:", "group:", "group", "", "bob", "User:bob", "user:a\0b", "user:\n", &long]
        {
            let refused = Audience::new(vec![bad.to_owned()]);
            assert_eq!(refused, Err(InvalidAudience::BadPrincipal), "{bad:?}");
        }
        let many = |count: usize| (0..count).map(|n| format!("user:{n}")).collect::<Vec<_>>();
        assert!(Audience::new(many(100)).is_ok());
        assert_eq!(Audience::new(many(101)), Err(InvalidAudience::TooMany));
        assert!(Audience::new(vec![format!("group:{}", "é".repeat(255))]).is_ok());
    }

    #[test]
    fn it_is_sorted_and_without_duplicates() {
        let audience = audience(&["user:b", "group:z", "user:a", "user:b"]);
        let principals: Vec<&str> = audience.principals().collect();
        assert_eq!(principals, ["group:z", "user:a", "user:b"]);
        assert_eq!(serde_json::to_string(&audience).unwrap(), r#"["group:z","user:a","user:b"]"#);
    }
}
