//! Imports links from the old system (docs/API.md 6) from JSON Lines, one link a line.
//!
//! Each line is independent: a bad one does not stop the others. Links that were imported before
//! are left as they are, so an import that failed can be repeated with the same file.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod line;
mod lines;
#[cfg(test)]
mod tests;

use std::{
    io::{self, BufRead},
    thread,
};

use tokio::sync::mpsc;

use super::{SharingError, snapshot};
use crate::{
    clock::Clock,
    model::{Action, Actor, AuditRecord, ClientInfo, ImportedLinks},
    store::{LegacyOutcome, NewSharedChat, Store, StoreError},
};
use line::LegacyLink;
use lines::{Line, Lines};

/// Links in one transaction, and bytes of their compressed messages: the transaction blocks
/// SQLite's writer, and has a time-out.
const CHUNK_LINKS: usize = 200;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// What a line may have beyond its messages, in bytes.
const ENVELOPE_BYTES: u64 = 1024 * 1024;

/// Why a line was not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotImported {
    /// It is not a valid link. The reason quotes nothing from the line.
    Bad(String),
    /// Its chat was deleted; the tombstone stands.
    ChatDeleted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineReport {
    /// From 1 on.
    pub line: u64,
    pub why: NotImported,
}

/// Counts of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    pub imported: u64,
    /// The token was imported before, or occurs twice in the file; the link was left as it is.
    pub already_there: u64,
    pub expired: u64,
    /// Links whose chats were deleted.
    pub chat_deleted: u64,
    pub bad: u64,
}

/// Why an import failed. Links that were imported before stay.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file cannot be read: {0}")]
    Input(#[source] io::Error),
    #[error("the import could not be started: {0}")]
    Start(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Snapshot(SharingError),
}

/// Imports links from the old system.
pub struct LegacyImport {
    pub store: Store,
    pub clock: Clock,
    /// `MAX_SNAPSHOT_BYTES`: bytes of one link's messages as JSON.
    pub max_snapshot_bytes: u64,
}

/// A line that was read.
enum Read {
    Link(Box<NewSharedChat>),
    Expired,
    Bad(String),
}

type Chunk = Vec<(u64, Read)>;

impl LegacyImport {
    /// Imports every line of the input in order, and reports those that were not imported. Memory
    /// is bounded by two chunks of links and one line.
    pub async fn run(
        self,
        input: impl BufRead + Send + 'static,
        mut report: impl FnMut(LineReport),
    ) -> Result<Imported, ImportError> {
        let (chunks, mut read) = mpsc::channel(1);
        let (clock, max_bytes) = (self.clock.clone(), self.max_snapshot_bytes);
        // A thread of its own: reading may block for ever, as from a terminal.
        thread::Builder::new()
            .name("legacy-import".to_owned())
            .spawn(move || read_all(input, &clock, max_bytes, &chunks))
            .map_err(ImportError::Start)?;
        let mut counts = Imported::default();
        while let Some(chunk) = read.recv().await {
            self.store_chunk(chunk?, &mut counts, &mut report).await?;
        }
        Ok(counts)
    }

    /// Stores the chunk in one transaction; if the database refuses a line of it, its halves. A
    /// line that it refuses alone is bad.
    async fn store_chunk(
        &self,
        chunk: Chunk,
        counts: &mut Imported,
        report: &mut impl FnMut(LineReport),
    ) -> Result<(), ImportError> {
        let mut parts = vec![chunk];
        while let Some(mut part) = parts.pop() {
            match self.store(&part, counts, report).await {
                Err(StoreError::Failed(_)) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Err(error @ StoreError::Failed(_)) => {
                    counts.bad += 1;
                    let state = error.sqlstate().map(|state| format!(" (SQLSTATE {state})"));
                    // What else the database says may quote the line.
                    let why = format!("the database refuses it{}", state.unwrap_or_default());
                    let line = part.first().map_or(0, |(line, _)| *line);
                    report(LineReport { line, why: NotImported::Bad(why) });
                }
                stored => stored?,
            }
        }
        Ok(())
    }

    /// Stores the lines in one transaction.
    async fn store(
        &self,
        chunk: &Chunk,
        counts: &mut Imported,
        report: &mut impl FnMut(LineReport),
    ) -> Result<(), StoreError> {
        let (mut lines, mut links) = (Vec::new(), Vec::new());
        let ends = chunk.first().zip(chunk.last()).map(|(first, last)| (first.0, last.0));
        let (first_line, last_line) = ends.unwrap_or_default();
        let mut read = ImportedLinks { first_line, last_line, ..ImportedLinks::default() };
        let mut reports = Vec::new();
        for (line, content) in chunk {
            match content {
                Read::Link(link) => {
                    lines.push(*line);
                    links.push(NewSharedChat::clone(link));
                }
                Read::Expired => read.expired += 1,
                Read::Bad(why) => {
                    read.bad += 1;
                    reports.push(LineReport { line: *line, why: NotImported::Bad(why.clone()) });
                }
            }
        }
        let (expired, bad) = (read.expired as u64, read.bad as u64);
        let (actor, origin) = (Actor::CommandLine, ClientInfo::default());
        let record = AuditRecord::of(Action::LegacyImport, actor, origin, self.clock.now());
        let outcomes = self.store.import_legacy(links, read, record).await?;
        counts.expired += expired;
        counts.bad += bad;
        for (line, outcome) in lines.into_iter().zip(outcomes) {
            match outcome {
                LegacyOutcome::Imported => counts.imported += 1,
                LegacyOutcome::AlreadyThere => counts.already_there += 1,
                LegacyOutcome::ChatDeleted => {
                    counts.chat_deleted += 1;
                    reports.push(LineReport { line, why: NotImported::ChatDeleted });
                }
            }
        }
        reports.sort_by_key(|report| report.line);
        reports.into_iter().for_each(report);
        Ok(())
    }
}

/// Reads, checks and compresses the lines in chunks, until the receiver is dropped.
fn read_all(
    input: impl BufRead,
    clock: &Clock,
    max_bytes: u64,
    chunks: &mpsc::Sender<Result<Chunk, ImportError>>,
) {
    let limit = usize::try_from(max_bytes.saturating_add(ENVELOPE_BYTES)).unwrap_or(usize::MAX);
    let mut lines = Lines::new(input, limit);
    loop {
        let chunk = read_chunk(&mut lines, clock, max_bytes, limit);
        let last = chunk.as_ref().map_or(true, Vec::is_empty);
        if chunks.blocking_send(chunk).is_err() || last {
            return;
        }
    }
}

/// An empty chunk means the end of the input.
fn read_chunk<R: BufRead>(
    lines: &mut Lines<R>,
    clock: &Clock,
    max_bytes: u64,
    limit: usize,
) -> Result<Chunk, ImportError> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < CHUNK_LINKS && bytes < CHUNK_BYTES {
        let Some((number, line)) = lines.next().map_err(ImportError::Input)? else { break };
        let read = match line {
            Line::TooLong => Read::Bad(format!("is longer than {limit} bytes")),
            Line::Bytes(line) => match line::parse(line, max_bytes) {
                Err(why) => Read::Bad(why),
                Ok(LegacyLink { chat, .. }) if chat.is_expired(clock.now()) => Read::Expired,
                Ok(LegacyLink { chat, messages }) => {
                    let snapshot = snapshot::encode_json(&messages, "[]".to_owned())
                        .map_err(ImportError::Snapshot)?;
                    bytes += snapshot.messages.len();
                    let (snapshot, copies) = (Some(snapshot), Vec::new());
                    Read::Link(Box::new(NewSharedChat {
                        began_at: chat.created_at,
                        chat,
                        snapshot,
                        copies,
                        idempotency: None,
                    }))
                }
            },
        };
        chunk.push((number, read));
    }
    Ok(chunk)
}
