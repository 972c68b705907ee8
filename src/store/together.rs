//! Several statements of an open transaction at once.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{QueryFragment, QueryId},
    sqlite::Sqlite,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};

use super::{StoreError, sqlite::SqliteConn};

/// Runs statements, a tuple of them, of an open transaction in one round trip, where there are round
/// trips. None may need another of them done: which one the server gets first is not said. (What refers to
/// a row that another one inserts does so by a key that is compared at the commit.)
pub(super) trait Together<S> {
    /// How many rows each of them changed.
    fn together<'c>(&'c mut self, statements: S) -> BoxFuture<'c, Result<Vec<usize>, StoreError>>
    where
        S: 'c;
}

macro_rules! tuple {
    ($($statement:ident),+) => {
        impl<$($statement),+> Together<($($statement,)+)> for AsyncPgConnection
        where
            $($statement: QueryFragment<Pg> + QueryId + Send,)+
        {
            #[expect(non_snake_case, reason = "a value for each type")]
            fn together<'c>(
                &'c mut self,
                ($($statement,)+): ($($statement,)+),
            ) -> BoxFuture<'c, Result<Vec<usize>, StoreError>>
            where
                ($($statement,)+): 'c,
            {
                let conn = &*self;
                // All are sent before the first answer is waited for, and all answers are waited for:
                // what comes after them on this connection must not meet one under way.
                let sent = join_all([$(execute(conn, $statement)),+]);
                async move { Ok(sent.await.into_iter().collect::<QueryResult<_>>()?) }.boxed()
            }
        }

        impl<$($statement),+> Together<($($statement,)+)> for SqliteConn
        where
            $($statement: QueryFragment<Sqlite> + QueryId + Send,)+
        {
            #[expect(non_snake_case, reason = "a value for each type")]
            fn together<'c>(
                &'c mut self,
                ($($statement,)+): ($($statement,)+),
            ) -> BoxFuture<'c, Result<Vec<usize>, StoreError>>
            where
                ($($statement,)+): 'c,
            {
                async move { Ok(vec![$($statement.execute(self).await?),+]) }.boxed()
            }
        }
    };
}

tuple!(A, B, C);
tuple!(A, B, C, D);

fn execute<'c>(
    mut conn: &'c AsyncPgConnection,
    statement: impl QueryFragment<Pg> + QueryId + Send + 'c,
) -> BoxFuture<'c, QueryResult<usize>> {
    async move { statement.execute(&mut conn).await }.boxed()
}
