//! What a provider says of its refusal (RFC 6749, 5.2), for the log.

use std::fmt;

use serde_json::{Map, Value};

/// Longer texts are cut.
const MAX_CHARS: usize = 300;

/// `error` and `error_description`, as far as the answer has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    error: Option<Box<str>>,
    description: Option<Box<str>>,
}

impl Said {
    /// From the body of a refusal.
    pub(super) fn of(body: &[u8]) -> Self {
        let answer: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| answer.get(name)?.as_str().and_then(shown);
        Self { error: text("error"), description: text("error_description") }
    }

    /// The same without a text that contains the secret.
    pub(super) fn without(self, secret: &str) -> Self {
        let keep = |text: Option<Box<str>>| text.filter(|text| !text.contains(secret));
        Self { error: keep(self.error), description: keep(self.description) }
    }

    pub(super) fn is_error(&self, code: &str) -> bool {
        self.error.as_deref() == Some(code)
    }
}

impl fmt::Display for Said {
    /// With a colon in front; nothing if there is nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        [&self.error, &self.description].into_iter().flatten().try_for_each(|text| {
            f.write_str(": ")?;
            f.write_str(text)
        })
    }
}

/// One line of bounded length; `None` if there is none.
fn shown(text: &str) -> Option<Box<str>> {
    let text = text.replace(char::is_control, " ");
    let text: String = text.trim().chars().take(MAX_CHARS).collect();
    (!text.is_empty()).then(|| text.into_boxed_str())
}
