//! The migrations, embedded in the binary. They only ever add: an older instance goes on working
//! beside a newer schema while a deployment rolls.

use diesel::{connection::SimpleConnection, migration::MigrationSource};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::store::{Database, StoreError, sqlite::open_for_migrations};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock under which one instance migrates while the others wait ("shrchats").
const LOCK: i64 = 0x7368_7263_6861_7473;

impl Database {
    /// Brings the schema up to date, and returns the versions that were applied. Instances that
    /// start at the same time take turns.
    ///
    /// # Errors
    /// [`StoreError`] when the database is out of reach or a migration failed, which leaves the
    /// schema as it was before that migration.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let database = self.clone();
        let conn = match &database {
            Database::Sqlite(_) => None,
            Database::Postgres(postgres) => Some(postgres.connect().await?),
        };
        // diesel's migrations are synchronous; their wrapper must not run on a worker.
        let migrating = tokio::task::spawn_blocking(move || match (&database, conn) {
            (Database::Sqlite(sqlite), _) => {
                let mut conn = open_for_migrations(sqlite.path())?;
                conn.exclusive_transaction(|conn| run(conn, SQLITE))
            }
            (Database::Postgres(_), conn) => {
                let conn = conn.ok_or_else(|| StoreError::unavailable("no connection"))?;
                let mut conn = AsyncConnectionWrapper::<_>::from(conn);
                // Waiting for another instance's migration is no failure.
                conn.batch_execute("SET statement_timeout = 0")?;
                conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))?;
                let result = run(&mut conn, POSTGRES);
                conn.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})"))?;
                result
            }
        });
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
