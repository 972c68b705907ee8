//! A database for each test: a SQLite file, or a schema of its own on the PostgreSQL server that
//! `TEST_DATABASE_URL` names.

use std::{io::Write, sync::Once};

use tempfile::TempDir;
use tokio_postgres::NoTls;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub enum TestDatabase {
    Sqlite { url: String, _folder: TempDir },
    Postgres { url: String, server: String, schema: String },
}

impl TestDatabase {
    /// `None`: PostgreSQL is left out, which the run says once.
    pub async fn create(engine: Engine) -> Option<Self> {
        match engine {
            Engine::Sqlite => {
                let folder = TempDir::new().unwrap();
                let url = format!("sqlite:{}", folder.path().join("links.db").display());
                Some(Self::Sqlite { url, _folder: folder })
            }
            Engine::Postgres => {
                let server = server()?;
                let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
                execute(&server, &format!("CREATE SCHEMA {schema}")).await;
                let and = if server.contains('?') { '&' } else { '?' };
                // Nothing is kept after the test, so no commit waits for the disk.
                let options =
                    format!("-c%20search_path%3D{schema}%20-c%20synchronous_commit%3Doff");
                let url = format!("{server}{and}options={options}");
                Some(Self::Postgres { url, server, schema })
            }
        }
    }

    /// For `DATABASE_URL`.
    pub fn url(&self) -> &str {
        match self {
            Self::Sqlite { url, .. } | Self::Postgres { url, .. } => url,
        }
    }

    pub async fn remove(self) {
        match self {
            // The folder goes with its guard.
            Self::Sqlite { .. } => {}
            Self::Postgres { server, schema, .. } => {
                execute(&server, &format!("DROP SCHEMA {schema} CASCADE")).await;
            }
        }
    }
}

fn server() -> Option<String> {
    if let Ok(url) = std::env::var("TEST_DATABASE_URL")
        && !url.is_empty()
    {
        return Some(url);
    }
    let required = std::env::var("REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    assert!(!required, "REQUIRE_POSTGRES=1, but TEST_DATABASE_URL is not set");
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let note = "\nPostgreSQL was left out: set TEST_DATABASE_URL=postgres://… to test it too\n";
        // Not by `eprintln!`, which the test harness keeps to itself while tests pass.
        std::io::stderr().write_all(note.as_bytes()).unwrap();
    });
    None
}

async fn execute(server: &str, statement: &str) {
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let statement = format!("SET synchronous_commit = off; {statement}");
    client.batch_execute(&statement).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}
