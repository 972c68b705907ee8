//! What is under way for users who end, or to name them.

use chrono::Duration;
use diesel::{
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{Array, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{FutureExt, future::BoxFuture};

use crate::store::{StoreError, sqlite::SqliteConn};

/// By how much the clocks of two instances may differ: a request that began so long after the end by
/// its instance's clock may have begun before it.
pub(in crate::store) const CLOCK_SKEW: Duration = Duration::seconds(5);

/// Serialises what makes links of users or names them with the end of one of them, until the open
/// transaction ends: creates and changes take the locks together, an end takes its own alone.
pub(in crate::store) trait LockUsers {
    fn lock_users<'c>(
        &'c mut self,
        users: &[String],
        is_end: bool,
    ) -> BoxFuture<'c, Result<(), StoreError>>;
}

impl LockUsers for AsyncPgConnection {
    fn lock_users<'c>(
        &'c mut self,
        users: &[String],
        is_end: bool,
    ) -> BoxFuture<'c, Result<(), StoreError>> {
        let lock = LockStatement { users: users.to_vec(), is_end };
        async move {
            lock.execute(self).await?;
            Ok(())
        }
        .boxed()
    }
}

/// Two users with the same hash wait for each other.
struct LockStatement {
    users: Vec<String>,
    is_end: bool,
}

impl QueryFragment<Pg> for LockStatement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(match self.is_end {
            true => "SELECT pg_advisory_xact_lock(hashtextextended(one, 7352)) FROM unnest(",
            false => {
                "SELECT pg_advisory_xact_lock_shared(hashtextextended(one, 7352)) FROM unnest("
            }
        });
        out.push_bind_param::<Array<Text>, _>(&self.users)?;
        out.push_sql(") one");
        Ok(())
    }
}

// It is prepared once for each connection, and found again by its text.
impl QueryId for LockStatement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl LockUsers for SqliteConn {
    // There is one writer.
    fn lock_users<'c>(
        &'c mut self,
        _: &[String],
        _: bool,
    ) -> BoxFuture<'c, Result<(), StoreError>> {
        std::future::ready(Ok(())).boxed()
    }
}

/// Those of the users who ended after the request began, once their locks are held.
macro_rules! ended_since {
    ($conn:ident, $users:expr, $began_at:expr) => {{
        use $crate::store::{Moment, queries::users::lock::CLOCK_SKEW, schema::ended_users};
        let ended: Vec<String> = ended_users::table
            .filter(ended_users::user_id.eq_any($users))
            .filter(ended_users::ended_at.ge(Moment($began_at - CLOCK_SKEW)))
            .select(ended_users::user_id)
            .load($conn)
            .await?;
        ended
    }};
}
pub(in crate::store) use ended_since;
