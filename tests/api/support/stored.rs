//! The database itself: what is imported into it, and what is left in it.

use std::io::Cursor;

use diesel::{
    Connection, QueryableByName, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
    sql_types::BigInt,
};
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
