//! Files whose bytes are kept.

use uuid::Uuid;

/// The name of an object in the artifact store: random, so that access to the store reveals no ids
/// of links, which are secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    pub fn random() -> Self {
        Self(Uuid::new_v4().hyphenated().to_string())
    }

    /// A key as [`ObjectKey::random`] makes it; other objects in the store are not this service's.
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(text).ok()?.hyphenated().to_string();
        (uuid == text).then_some(Self(uuid))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A file of a frozen link whose bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// Its id at the chat service.
    pub id: String,
    pub filename: String,
    /// Size in bytes.
    pub bytes: u64,
    pub key: ObjectKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_generated_names_are_keys() {
        let key = ObjectKey::random();
        assert_eq!(ObjectKey::parse(key.as_str()), Some(key.clone()));
        for other in ["", "notes.txt", "../x", &key.as_str().to_uppercase()] {
            assert_eq!(ObjectKey::parse(other), None, "{other}");
        }
    }
}
