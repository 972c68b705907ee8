//! What was refused, on its way to the audit records: counted and listed in memory, bounded, and
//! written aside, so that no refusal waits for the database, and nobody can fill the disk with them.
//!
//! Of whoever proved nothing there is one record a minute for each action and result, with a count.
//! What a user or the chat service has refused is listed, so many a minute, and counted like that from
//! then on.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::Sharing;
use crate::{
    model::{Action, Actor, AuditRecord, Origin},
    store::log_audit_record,
};

/// Records that wait for the database; further ones are in the log alone.
const WAITING: usize = 10_000;
/// Counts of one minute, and callers that are told apart in it.
const COUNTS: usize = 5_000;
/// Records in one transaction.
const BATCH: usize = 200;

/// What is counted together: who, what, and how it ended.
type Kind = (Actor, Action, String);

#[derive(Clone)]
pub(super) struct Refusals {
    state: Arc<Mutex<State>>,
    /// Those of one caller that are listed in a minute.
    listed_per_minute: u32,
}

#[derive(Default)]
struct State {
    /// When the minute of the counts began.
    minute: DateTime<Utc>,
    counts: HashMap<Kind, u64>,
    /// How many of each caller are listed in this minute.
    listed: HashMap<Actor, u32>,
    /// In the log already; the database is next.
    waiting: Vec<AuditRecord>,
    /// Not in the log yet.
    fresh: Vec<AuditRecord>,
    /// For which there was no room.
    dropped: u64,
}

impl Refusals {
    pub(super) fn new(listed_per_minute: u32) -> Self {
        Self { state: Arc::default(), listed_per_minute }
    }

    fn note(&self, refusal: AuditRecord) {
        let mut state = self.lock();
        state.turn(refusal.at);
        let is_known = refusal.actor.id().is_some();
        if is_known && state.may_list(&refusal.actor, self.listed_per_minute) {
            state.keep(refusal);
            return;
        }
        let mut kind = (refusal.actor, refusal.action, refusal.result);
        if is_known && state.counts.len() >= COUNTS && !state.counts.contains_key(&kind) {
            kind.0 = Actor::Many;
        }
        *state.counts.entry(kind).or_default() += 1;
    }

    /// What has gathered by now, the counts of this minute only at the end of it or of the process.
    fn take(&self, now: DateTime<Utc>, is_the_end: bool) -> Vec<AuditRecord> {
        let mut state = self.lock();
        state.turn(now);
        if is_the_end {
            state.close_minute();
        }
        for record in mem::take(&mut state.fresh) {
            log_audit_record(&record);
            state.waiting.push(record);
        }
        if state.dropped > 0 {
            let dropped = mem::take(&mut state.dropped);
            tracing::warn!(dropped, "refusals were neither logged nor stored: there are too many");
        }
        mem::take(&mut state.waiting)
    }

    /// Takes records back that could not be stored.
    fn give_back(&self, mut records: Vec<AuditRecord>) {
        let mut state = self.lock();
        records.append(&mut state.waiting);
        if records.len() > WAITING {
            let lost = records.len() - WAITING;
            tracing::warn!(lost, "audit records of refusals are in the log alone");
            records.truncate(WAITING);
        }
        state.waiting = records;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins a new minute, if one has begun. A clock that was set back does not.
    fn turn(&mut self, now: DateTime<Utc>) {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        if minute > self.minute {
            self.close_minute();
            self.minute = minute;
        }
    }

    fn close_minute(&mut self) {
        self.listed.clear();
        for ((actor, action, result), times) in mem::take(&mut self.counts) {
            let record = AuditRecord::of(action, actor, Origin::default(), self.minute);
            self.keep(AuditRecord { result, times, ..record });
        }
    }

    fn may_list(&mut self, actor: &Actor, most: u32) -> bool {
        if self.listed.len() >= COUNTS && !self.listed.contains_key(actor) {
            return false;
        }
        let listed = self.listed.entry(actor.clone()).or_default();
        *listed = listed.saturating_add(1);
        *listed <= most
    }

    fn keep(&mut self, record: AuditRecord) {
        if self.fresh.len() < WAITING {
            self.fresh.push(record);
        } else {
            self.dropped += 1;
        }
    }
}

impl Sharing {
    /// Notes that something was refused. It waits for nothing, and does not fail.
    pub fn note_refusal(&self, refusal: AuditRecord) {
        self.refusals.note(refusal);
    }

    /// Stores what was refused, with `is_the_end` the counts of the minute that is under way as well.
    /// While the database is out of reach they are kept, so far as there is room.
    ///
    /// # Errors
    /// [`super::SharingError::Unavailable`] when the database is out of reach.
    pub async fn write_refusals(&self, is_the_end: bool) -> Result<(), super::SharingError> {
        let mut records = self.refusals.take(self.clock.now(), is_the_end);
        while !records.is_empty() {
            let batch = &records[..BATCH.min(records.len())];
            if let Err(error) = self.store.append_audit_records(batch).await {
                self.refusals.give_back(records);
                return Err(error.into());
            }
            records.drain(..BATCH.min(records.len()));
        }
        Ok(())
    }

    /// The moment, for what happens now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn user(id: &str) -> Actor {
        Actor::User(UserId::parse(id).unwrap())
    }

    fn refusal(actor: Actor, second: i64) -> AuditRecord {
        let record = AuditRecord::of(Action::Delete, actor, Origin::default(), at(second));
        AuditRecord { result: "forbidden".to_owned(), ..record }
    }

    fn times(records: &[AuditRecord]) -> Vec<u64> {
        let mut times: Vec<u64> = records.iter().map(|record| record.times).collect();
        times.sort_unstable();
        times
    }

    #[test]
    fn nobody_in_particular_is_counted_by_the_minute() {
        let refusals = Refusals::new(3);
        (0..100).for_each(|_| refusals.note(refusal(Actor::Anonymous, 0)));
        assert!(refusals.take(at(59), false).is_empty(), "the minute is not over");
        let taken = refusals.take(at(60), false);
        assert_eq!((times(&taken), taken[0].at), (vec![100], at(0)));
        refusals.note(refusal(Actor::Anonymous, 61));
        assert_eq!(times(&refusals.take(at(62), true)), [1]);
        assert!(refusals.take(at(300), true).is_empty());
    }

    #[test]
    fn a_callers_first_are_listed_and_the_others_counted() {
        let refusals = Refusals::new(3);
        (0..10).for_each(|_| refusals.note(refusal(user("bob"), 5)));
        refusals.note(refusal(user("alice"), 5));
        assert_eq!(times(&refusals.take(at(6), false)), [1, 1, 1, 1]);
        assert_eq!(times(&refusals.take(at(60), false)), [7]);
        refusals.note(refusal(user("bob"), 61));
        assert_eq!(times(&refusals.take(at(62), false)), [1], "a new minute");
    }

    #[test]
    fn many_callers_are_not_told_apart() {
        let refusals = Refusals::new(0);
        let most = i32::try_from(COUNTS).unwrap();
        (0..most + 7).for_each(|n| refusals.note(refusal(user(&format!("user-{n}")), 0)));
        let taken = refusals.take(at(60), false);
        assert_eq!(taken.len(), COUNTS + 1);
        let many: Vec<_> = taken.iter().filter(|record| record.actor == Actor::Many).collect();
        assert_eq!(many[0].times, 7);
    }

    #[test]
    fn what_could_not_be_stored_is_kept_within_bounds() {
        let refusals = Refusals::new(u32::MAX);
        for second in [0, 1] {
            (0..WAITING).for_each(|_| refusals.note(refusal(user("bob"), second)));
            let taken = refusals.take(at(second), false);
            refusals.give_back(taken);
        }
        let kept = refusals.take(at(2), false);
        assert_eq!(kept.len(), WAITING);
        assert!(kept.iter().all(|record| record.at == at(0)), "the first are kept");
    }
}
