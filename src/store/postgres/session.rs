//! What a session needs, set by statements after connecting: a pooler refuses startup parameters
//! that it does not know, `options` among them.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{Client, Connection, Error, SimpleQueryMessage};

use crate::telemetry::error_chain;

/// Which session of which server answers a connection.
const SESSION: &str = "SELECT pg_backend_pid() || ' ' || pg_postmaster_start_time()";

/// How often [`is_shared`] asks. A busy pooler may give both connections the same sessions again a
/// few times.
const ROUNDS: usize = 20;

/// Sets what the database or the role may have another default for, and checks the encoding.
///
/// - `statement_timeout`: the server times out as well, so that a change does not happen after its
///   error was reported.
/// - Read committed: a change is one guarded statement
///   (docs/decisions/0004-changes-are-guarded-writes.md), which waits for another one of the same
///   link and is then decided anew. At higher levels it would fail.
/// - `standard_conforming_strings`: Diesel writes `ESCAPE '\'`.
///
/// # Errors
/// What the server answered, or that the encoding is not UTF-8, which cannot hold every name.
pub(super) async fn prepare<S, T>(
    client: &Client,
    connection: &mut Connection<S, T>,
    timeout: Duration,
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let timeout_ms = timeout.as_millis();
    let statements = format!(
        "SET statement_timeout = {timeout_ms}; \
         SET default_transaction_isolation = 'read committed'; \
         SET standard_conforming_strings = on; \
         SELECT current_setting('server_encoding'), current_database()"
    );
    let asking = pin!(client.simple_query(&statements));
    let answer = match select(asking, connection).await {
        Either::Left((answer, _)) => answer.map_err(|error| error_chain(&error))?,
        Either::Right((Err(error), _)) => return Err(error_chain(&error)),
        Either::Right((Ok(()), _)) => return Err("the connection ended".to_owned()),
    };
    match first_row(&answer) {
        Some([Some("UTF8"), _]) => Ok(()),
        Some([Some(encoding), Some(database)]) => Err(format!(
            "the encoding of the database `{database}` is {encoding}; it must be UTF8 \
             (CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8')"
        )),
        _ => Err("the server does not say its encoding".to_owned()),
    }
}

/// Whether a connection is given a session for each transaction, which other connections share: a
/// pooler in transaction or statement mode. Two connections to it are told the same session, or one
/// is told two.
pub(super) async fn is_shared(one: &Client, other: &Client) -> Result<bool, Error> {
    let first = (session(one).await?, session(other).await?);
    if first.0 == first.1 {
        return Ok(true);
    }
    for _ in 1..ROUNDS {
        if (session(one).await?, session(other).await?) != first {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn session(client: &Client) -> Result<Option<String>, Error> {
    let answer = client.simple_query(SESSION).await?;
    Ok(first_row(&answer).and_then(|[session]| session.map(str::to_owned)))
}

fn first_row<const N: usize>(answer: &[SimpleQueryMessage]) -> Option<[Option<&str>; N]> {
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some(std::array::from_fn(|column| row.try_get(column).ok().flatten()))
        }
        _ => None,
    })
}
