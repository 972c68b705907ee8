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
use tokio_postgres::Client;

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

/// Each statement, and its plan for any values.
async fn explained(client: &Client, statements: Vec<String>) -> Vec<(String, String)> {
    let mut plans = Vec::new();
    for (number, sql) in statements.into_iter().enumerate() {
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
    plans
}

/// The index has the beginning of the names: pages are read in its order, and only links whose
/// names begin alike are sorted.
#[tokio::test(flavor = "multi_thread")]
async fn lists_by_name_go_by_the_beginning_of_the_name_on_postgresql() {
    let Some(postgres::Schema { client, name, url }) = postgres::schema().await else { return };
    let lists = statements(DatabaseUrl::Postgres(url), "ORDER BY left(name_folded").await;
    let links = format!(
        "SET search_path = {name}; SET plan_cache_mode = force_generic_plan; \
         INSERT INTO shared_chats (id, chat_session_id, owner_id, name, name_folded, is_private, \
             is_frozen, is_legacy, includes_artifacts, created_at, updated_at, revision) \
         SELECT 'link-' || n, 'c', 'alice', n::text, n::text, false, true, false, false, now(), \
             now(), 1 FROM generate_series(1, 20000) n; \
         ANALYZE shared_chats"
    );
    client.batch_execute(&links).await.unwrap();
    let plans = explained(&client, lists).await;
    client.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await.unwrap();
    // One that is filtered may find it cheaper to sort the few that are left.
    let filters = ["LIKE", "\"is_private\" =", "\"is_frozen\" =", "\"chat_session_id\" ="];
    let is_whole = |sql: &str| !filters.iter().any(|filter| sql.contains(filter));
    for (sql, plan) in plans.into_iter().filter(|(sql, _)| is_whole(sql)) {
        assert!(plan.contains("shared_chats_owner_name_beginning"), "{plan}\n{sql}");
        assert!(plan.contains("Incremental Sort"), "{plan}\n{sql}");
        // A cursor is sought in the index.
        let is_sought = sql.contains("> (left(") || sql.contains("< (left(");
        let condition = plan.lines().find(|step| step.contains("Index Cond")).unwrap_or_default();
        assert_eq!(is_sought, condition.contains("\"left\"(name_folded"), "{plan}\n{sql}");
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
    let plans = explained(&client, lists).await;
    // Before anything can fail.
    client.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await.unwrap();
    for (sql, plan) in plans {
        assert!(plan.contains("shared_chats_"), "an index of the table:\n{plan}\n{sql}");
        assert!(!plan.contains("Seq Scan"), "{plan}\n{sql}");
    }
}
