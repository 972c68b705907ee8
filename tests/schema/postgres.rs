//! A schema of its own on the server that `TEST_DATABASE_URL` names.

use std::io::Write;

use tokio_postgres::{Client, NoTls};

pub struct Schema {
    pub client: Client,
    pub name: String,
    /// Of the server, with this schema before all others.
    pub url: String,
}

/// A new schema, which the caller drops; `None`: PostgreSQL is left out.
pub async fn schema() -> Option<Schema> {
    let server = std::env::var("TEST_DATABASE_URL").unwrap_or_default();
    if server.is_empty() {
        let required = std::env::var("REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
        assert!(!required, "REQUIRE_POSTGRES=1, but TEST_DATABASE_URL is not set");
        let note = "\nPostgreSQL was left out: set TEST_DATABASE_URL=postgres://… to test it too\n";
        std::io::stderr().write_all(note.as_bytes()).unwrap();
        return None;
    }
    let (client, connection) = tokio_postgres::connect(&server, NoTls).await.unwrap();
    tokio::spawn(connection);
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    client.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
    let and = if server.contains('?') { '&' } else { '?' };
    let url = format!("{server}{and}options=-c%20search_path%3D{name}");
    Some(Schema { client, name, url })
}
