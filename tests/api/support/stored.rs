//! The database itself: what is imported into it, and what is left in it.

use std::io::Cursor;

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    sql_types::{BigInt, Text},
};
use serde_json::Value;
use shared_chats::{
    sharing::{Imported, LegacyImport, LineReport},
    store::{Database, DatabaseSettings, Store},
};
use tokio_postgres::NoTls;

use super::App;

/// The application's links, past the application.
pub fn store(app: &App) -> Store {
    let settings = DatabaseSettings {
        url: app.setup.database_url.parse().unwrap(),
        pool_size: 2,
        timeout: std::time::Duration::from_secs(30),
        queue_timeout: std::time::Duration::from_secs(30),
        ca_file: None,
    };
    Store::new(Database::open(&settings).unwrap())
}

/// What `legacy import` does, at the application's time.
pub async fn import(app: &App, file: impl AsRef<[u8]>) -> (Imported, Vec<LineReport>) {
    let clock = app.clock.clone();
    let import = LegacyImport { store: store(app), clock, max_snapshot_bytes: 100_000 };
    let mut reports = Vec::new();
    let input = Cursor::new(file.as_ref().to_vec());
    let counts = import.run(input, |report| reports.push(report)).await.unwrap();
    (counts, reports)
}

/// How many rows of the table there are.
pub async fn rows(app: &App, table: &str) -> i64 {
    let query = format!("SELECT count(*) AS count FROM {table}");
    let Some(path) = app.setup.database_url.strip_prefix("sqlite:") else {
        let (client, connection) =
            tokio_postgres::connect(&app.setup.database_url, NoTls).await.unwrap();
        tokio::spawn(connection);
        return client.query_one(&query, &[]).await.unwrap().get(0);
    };
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let mut conn = SqliteConnection::establish(path).unwrap();
    let found: Count = diesel::sql_query(query).get_result(&mut conn).unwrap();
    found.count
}

/// Every audit record in the order of time, without what differs each time: its own `id`.
pub async fn audit_records(app: &App) -> Vec<Value> {
    const COLUMNS: [&str; 11] = [
        "at",
        "actor_kind",
        "actor_id",
        "action",
        "result",
        "link",
        "chat",
        "client",
        "request_id",
        "times",
        "detail",
    ];
    let text = match app.setup.database_url.strip_prefix("sqlite:") {
        None => {
            let url = &app.setup.database_url;
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let query = "SELECT json_agg(r ORDER BY at, id)::text FROM audit_records r";
            client.query_one(query, &[]).await.unwrap().get::<_, Option<String>>(0)
        }
        Some(path) => {
            #[derive(QueryableByName)]
            struct Json {
                #[diesel(sql_type = Text)]
                json: String,
            }
            let columns = COLUMNS.map(|column| format!("'{column}', {column}")).join(", ");
            let query = format!(
                "SELECT json_group_array(json_object({columns})) AS json \
                 FROM (SELECT * FROM audit_records ORDER BY at, id)"
            );
            let mut conn = SqliteConnection::establish(path).unwrap();
            Some(diesel::sql_query(query).get_result::<Json>(&mut conn).unwrap().json)
        }
    };
    let mut records: Vec<Value> = serde_json::from_str(text.as_deref().unwrap_or("[]")).unwrap();
    for record in &mut records {
        record.as_object_mut().unwrap().remove("id");
        if let Some(detail) = record["detail"].as_str() {
            record["detail"] = serde_json::from_str(detail).unwrap();
        }
    }
    records
}

/// Does this to the database itself, of which no instance is told.
pub async fn behind_its_back(app: &App, statements: &str) {
    let Some(path) = app.setup.database_url.strip_prefix("sqlite:") else {
        let url = &app.setup.database_url;
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        return client.batch_execute(statements).await.unwrap();
    };
    let mut conn = SqliteConnection::establish(path).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON").unwrap();
    conn.batch_execute(statements).unwrap();
}
