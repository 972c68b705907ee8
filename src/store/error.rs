//! What can go wrong between us and a database.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why a database operation did not do what was asked. Nothing was changed then, unless it ended
/// while a commit was under way: the connection broke, which no client of a database can tell, or
/// SQLite's writer had begun with the change and took too long. So whoever undoes something after an
/// error looks first whether it was done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database is out of reach, overloaded, or did not answer in time: worth another try.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The server answers, but takes no writes: a standby, or a primary that another one replaced.
    #[error("the database takes no writes: {0}")]
    ReadOnly(String),
    /// A statement failed, or a row holds what no writer of ours puts there: a defect.
    #[error("a database operation failed: {0}")]
    Failed(String),
    /// The change's own guard said no; nothing was changed.
    #[error("refused: {0:?}")]
    Refused(Refused),
}

/// Why a change that the caller may well ask for was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The chat was deleted; its tombstone stands.
    ChatDeleted,
    /// The idempotency key was used before.
    KeyTaken,
    /// One of the links is somebody else's.
    NotTheOwner,
    /// One of the links came from the old system, which nobody can change.
    Legacy,
}

impl StoreError {
    pub(super) fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self::Unavailable(cause.to_string())
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let text = match &error {
            // The message alone; `Display` of the whole would do the same, its `Debug` would not.
            DieselError::DatabaseError(_, info) => info.message().to_owned(),
            other => other.to_string(),
        };
        match error {
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure,
                _,
            )
            | DieselError::BrokenTransactionManager => Self::Unavailable(text),
            DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
                Self::ReadOnly(text)
            }
            DieselError::DatabaseError(_, _) if is_passing(&text) => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}

/// Diesel passes neither SQLSTATE nor SQLite's result code on, so the states that pass by
/// themselves are told by their English messages. A PostgreSQL server that speaks another language
/// (`lc_messages`) makes some of them a 500 instead of a 503.
fn is_passing(message: &str) -> bool {
    const PASSING: [&str; 14] = [
        "deadlock detected",
        "database is locked",
        "database table is locked",
        "disk I/O error",
        "database or disk is full",
        "out of memory",
        // SQLite gave up the whole transaction because of one of these.
        "no such savepoint",
        "No space left on device",
        "unable to open database file",
        "terminating connection",
        "the database system is",
        "canceling statement due to statement timeout",
        "too many clients",
        "remaining connection slots",
    ];
    PASSING.iter().any(|known| message.contains(known))
}
