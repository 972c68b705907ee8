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
    /// The owner ended while the chat was fetched.
    OwnerEnded,
    /// A person whom the audience names ended while the request was under way.
    AudienceMemberEnded,
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

    /// The code of PostgreSQL for it, if it is PostgreSQL's error. It quotes nothing, as the
    /// message may.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Unavailable(text) | Self::ReadOnly(text) | Self::Failed(text) => sqlstate(text),
            Self::Refused(_) => None,
        }
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

/// Whether a retry may succeed.
fn is_temporary(message: &str) -> bool {
    match sqlstate(message) {
        Some(state) => is_temporary_state(state),
        None => TEMPORARY.iter().any(|known| message.contains(known)),
    }
}

/// The SQLSTATE of an error of PostgreSQL: `[40P01] deadlock detected`. Diesel hides it, so the
/// connection writes it into the message (`postgres/wire.rs`).
fn sqlstate(message: &str) -> Option<&str> {
    let (state, _) = message.strip_prefix('[')?.split_once("] ")?;
    let is_state = state.len() == 5 && state.bytes().all(|b| b.is_ascii_alphanumeric());
    is_state.then_some(state)
}

/// By PostgreSQL's manual, "PostgreSQL Error Codes".
fn is_temporary_state(state: &str) -> bool {
    let class = state.get(..2).unwrap_or_default();
    // The connection, the transaction was rolled back (a deadlock), resources, an operator or a
    // time-out, the server's system.
    matches!(class, "08" | "40" | "53" | "57" | "58")
        // In use, not locked in time, the time-outs of transactions.
        || matches!(state, "55006" | "55P03" | "25P03" | "25P04")
}

/// Parts of messages of SQLite, which are English alone. Diesel hides its result codes.
const TEMPORARY: [&str; 7] = [
    "database is locked",
    "database table is locked",
    "disk I/O error",
    "database or disk is full",
    "out of memory",
    // SQLite rolled back the whole transaction because of one of these.
    "no such savepoint",
    "unable to open database file",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlstate_is_read_from_the_front_of_a_message() {
        assert_eq!(sqlstate("[57P01] breche Verbindung ab"), Some("57P01"));
        for other in ["", "deadlock detected", "[57P01]", "[57P0] x", "[57 01] x", "x [57P01] y"] {
            assert_eq!(sqlstate(other), None, "{other}");
        }
    }

    #[test]
    fn sqlstate_decides_whatever_the_language() {
        for temporary in [
            "[40P01] Verklemmung entdeckt",
            "[57014] storniere Anfrage wegen Zeitüberschreitung der Anfrage",
            "[57P01] breche Verbindung ab aufgrund von Anweisung des Administrators",
            "[53100] konnte Datei nicht schreiben: Auf dem Gerät ist kein Speicherplatz mehr frei",
            "[55P03] storniere Anfrage wegen Zeitüberschreitung eines Locks",
            "database is locked",
        ] {
            assert!(is_temporary(temporary), "{temporary}");
        }
        for defect in [
            "[42P01] Relation »shared_chats« existiert nicht",
            "[22P05] Zeichen hat keine Entsprechung in Kodierung »LATIN1«",
            "[42601] syntax error at or near \"deadlock detected\"",
            "no such table: shared_chats",
        ] {
            assert!(!is_temporary(defect), "{defect}");
        }
    }
}
