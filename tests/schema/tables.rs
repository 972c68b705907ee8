//! Both databases' migrations make the same tables, those that the code's queries name.

use std::{collections::BTreeMap, fs};

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query,
    sql_types::{Bool, Text},
};
use shared_chats::store::{Database, DatabaseUrl};

use crate::{postgres, settings};

/// Columns by table and name: what they hold, and whether they can be null.
type Tables = BTreeMap<String, BTreeMap<String, (&'static str, bool)>>;

const MIGRATIONS: &str = "__diesel_schema_migrations";

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

/// What a type of either database, or of the code, holds.
fn holds(kind: &str) -> &'static str {
    match kind.to_ascii_lowercase().as_str() {
        "text" => "text",
        "boolean" | "bool" => "yes or no",
        "bytea" | "blob" | "binary" => "bytes",
        // Times are counted in SQLite.
        "timestamp with time zone" | "utcmicros" => "time or count",
        // The key of SQLite's rows.
        "bigint" | "integer" => "time or count",
        other => panic!("a type that this test does not know: {other}"),
    }
}

fn tables(columns: impl IntoIterator<Item = Column>) -> Tables {
    let mut tables = Tables::new();
    for column in columns.into_iter().filter(|column| column.table_name != MIGRATIONS) {
        let held = (holds(&column.kind), column.nullable);
        tables.entry(column.table_name).or_default().insert(column.name, held);
    }
    tables
}

fn sqlite_tables(path: &str) -> Tables {
    let mut conn = SqliteConnection::establish(path).unwrap();
    // SQLite lets a primary key that is no integer be null; the service writes none.
    let columns: Vec<Column> = sql_query(
        "SELECT m.name AS table_name, c.name AS name, c.type AS kind, \
         (c.\"notnull\" = 0 AND c.pk = 0) AS nullable \
         FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    )
    .load(&mut conn)
    .unwrap();
    tables(columns)
}

/// The `table!`s of `src/store/schema.rs`.
fn tables_of_the_code() -> Tables {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/schema.rs");
    let mut table_name = String::new();
    let mut columns = Vec::new();
    for line in fs::read_to_string(path).unwrap().lines().map(str::trim) {
        if let Some((name, kind)) = line.strip_suffix(',').and_then(|l| l.split_once(" -> ")) {
            let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
            columns.push(Column {
                table_name: table_name.clone(),
                name: name.to_owned(),
                kind: inner.unwrap_or(kind).to_owned(),
                nullable: inner.is_some(),
            });
        } else if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with(") {")) {
            table_name = name.to_owned();
        }
    }
    tables(columns)
}

/// Migrates, twice at the same moment and then once more; says how often each version was applied.
async fn migrate(url: DatabaseUrl) -> Vec<usize> {
    let instance = || Database::open(&settings(url.clone())).unwrap();
    let (one, other) = (instance(), instance());
    let (one, other) = tokio::join!(one.migrate(), other.migrate());
    let again = instance().migrate().await;
    [one, other, again].into_iter().map(|applied| applied.unwrap().len()).collect()
}

#[track_caller]
fn assert_once(mut applied: Vec<usize>) {
    let last = applied.pop().unwrap();
    applied.sort_unstable();
    assert_eq!((applied[0], last), (0, 0), "one of them migrates, and only once");
    assert!(applied[1] > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_has_the_tables_of_the_code() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("links.db");
    assert_once(migrate(DatabaseUrl::Sqlite(path.clone())).await);
    let tables = sqlite_tables(path.to_str().unwrap());
    assert!(tables.len() >= 4, "{tables:?}");
    assert_eq!(tables, tables_of_the_code());
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_has_the_tables_of_the_code() {
    let Some(postgres::Schema { client, name, url }) = postgres::schema().await else { return };
    let migrated = tokio::spawn(migrate(DatabaseUrl::Postgres(url))).await;
    let columns = client
        .query(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES' \
             FROM information_schema.columns WHERE table_schema = $1",
            &[&name],
        )
        .await;
    // Before anything can fail.
    client.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await.unwrap();
    assert_once(migrated.unwrap());
    let columns = columns.unwrap().into_iter().map(|row| Column {
        table_name: row.get(0),
        name: row.get(1),
        kind: row.get(2),
        nullable: row.get(3),
    });
    assert_eq!(tables(columns), tables_of_the_code());
}
