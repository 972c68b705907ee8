//! Hearing what other instances announce, on a connection of its own.

use std::{pin::pin, time::Duration};

use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::StreamExt;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::store::{
    StoreError,
    notices::{CHANNEL, Notice},
    postgres::Postgres,
};

/// The longest pause before the connection is made anew.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);
/// After this long without a word the server is asked whether it is still there, and still the one
/// that takes writes: a connection that a firewall forgot, or that was left behind when another
/// server took over, looks like a quiet one.
const QUIET: Duration = Duration::from_secs(10);
/// How long it may take to answer that.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(diesel::QueryableByName)]
struct ReadOnly {
    #[diesel(sql_type = Bool)]
    is_read_only: bool,
}

#[derive(diesel::QueryableByName)]
struct Schema {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Postgres {
    /// Calls `hear` for each notice, in a task of the main runtime.
    pub(in crate::store) fn listen(
        &self,
        hear: impl Fn(Notice) + Send + Sync + 'static,
    ) -> JoinHandle<()> {
        let this = self.clone();
        self.inner.runtime.spawn(async move {
            let mut pause = Duration::ZERO;
            loop {
                sleep(pause).await;
                pause = match this.hear_until_lost(&hear).await {
                    (true, why) => {
                        tracing::warn!(%why, "the listener's connection was lost");
                        Duration::ZERO
                    }
                    (false, why) => {
                        tracing::debug!(%why, "the listener is not connected");
                        (pause * 2).clamp(Duration::from_millis(100), LONGEST_PAUSE)
                    }
                };
                // Nobody is told anything meanwhile, so whoever can ask does.
                hear(Notice::Everything);
            }
        })
    }

    /// Whether it was connected at all, and why it is not any more.
    async fn hear_until_lost(&self, hear: &(impl Fn(Notice) + Send + Sync)) -> (bool, StoreError) {
        let connecting = timeout(self.inner.timeout, self.start_listening()).await;
        let (mut conn, prefix) = match connecting {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return (false, error),
            Err(_) => return (false, super::too_late()),
        };
        // What was announced before this moment was not heard.
        hear(Notice::Everything);
        loop {
            let next = {
                let mut notifications = pin!(conn.notifications_stream());
                timeout(QUIET, notifications.next()).await
            };
            match next {
                Ok(Some(Ok(notification))) => {
                    if let Some(payload) = notification.payload.strip_prefix(&prefix) {
                        hear(Notice::parse(payload));
                    }
                }
                Ok(Some(Err(error))) => return (true, error.into()),
                Ok(None) => return (true, StoreError::unavailable("the connection ended")),
                Err(_) => match timeout(PATIENCE, is_read_only(&mut conn)).await {
                    Ok(Ok(false)) => {}
                    Ok(Ok(true)) => {
                        self.leave_server(Duration::ZERO);
                        return (true, StoreError::ReadOnly("it was replaced".to_owned()));
                    }
                    Ok(Err(error)) => return (true, error),
                    Err(_) => return (true, super::too_late()),
                },
            }
        }
    }

    /// A connection that listens, and what payloads of our schema begin with.
    async fn start_listening(&self) -> Result<(AsyncPgConnection, String), StoreError> {
        let mut conn = self.connect().await?;
        conn.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        let schema: Schema = diesel::sql_query("SELECT current_schema()::text AS name")
            .get_result(&mut conn)
            .await?;
        Ok((conn, format!("{} ", schema.name)))
    }
}

async fn is_read_only(conn: &mut AsyncPgConnection) -> Result<bool, StoreError> {
    let answer: ReadOnly = diesel::sql_query(
        "SELECT current_setting('transaction_read_only')::boolean AS is_read_only",
    )
    .get_result(conn)
    .await?;
    Ok(answer.is_read_only)
}
