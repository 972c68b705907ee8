//! Errors of the database.

use diesel::result::{DatabaseErrorKind as Kind, Error as DieselError};

/// Why a database operation failed. Nothing was changed, unless a commit was in progress: the
/// connection broke, or SQLite's writer had begun the change and took too long. So code that undoes
/// something after an error first checks whether it was done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable, overloaded, or did not answer in time. A retry may succeed.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The server is read-only: a standby, or a primary that was replaced.
    #[error("the database takes no writes: {0}")]
    ReadOnly(String),
    /// A statement failed, or a row is malformed: a defect.
    #[error("a database operation failed: {0}")]
    Failed(String),
    /// The guard of the change refused it; nothing was changed.
    #[error("refused: {0:?}")]
    Refused(Refused),
}

/// Why the guard of a change refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The chat was deleted and has a tombstone.
    ChatDeleted,
    /// The idempotency key was used before.
    KeyTaken,
    /// One of the links belongs to another owner.
    NotTheOwner,
    /// One of the links is a legacy link, which cannot be changed.
    Legacy,
}

impl StoreError {
    pub(super) fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self::Unavailable(cause.to_string())
    }

    /// A value that this service does not write.
    pub(super) fn malformed(column: &str) -> Self {
        Self::Failed(format!("{column} is malformed"))
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let text = error.to_string();
        match error {
            DieselError::DatabaseError(Kind::ClosedConnection | Kind::UnableToSendCommand, _)
            | DieselError::DatabaseError(Kind::SerializationFailure, _)
            | DieselError::BrokenTransactionManager => Self::Unavailable(text),
            DieselError::DatabaseError(Kind::ReadOnlyTransaction, _) => Self::ReadOnly(text),
            DieselError::DatabaseError(_, _) if is_temporary(&text) => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}

/// Diesel exposes neither SQLSTATE nor SQLite's result code, so temporary errors are recognised by
/// their English messages. With another `lc_messages` some of them are a 500 instead of a 503.
fn is_temporary(message: &str) -> bool {
    const TEMPORARY: [&str; 14] = [
        "deadlock detected",
        "database is locked",
        "database table is locked",
        "disk I/O error",
        "database or disk is full",
        "out of memory",
        // SQLite rolled back the whole transaction because of one of these.
        "no such savepoint",
        "No space left on device",
        "unable to open database file",
        "terminating connection",
        "the database system is",
        "canceling statement due to statement timeout",
        "too many clients",
        "remaining connection slots",
    ];
    TEMPORARY.iter().any(|known| message.contains(known))
}
