//! Connects: the options of the URL, TLS by `sslmode`, and the settings of each session.

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
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::time::timeout;
use tokio_postgres::{
    Config,
    config::{SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use crate::{store::StoreError, telemetry::error_chain};

/// How long a connection is idle before TCP keepalives are sent.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Connects to the server of `DATABASE_URL`, or to the one of several servers that takes writes.
#[derive(Clone)]
pub(super) struct Connector {
    hosts: Arc<[Config]>,
    /// The host that answered last, which is tried first: one that died may take the whole
    /// time-out.
    first: Arc<AtomicUsize>,
    /// For each host. tokio-postgres' own time-out ends when the host has accepted the connection.
    host_timeout: Duration,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// `sslmode` is `disable`, `prefer` (the default: TLS where the server has it, with an
    /// unchecked certificate, as libpq does), or `require` and `verify-full`, which both check the
    /// certificate, since encryption to an unknown server protects nothing.
    pub(super) fn new(
        url: &str,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let urls = url_of_each_host(url);
        let (mut hosts, mut verify) = (Vec::new(), false);
        for url in &urls {
            let (mut config, verifies) = host_config(url, timeout)?;
            if urls.len() > 1 {
                // libpq takes any host that answers, but this service does not work on a standby.
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            hosts.push(config);
            verify |= verifies;
        }
        let host_timeout = timeout / u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        let tls = MakeRustlsConnect::new(tls_config(verify, ca_file)?);
        Ok(Self { hosts: hosts.into(), first: Arc::default(), host_timeout, tls })
    }

    /// Tries one host after the other, each for an equal part of the time-out.
    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let first = self.first.load(Ordering::Relaxed);
        let mut problem = "no host".to_owned();
        for host in (first..self.hosts.len()).chain(0..first) {
            let connecting = self.hosts[host].connect(self.tls.clone());
            match timeout(self.host_timeout, connecting).await {
                Ok(Ok((client, connection))) => {
                    self.first.store(host, Ordering::Relaxed);
                    return AsyncPgConnection::try_from_client_and_connection(client, connection)
                        .await;
                }
                Ok(Err(error)) => problem = error_chain(&error),
                Err(_) => {
                    "the server did not complete the connection in time".clone_into(&mut problem);
                }
            }
        }
        Err(ConnectionError::BadConnection(problem))
    }
}

/// `postgres://user@a:5432,b:5433/name` as one URL for each host.
fn url_of_each_host(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let hosts_at = authority.rfind('@').map_or(0, |at| at + 1);
    let (user, hosts) = authority.split_at(hosts_at);
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
}

/// The configuration of one host, and whether its certificate is checked.
fn host_config(url: &str, timeout: Duration) -> Result<(Config, bool), StoreError> {
    let wrong = |what: &str| StoreError::Unavailable(format!("DATABASE_URL: {what}"));
    let mut url = Url::parse(url).map_err(|e| wrong(&e.to_string()))?;
    let ssl_mode = take_ssl_mode(&mut url);
    // tokio-postgres' own message may repeat the URL and its password.
    let mut config: Config = url.as_str().parse().map_err(|_| wrong("not a PostgreSQL URL"))?;
    let (ssl_mode, verify) = match ssl_mode.as_deref() {
        Some("disable") => (SslMode::Disable, false),
        None | Some("prefer") => (SslMode::Prefer, false),
        Some("require" | "verify-ca" | "verify-full") => (SslMode::Require, true),
        Some(_) => return Err(wrong("sslmode is disable, prefer, require or verify-full")),
    };
    config.ssl_mode(ssl_mode);
    if config.get_application_name().is_none() {
        config.application_name("shared-chats");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(timeout);
    }
    // Detects a server that vanished without closing the connection.
    config.tcp_user_timeout(timeout).keepalives_idle(KEEPALIVE_IDLE);
    // The server times out as well, so that a change does not happen after its error was reported.
    let options = config.get_options().unwrap_or_default().to_owned();
    let timeout_ms = timeout.as_millis();
    config.options(format!("-c statement_timeout={timeout_ms} {options}"));
    Ok((config, verify))
}

/// Removes `sslmode` from the URL, since tokio-postgres knows only three of libpq's values.
fn take_ssl_mode(url: &mut Url) -> Option<String> {
    let (modes, others): (Vec<_>, Vec<_>) =
        url.query_pairs().into_owned().partition(|(key, _)| key == "sslmode");
    let (_, mode) = modes.into_iter().next()?;
    // Not form encoding: libpq's URLs do not read `+` as a space.
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let others = others.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value)));
    let query = others.collect::<Vec<_>>().join("&");
    url.set_query((!query.is_empty()).then_some(query.as_str()));
    Some(mode)
}

fn tls_config(verify: bool, ca_file: Option<&Path>) -> Result<ClientConfig, StoreError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(StoreError::unavailable)?;
    if !verify {
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let wrong = |e: rustls::pki_types::pem::Error| {
            StoreError::Unavailable(format!("DATABASE_CA_FILE {}: {e}", path.display()))
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(wrong)? {
            roots.add(certificate.map_err(wrong)?).map_err(StoreError::unavailable)?;
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// For `sslmode=prefer`: encrypted, but the server is not authenticated.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_url_of_several_hosts_is_one_url_for_each() {
        for (url, hosts) in [
            ("postgres://db/name", vec!["postgres://db/name"]),
            (
                "postgres://me:p%2Cw@a:1,b,[::1]:3/name?sslmode=require",
                vec![
                    "postgres://me:p%2Cw@a:1/name?sslmode=require",
                    "postgres://me:p%2Cw@b/name?sslmode=require",
                    "postgres://me:p%2Cw@[::1]:3/name?sslmode=require",
                ],
            ),
            // Neither a password nor an option is a list of hosts.
            ("postgres://me:p,w@a/name", vec!["postgres://me:p,w@a/name"]),
            ("postgres:///name?host=/run,x", vec!["postgres:///name?host=/run,x"]),
        ] {
            assert_eq!(url_of_each_host(url), hosts);
        }
    }

    #[test]
    fn several_hosts_ask_for_the_one_that_takes_writes() {
        let of = |url| Connector::new(url, None, Duration::from_secs(4)).unwrap();
        let several = of("postgres://a:1,b:2/name");
        assert_eq!(several.hosts.len(), 2);
        for host in several.hosts.iter() {
            assert_eq!(host.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        }
        assert_eq!(several.host_timeout, Duration::from_secs(2));
        let one = of("postgres://a/name");
        assert_eq!(one.hosts[0].get_target_session_attrs(), TargetSessionAttrs::Any);
        assert_eq!(one.host_timeout, Duration::from_secs(4));
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
