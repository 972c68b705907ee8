//! Listens to the notices of all instances, on a separate connection.

use std::{pin::pin, time::Duration};

use diesel::{
    dsl::sql,
    sql_types::{Bool, Text},
};
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

/// The longest pause before it connects again.
const MAX_PAUSE: Duration = Duration::from_millis(800);
/// After this long without a notice the server is asked whether it still takes writes: a connection
/// that a firewall dropped, or whose server was replaced, looks like an idle one.
const IDLE: Duration = Duration::from_secs(10);
/// How long the server may take to answer that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

impl Postgres {
    /// Calls `on_notice` for each notice, in a task of the main runtime.
    pub(in crate::store) fn listen(
        &self,
        on_notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> JoinHandle<()> {
        let this = self.clone();
        self.inner.runtime.spawn(async move {
            let mut pause = Duration::ZERO;
            loop {
                sleep(pause).await;
                pause = match this.listen_until_lost(&on_notice).await {
                    (true, why) => {
                        tracing::warn!(%why, "the listener's connection was lost");
                        Duration::ZERO
                    }
                    (false, why) => {
                        tracing::debug!(%why, "the listener is not connected");
                        (pause * 2).clamp(Duration::from_millis(100), MAX_PAUSE)
                    }
                };
                // Notices were missed, so caches have to check for themselves.
                on_notice(Notice::Everything);
            }
        })
    }

    /// Listens until the connection is lost. Returns whether it was connected, and the error.
    async fn listen_until_lost(
        &self,
        on_notice: &(impl Fn(Notice) + Send + Sync),
    ) -> (bool, StoreError) {
        let connecting = timeout(self.inner.timeout, self.start_listening()).await;
        let (mut conn, prefix) = match connecting {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return (false, error),
            Err(_) => return (false, super::too_late()),
        };
        // Earlier announcements were missed.
        on_notice(Notice::Everything);
        loop {
            let next = {
                let mut notifications = pin!(conn.notifications_stream());
                timeout(IDLE, notifications.next()).await
            };
            match next {
                Ok(Some(Ok(notification))) => {
                    if let Some(payload) = notification.payload.strip_prefix(&prefix) {
                        on_notice(Notice::parse(payload));
                    }
                }
                Ok(Some(Err(error))) => return (true, error.into()),
                Ok(None) => return (true, StoreError::unavailable("the connection ended")),
                Err(_) => match timeout(ANSWER_TIMEOUT, is_read_only(&mut conn)).await {
                    Ok(Ok(false)) => {}
                    Ok(Ok(true)) => {
                        self.inner.failover.leave_server(Duration::ZERO);
                        return (true, StoreError::ReadOnly("the server was replaced".to_owned()));
                    }
                    Ok(Err(error)) => return (true, error),
                    Err(_) => return (true, super::too_late()),
                },
            }
        }
    }

    /// A connection that listens, and the prefix of the payloads of this schema.
    async fn start_listening(&self) -> Result<(AsyncPgConnection, String), StoreError> {
        let connecting = self.inner.connector.connect_to_listen().await;
        let mut conn = connecting.map_err(StoreError::unavailable)?;
        conn.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        let schema = diesel::select(sql::<Text>("current_schema()::text"));
        let schema: String = schema.get_result(&mut conn).await?;
        Ok((conn, format!("{schema} ")))
    }
}

async fn is_read_only(conn: &mut AsyncPgConnection) -> Result<bool, StoreError> {
    let setting = sql::<Bool>("current_setting('transaction_read_only')::boolean");
    Ok(diesel::select(setting).get_result(conn).await?)
}
