//! The audit log and the access log of this process, told apart by the ids of requests.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Arc, Mutex, Once},
};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer, filter::filter_fn, layer::Context, prelude::*, util::SubscriberInitExt,
};

const AUDIT: &str = "shared_chats::audit";
const ACCESS: &str = "shared_chats::request";

/// Each with its target.
static LINES: Mutex<Vec<(&str, Value)>> = Mutex::new(Vec::new());

/// The requests of one application that were answered.
#[derive(Clone, Default)]
pub struct Answered(Arc<Mutex<BTreeSet<String>>>);

impl Answered {
    /// From now on the log is kept.
    pub fn begin() -> Self {
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            let is_kept = filter_fn(|metadata| [AUDIT, ACCESS].contains(&metadata.target()));
            tracing_subscriber::registry().with(Kept.with_filter(is_kept)).init();
        });
        Self::default()
    }

    pub fn add(&self, request_id: &str) {
        self.0.lock().unwrap().insert(request_id.to_owned());
    }

    /// What the audit log says of these requests.
    pub fn audit(&self) -> Vec<Value> {
        self.lines(AUDIT)
    }

    /// What the access log says of these requests.
    pub fn access(&self) -> Vec<Value> {
        self.lines(ACCESS)
    }

    fn lines(&self, target: &str) -> Vec<Value> {
        let ids = self.0.lock().unwrap();
        let is_of_one =
            |line: &Value| line["request_id"].as_str().is_some_and(|id| ids.contains(id));
        let lines = LINES.lock().unwrap();
        let found = lines.iter().filter(|(of, line)| *of == target && is_of_one(line));
        found.map(|(_, line)| line.clone()).collect()
    }
}

struct Kept;

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        LINES.lock().unwrap().push((event.metadata().target(), fields.0.into()));
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }
}
