//! Another writer to the database, whose transaction does not end.

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use tokio_postgres::{Client, NoTls};

use super::{App, eventually};

/// While it is held, writes of others wait; reads go on. Dropping it releases them.
pub enum WriteLock {
    Sqlite { _conn: SqliteConnection },
    Postgres { client: Client },
}

impl WriteLock {
    pub async fn take(app: &App) -> Self {
        let url = &app.setup.database_url;
        if let Some(path) = url.strip_prefix("sqlite:") {
            let mut conn = SqliteConnection::establish(path).unwrap();
            conn.batch_execute("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE").unwrap();
            return Self::Sqlite { _conn: conn };
        }
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let statements = "BEGIN; LOCK TABLE shared_chats IN EXCLUSIVE MODE";
        client.batch_execute(statements).await.unwrap();
        Self::Postgres { client }
    }

    /// Waits until a statement waits for it, which SQLite does not show.
    pub async fn is_waited_for(&self) {
        let Self::Postgres { client } = self else { panic!("not on SQLite") };
        let waiting = "SELECT 1 FROM pg_locks
                       WHERE relation = 'shared_chats'::regclass AND NOT granted LIMIT 1";
        eventually("a statement waits for the lock", async || {
            client.query_opt(waiting, &[]).await.unwrap().is_some()
        })
        .await;
    }
}
