//! Connects to the server of `DATABASE_URL`, or to the one of several servers that takes writes.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use tokio::{net::UnixStream, time::timeout};
use tokio_postgres::{
    Client, Config, Connection, NoTls, Socket,
    tls::{MakeTlsConnect, NoTlsStream},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    certificate::tls_config,
    session, url,
    wire::{Coded, Wire},
};
use crate::{store::StoreError, telemetry::error_chain};

#[derive(Clone)]
pub(super) struct Connector {
    hosts: Arc<[Config]>,
    /// The host that answered last, which is tried first: one that died may take the whole
    /// time-out.
    first: Arc<AtomicUsize>,
    /// Of a statement.
    timeout: Duration,
    /// For each host. tokio-postgres' own time-out ends when the host has accepted the connection.
    host_timeout: Duration,
    wire: Wire,
}

const SHARED_SESSION: &str = "DATABASE_URL leads to a pooler that gives out another session for \
                              each transaction; it must be in session mode (PgBouncer: pool_mode = \
                              session)";

enum Connected {
    Tcp(Client, Box<Connection<Socket, <Wire as MakeTlsConnect<Socket>>::Stream>>),
    Unix(Client, Box<Connection<Coded<UnixStream>, NoTlsStream>>),
}

impl Connector {
    pub(super) fn new(
        url: &str,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let (mut hosts, encryption) = url::parse(url, timeout)?;
        for host in hosts.iter_mut().filter(|host| url::unix_socket(host).is_none()) {
            Wire::applies_to(host);
        }
        let host_timeout = timeout / u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        let tls = MakeRustlsConnect::new(tls_config(encryption, ca_file)?);
        let wire = Wire::new(tls, encryption);
        Ok(Self { hosts: hosts.into(), first: Arc::default(), timeout, host_timeout, wire })
    }

    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let connected = match self.connect_to_any().await.map_err(ConnectionError::BadConnection)? {
            Connected::Tcp(client, connection) => {
                AsyncPgConnection::try_from_client_and_connection(client, *connection).await
            }
            Connected::Unix(client, connection) => {
                // Ends with the client. Diesel would take the crate's own socket alone.
                tokio::spawn(connection);
                AsyncPgConnection::try_from(client).await
            }
        };
        connected.map_err(|error| {
            let text = error.to_string();
            // A statement that was prepared is not there, or one that was not prepared is.
            let is_shared = text.contains("[26000]") || text.contains("[42P05]");
            if is_shared {
                ConnectionError::BadConnection(SHARED_SESSION.to_owned())
            } else {
                error
            }
        })
    }

    /// A connection of which Diesel passes notifications on. At a Unix socket its errors have no
    /// SQLSTATE.
    pub(super) async fn connect_to_listen(&self) -> ConnectionResult<AsyncPgConnection> {
        let host = &self.hosts[self.first.load(Ordering::Relaxed)];
        if url::unix_socket(host).is_none() {
            return self.connect().await;
        }
        let connecting = host.connect(NoTls).await;
        let (client, mut connection) =
            connecting.map_err(|error| ConnectionError::BadConnection(error_chain(&error)))?;
        let prepared = session::prepare(&client, &mut connection, self.timeout).await;
        prepared.map_err(ConnectionError::BadConnection)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }

    /// Checks that a connection has its session for itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when a pooler gives it one for each transaction. The service
    /// listens, sets its sessions up and prepares statements, so this would fail later, and not
    /// each time.
    pub(super) async fn check_sessions(&self) -> Result<(), StoreError> {
        let one = self.client().await?;
        let other = self.client().await?;
        let asked = timeout(self.timeout, session::is_shared(&one, &other)).await;
        let is_shared = asked.map_err(|_| super::too_late())?.map_err(StoreError::unavailable)?;
        if is_shared {
            return Err(StoreError::unavailable(SHARED_SESSION));
        }
        Ok(())
    }

    async fn client(&self) -> Result<Client, StoreError> {
        match self.connect_to_any().await.map_err(StoreError::Unavailable)? {
            Connected::Tcp(client, connection) => {
                tokio::spawn(connection);
                Ok(client)
            }
            Connected::Unix(client, connection) => {
                tokio::spawn(connection);
                Ok(client)
            }
        }
    }

    /// Tries one host after the other, each for an equal part of the time-out.
    async fn connect_to_any(&self) -> Result<Connected, String> {
        let first = self.first.load(Ordering::Relaxed);
        let mut problem = "no host".to_owned();
        for host in (first..self.hosts.len()).chain(0..first) {
            match timeout(self.host_timeout, self.connect_to(&self.hosts[host])).await {
                Ok(Ok(connected)) => {
                    self.first.store(host, Ordering::Relaxed);
                    return Ok(connected);
                }
                Ok(Err(why)) => problem = why,
                Err(_) => {
                    "the server did not complete the connection in time".clone_into(&mut problem);
                }
            }
        }
        Err(problem)
    }

    async fn connect_to(&self, host: &Config) -> Result<Connected, String> {
        let why = |error: tokio_postgres::Error| error_chain(&error);
        match url::unix_socket(host) {
            None => {
                let connecting = host.connect(self.wire.clone());
                let (client, mut connection) = connecting.await.map_err(why)?;
                session::prepare(&client, &mut connection, self.timeout).await?;
                Ok(Connected::Tcp(client, Box::new(connection)))
            }
            Some(path) => {
                let socket = UnixStream::connect(&path).await;
                let socket = socket.map_err(|error| format!("{}: {error}", path.display()))?;
                let connecting = host.connect_raw(Coded::new(socket), NoTls);
                let (client, mut connection) = connecting.await.map_err(why)?;
                session::prepare(&client, &mut connection, self.timeout).await?;
                Ok(Connected::Unix(client, Box::new(connection)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn several_hosts_share_the_time_out() {
        let of = |url| Connector::new(url, None, Duration::from_secs(4)).unwrap().host_timeout;
        assert_eq!(of("postgres://a:1,b:2/name"), Duration::from_secs(2));
        assert_eq!(of("postgres://a/name"), Duration::from_secs(4));
    }

    #[tokio::test]
    async fn a_silent_host_leaves_time_for_the_next() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let next = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = [&silent, &next].map(|listener| listener.local_addr().unwrap().port());
        let url = format!("postgres://me@127.0.0.1:{},127.0.0.1:{}/name", ports[0], ports[1]);
        let connector = Connector::new(&url, None, Duration::from_millis(200)).unwrap();
        let connecting = tokio::spawn(async move { connector.connect().await.is_err() });
        next.accept().await.unwrap();
        assert!(connecting.await.unwrap());
    }
}
