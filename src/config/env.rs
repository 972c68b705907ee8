//! Typed access to environment variables.

use std::{fmt::Display, str::FromStr, sync::Arc};

/// A setting that stops the start. It names the variable and holds no secret.
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

/// Where variables are looked up: the process's environment, or what a test gives.
#[derive(Clone)]
pub struct Env {
    look_up: Arc<LookUp>,
}

impl Env {
    /// The environment of this process. A value that is not UTF-8 is read with U+FFFD, which no
    /// setting takes.
    #[must_use]
    pub fn of_process() -> Self {
        let look_up =
            |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self { look_up: Arc::new(look_up) }
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

    /// An empty variable is one that is not set: compose files cannot leave one out.
    fn text(&self, name: &str) -> Option<String> {
        (self.look_up)(name).filter(|value| !value.is_empty())
    }

    /// Whether the variable is set, whatever it holds.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The setting, if it is set.
    ///
    /// # Errors
    /// [`ConfigError`] when its value cannot be read.
    pub fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let value = self.text(name).map(|text| text.parse());
        value.transpose().map_err(|problem| ConfigError::new(name, problem))
    }

    /// The setting, or its default.
    ///
    /// # Errors
    /// [`ConfigError`] when its value cannot be read.
    pub fn or<T: FromStr<Err: Display>>(
        &self,
        name: &str,
        default: &str,
    ) -> Result<T, ConfigError> {
        let text = self.text(name).unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|problem| ConfigError::new(name, problem))
    }

    /// A count of at least one, if it is set.
    ///
    /// # Errors
    /// [`ConfigError`] when it is none, or more than makes sense.
    pub fn count(&self, name: &str, most: usize) -> Result<Option<usize>, ConfigError> {
        match self.text(name).map(|text| text.parse::<usize>()) {
            None => Ok(None),
            Some(Ok(count)) if (1..=most).contains(&count) => Ok(Some(count)),
            Some(_) => {
                Err(ConfigError::new(name, format!("must be a whole number from 1 to {most}")))
            }
        }
    }

    /// A secret: from the variable itself, or from the file that `NAME_FILE` names, whose last line
    /// break is not part of it.
    ///
    /// # Errors
    /// [`ConfigError`] when both are set, or the file cannot be read or is empty.
    pub fn secret(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let file_name = format!("{name}_FILE");
        match (self.text(name), self.text(&file_name)) {
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
