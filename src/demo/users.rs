//! The people of the demo, and the tokens that it signs for them.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Failure;
use crate::{auth::sign_hs256, clock::Clock};

/// How long a token is valid, in seconds.
pub(super) const TOKEN_SECONDS: i64 = 8 * 3600;

/// The groups of the first user and of the second one: one that they share, and one that they do
/// not.
const GROUPS: [&[&str]; 2] = [&["finance"], &["finance", "design"]];

/// An owner of chats, who can sign in.
#[derive(Debug, Clone)]
pub(super) struct User {
    /// The `sub` of the token.
    pub id: String,
    /// What others see.
    pub name: String,
    pub groups: &'static [&'static str],
    pub chats: Vec<ListedChat>,
}

/// A chat of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListedChat {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(skip_serializing)]
    owner: String,
}

/// Up to two owners of chats in the file, each with its chats.
///
/// # Errors
/// If the file cannot be read, is no list of chats, or has none.
pub(super) fn users(path: &Path) -> Result<Vec<User>, Failure> {
    let mut users: Vec<User> = Vec::new();
    for chat in chats(path)? {
        if let Some(user) = users.iter_mut().find(|user| user.id == chat.owner) {
            user.chats.push(chat);
        } else if let Some(groups) = GROUPS.get(users.len()) {
            let id = chat.owner.clone();
            users.push(User { name: name(&id), groups, chats: vec![chat], id });
        }
    }
    if users.is_empty() {
        return Err("CHAT_SERVICE_URL: the file holds no chat to share".into());
    }
    Ok(users)
}

/// The chats that this user owns now.
pub(super) fn chats_of(path: &Path, owner: &str) -> Result<Vec<ListedChat>, Failure> {
    let mut chats = chats(path)?;
    chats.retain(|chat| chat.owner == owner);
    Ok(chats)
}

fn chats(path: &Path) -> Result<Vec<ListedChat>, Failure> {
    let text = String::from_utf8(std::fs::read(path)?)?;
    Ok(serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(&text))?)
}

/// The id with a capital, since viewers are not shown a name that equals the `sub`.
fn name(id: &str) -> String {
    let mut name = id.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

/// Signs with the key of the demo's service.
pub(super) struct Signer(String);

impl Signer {
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    pub fn of_user(&self, user: &User) -> Result<String, Failure> {
        self.sign(json!({"sub": user.id, "name": user.name, "groups": user.groups}))
    }

    pub fn of_administrator(&self) -> Result<String, Failure> {
        self.sign(json!({"sub": "admin", "scope": "shared_chats:admin"}))
    }

    pub fn of_chat_service(&self) -> Result<String, Failure> {
        self.sign(json!({"sub": "chat-service", "scope": "shared_chats:service"}))
    }

    fn sign(&self, mut claims: Value) -> Result<String, Failure> {
        claims["exp"] = (Clock::system().now().timestamp() + TOKEN_SECONDS).into();
        Ok(sign_hs256(self.0.as_bytes(), &claims)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_owners_of_the_file_can_sign_in_with_their_own_chats() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("chats.json");
        let chats = "\u{feff}[
            {\"id\": \"1\", \"owner\": \"zoe\", \"name\": \"One\", \"messages\": []},
            {\"id\": \"2\", \"owner\": \"auth0|7\", \"messages\": []},
            {\"id\": \"3\", \"owner\": \"yan\", \"messages\": []},
            {\"id\": \"4\", \"owner\": \"zoe\", \"messages\": []}]";
        std::fs::write(&path, chats).unwrap();
        let users = users(&path).unwrap();
        let ids = |user: &User| user.chats.iter().map(|chat| chat.id.clone()).collect::<Vec<_>>();
        assert_eq!(users.len(), 2);
        assert_eq!((users[0].name.as_str(), ids(&users[0])), ("Zoe", vec!["1".into(), "4".into()]));
        assert_eq!((users[1].id.as_str(), ids(&users[1])), ("auth0|7", vec!["2".into()]));
        assert_eq!(users[0].chats[0].name.as_deref(), Some("One"));
    }

    #[test]
    fn a_file_without_chats_says_so() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("chats.json");
        std::fs::write(&path, "[]").unwrap();
        assert!(users(&path).unwrap_err().to_string().contains("no chat to share"));
    }
}
