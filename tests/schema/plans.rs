//! No list reads a whole table: the statements that the code really sends are explained by the
//! database.

use std::{collections::BTreeSet, sync::Mutex};

use chrono::{DateTime, Utc};
use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::{Instrumentation, InstrumentationEvent},
    sql_query,
    sql_types::Text,
};
use shared_chats::{
    model::{ChatSessionId, ShareId, UserId},
    store::{Database, DatabaseUrl, LinkFilter, LinkOrder, ListQuery, Place, PlaceKey, Store},
};

use crate::{postgres, settings};

/// What was asked of any connection of this process.
static ASKED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

const ORDERS: [LinkOrder; 4] =
    [LinkOrder::NewestFirst, LinkOrder::OldestFirst, LinkOrder::Name, LinkOrder::NameBackwards];
const FILTERS: [LinkFilter; 3] = [LinkFilter::All, LinkFilter::Private, LinkFilter::Frozen];

fn listening() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(|event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let sql = text.split(" -- binds:").next().unwrap_or_default().to_owned();
            ASKED.lock().unwrap().insert(sql);
        }
    }))
}

/// Every kind of list, once.
fn queries(now: DateTime<Utc>) -> impl Iterator<Item = ListQuery> {
    let orders = ORDERS.into_iter().flat_map(|order| FILTERS.map(|filter| (order, filter)));
    let narrowed = orders.flat_map(|(order, filter)| {
        [(false, false), (true, false), (false, true), (true, true)]
            .map(|(by_name, by_chat)| (order, filter, by_name, by_chat))
    });
    narrowed.flat_map(move |(order, filter, by_name, by_chat)| {
        let key = match order {
            LinkOrder::NewestFirst | LinkOrder::OldestFirst => PlaceKey::CreatedAt(now),
            LinkOrder::Name | LinkOrder::NameBackwards => PlaceKey::FoldedName("x".to_owned()),
        };
        [None, Some(Place { key, id: ShareId::random() })].map(|after| ListQuery {
            owner: UserId::parse("alice").unwrap(),
            filter,
            name_part: by_name.then(|| "x".to_owned()),
            chat_session_id: by_chat.then(|| ChatSessionId::parse("c").unwrap()),
            order,
            offset: 0,
            after,
            limit: 10,
        })
    })
}

/// The statements of all lists, as the database of this URL gets them.
async fn statements(url: DatabaseUrl, mark: &str) -> Vec<String> {
    diesel::connection::set_default_instrumentation(listening).unwrap();
    let database = Database::open(&settings(url)).unwrap();
    database.migrate().await.unwrap();
    let store = Store::new(database);
    let now = DateTime::from_timestamp_micros(1_800_000_000_000_000).unwrap();
    for query in queries(now) {
        store.list(query, now).await.unwrap();
    }
    let asked = ASKED.lock().unwrap();
    let lists: Vec<_> = asked.iter().filter(|sql| sql.contains(mark)).cloned().collect();
    assert!(lists.len() >= 40, "{} statements", lists.len());
    lists
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_reads_an_index_alone_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("links.db");
    let lists = statements(DatabaseUrl::Sqlite(path.clone()), "`owner_id` = ?").await;
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    for sql in lists {
        let plan: Vec<Step> =
            sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(&mut conn).unwrap();
        assert!(!plan.is_empty());
        for Step { detail } in plan {
            assert!(!detail.starts_with("SCAN"), "{detail}: {sql}");
            // What is looked up in the table is a read of the file for each link.
            let is_search = detail.starts_with("SEARCH");
            assert!(!is_search || detail.contains("COVERING INDEX"), "{detail}: {sql}");
        }
    }
}

/// The table is empty, and reading it whole would be best: with that made dear, the plan reads it
/// whole only where there is no other way.
#[tokio::test(flavor = "multi_thread")]
async fn no_list_reads_the_whole_table_on_postgresql() {
    let Some(postgres::Schema { client, name, url }) = postgres::schema().await else { return };
    let lists = statements(DatabaseUrl::Postgres(url), "\"owner_id\" = $").await;
    let setting = format!(
        "SET search_path = {name}; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
    );
    client.batch_execute(&setting).await.unwrap();
    let mut plans = Vec::new();
    for (number, sql) in lists.into_iter().enumerate() {
        let parameters = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
        client.batch_execute(&format!("PREPARE list_{number} AS {sql}")).await.unwrap();
        let nulls = vec!["NULL"; parameters].join(", ");
        let explain = format!("EXPLAIN (COSTS OFF) EXECUTE list_{number}({nulls})");
        let rows = client.simple_query(&explain).await.unwrap();
        let steps = rows.iter().filter_map(|row| match row {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        plans.push((sql, steps.collect::<Vec<_>>().join("\n")));
    }
    // Before anything can fail.
    client.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await.unwrap();
    for (sql, plan) in plans {
        assert!(plan.contains("shared_chats_"), "an index of the table:\n{plan}\n{sql}");
        assert!(!plan.contains("Seq Scan"), "{plan}\n{sql}");
    }
}
