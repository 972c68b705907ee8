//! Typed access to environment variables.

use std::{fmt::Display, str::FromStr, sync::Arc};

/// A wrong setting, which stops the start. It names the variable and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct ConfigError {
    name: String,
    problem: String,
}

impl ConfigError {
    pub(super) fn new(name: impl Into<String>, problem: impl Display) -> Self {
        Self { name: name.into(), problem: problem.to_string() }
    }
}

type LookUp = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The environment of the process, or of a test.
#[derive(Clone)]
pub struct Env {
    look_up: Arc<LookUp>,
}

impl Env {
    /// The environment of this process. Bytes that are not UTF-8 become U+FFFD, which no setting
    /// accepts.
    #[must_use]
    pub fn of_process() -> Self {
        Self::from_fn(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Variables from a function, for tests.
    pub fn from_fn(look_up: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { look_up: Arc::new(look_up) }
    }

    /// These variables with some of them replaced; an empty value unsets one.
    #[must_use]
    pub fn with(&self, others: Vec<(&'static str, String)>) -> Self {
        let below = self.look_up.clone();
        Self::from_fn(move |name| match others.iter().find(|(other, _)| *other == name) {
            Some((_, value)) => Some(value.clone()),
            None => below(name),
        })
    }

    /// An empty variable counts as unset, since compose files cannot leave one out.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        (self.look_up)(name).filter(|value| !value.is_empty())
    }

    /// For variables that libraries read too, to which an empty one is set.
    pub(super) fn even_empty(&self, name: &str) -> Option<String> {
        (self.look_up)(name)
    }

    pub fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let value = self.raw(name).map(|text| text.parse());
        value.transpose().map_err(|problem| ConfigError::new(name, problem))
    }

    pub fn get_or<T: FromStr<Err: Display>>(
        &self,
        name: &str,
        default: &str,
    ) -> Result<T, ConfigError> {
        let text = self.raw(name).unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|problem| ConfigError::new(name, problem))
    }

    /// A count from 1 to `most`.
    pub fn count(&self, name: &str, most: usize) -> Result<Option<usize>, ConfigError> {
        match self.raw(name).map(|text| text.parse::<usize>()) {
            None => Ok(None),
            Some(Ok(count)) if (1..=most).contains(&count) => Ok(Some(count)),
            Some(_) => {
                Err(ConfigError::new(name, format!("must be a whole number from 1 to {most}")))
            }
        }
    }

    /// A secret: from the variable itself, or from the file that `NAME_FILE` names, without its
    /// trailing line breaks.
    pub fn secret(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let file_name = format!("{name}_FILE");
        match (self.raw(name), self.raw(&file_name)) {
            (Some(_), Some(_)) => {
                Err(ConfigError::new(name, format!("cannot be set together with {file_name}")))
            }
            (Some(secret), None) => Ok(Some(secret)),
            (None, None) => Ok(None),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| ConfigError::new(&file_name, format!("cannot be read: {e}")))?;
                let secret = text.trim_end_matches(['\r', '\n']);
                if secret.is_empty() {
                    return Err(ConfigError::new(&file_name, "names an empty file"));
                }
                Ok(Some(secret.to_owned()))
            }
        }
    }
}
