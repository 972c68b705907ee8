//! The migrations, embedded in the binary. They only add, so that older instances work with a newer
//! schema during a rolling deployment.

use diesel::{connection::SimpleConnection, migration::MigrationSource};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::task::spawn_blocking;

use crate::store::{Database, StoreError};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock under which one instance migrates while the others wait ("shrchats").
const LOCK: i64 = 0x7368_7263_6861_7473;

impl Database {
    /// Brings the schema up to date, one instance at a time, and returns the versions that were
    /// applied. Before that, checks that PostgreSQL can be worked with. A migration that failed leaves the schema as it was before that migration.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        // diesel's migrations are synchronous; their wrapper must not run on a worker.
        let migrating = match self.clone() {
            Database::Sqlite(sqlite) => spawn_blocking(move || {
                sqlite.open_for_migrations()?.exclusive_transaction(|conn| run(conn, SQLITE))
            }),
            Database::Postgres(postgres) => {
                postgres.check_sessions().await?;
                let conn = postgres.connect().await?;
                spawn_blocking(move || {
                    let mut conn = AsyncConnectionWrapper::<_>::from(conn);
                    // Waiting for the migration of another instance is no failure.
                    conn.batch_execute("SET statement_timeout = 0")?;
                    conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))?;
                    let result = run(&mut conn, POSTGRES);
                    conn.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})"))?;
                    result
                })
            }
        };
        migrating.await.map_err(|e| StoreError::Failed(e.to_string()))?
    }
}

fn run<B: diesel::backend::Backend>(
    conn: &mut impl MigrationHarness<B>,
    migrations: impl MigrationSource<B>,
) -> Result<Vec<String>, StoreError> {
    let applied = conn
        .run_pending_migrations(migrations)
        .map_err(|e| StoreError::Failed(format!("a migration failed: {e}")))?;
    Ok(applied.iter().map(ToString::to_string).collect())
}
