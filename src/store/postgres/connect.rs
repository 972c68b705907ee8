//! Making a connection: the URL's options, TLS by `sslmode`, and what we set on each session.

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

/// How long a connection is idle before the other side is asked whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Makes connections to the server of `DATABASE_URL`, or to that one of several which takes writes.
#[derive(Clone)]
pub(super) struct Connector {
    /// One for each host of the URL.
    hosts: Arc<[Config]>,
    /// The host that answered last is asked first: one that died may keep everybody waiting.
    first: Arc<AtomicUsize>,
    /// For one host to let us in. tokio-postgres' own time-out ends when it has accepted.
    patience: Duration,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// `sslmode` is `disable`, `prefer` (the default: TLS where the server has it, its certificate
    /// unchecked, as libpq does), or `require` and `verify-full`, which both check it here: an
    /// encrypted line to somebody else protects nothing. With several hosts, that one is wanted which
    /// takes writes.
    pub(super) fn new(
        url: &str,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let urls = url_of_each_host(url);
        let hosts =
            urls.iter().map(|url| host_config(url, timeout)).collect::<Result<Vec<_>, _>>()?;
        let verify = hosts.iter().any(|(_, verify)| *verify);
        let mut hosts: Vec<Config> = hosts.into_iter().map(|(config, _)| config).collect();
        let count = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        if count > 1 {
            for config in &mut hosts {
                // libpq takes any that answers, but on a standby nothing works here.
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
        }
        let tls = MakeRustlsConnect::new(tls_config(verify, ca_file)?);
        Ok(Self { hosts: hosts.into(), first: Arc::default(), patience: timeout / count, tls })
    }

    /// Asks one host after the other, each for its share of the time that there is.
    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let first = self.first.load(Ordering::Relaxed);
        let mut problem = "no host".to_owned();
        for host in (first..self.hosts.len()).chain(0..first) {
            let connecting = self.hosts[host].connect(self.tls.clone());
            match timeout(self.patience, connecting).await {
                Ok(Ok((client, connection))) => {
                    self.first.store(host, Ordering::Relaxed);
                    return AsyncPgConnection::try_from_client_and_connection(client, connection)
                        .await;
                }
                Ok(Err(error)) => problem = error_chain(&error),
                Err(_) => "the server did not let us in in time".clone_into(&mut problem),
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

/// How one host is connected to, and whether its certificate is checked.
fn host_config(url: &str, timeout: Duration) -> Result<(Config, bool), StoreError> {
    let wrong = |what: String| StoreError::Unavailable(format!("DATABASE_URL: {what}"));
    let mut url = Url::parse(url).map_err(|e| wrong(e.to_string()))?;
    let ssl_mode = take_ssl_mode(&mut url);
    // tokio-postgres' own message may repeat the URL and its password.
    let mut config: Config =
        url.as_str().parse().map_err(|_| wrong("not a PostgreSQL URL".to_owned()))?;
    let (ssl_mode, verify) = match ssl_mode.as_deref() {
        Some("disable") => (SslMode::Disable, false),
        None | Some("prefer") => (SslMode::Prefer, false),
        Some("require" | "verify-ca" | "verify-full") => (SslMode::Require, true),
        Some(_) => {
            return Err(wrong("sslmode is disable, prefer, require or verify-full".to_owned()));
        }
    };
    config.ssl_mode(ssl_mode);
    if config.get_application_name().is_none() {
        config.application_name("shared-chats");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(timeout);
    }
    // A server that went away without a word is noticed.
    config.tcp_user_timeout(timeout).keepalives_idle(KEEPALIVE_IDLE);
    // The server gives up as well, so that what we no longer wait for does not happen later.
    let options = config.get_options().unwrap_or_default().to_owned();
    let timeout_ms = timeout.as_millis();
    config.options(format!("-c statement_timeout={timeout_ms} {options}"));
    Ok((config, verify))
}

/// Removes `sslmode` from the URL, of which tokio-postgres knows only three of libpq's values.
fn take_ssl_mode(url: &mut Url) -> Option<String> {
    let pairs: Vec<(String, String)> =
        url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let mode = pairs.iter().find(|(key, _)| key == "sslmode").map(|(_, mode)| mode.clone());
    if mode.is_some() {
        let rest: Vec<String> = pairs
            .iter()
            .filter(|(key, _)| key != "sslmode")
            // Not form encoding: libpq's URLs do not read `+` as a space.
            .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)))
            .collect();
        url.set_query((!rest.is_empty()).then(|| rest.join("&")).as_deref());
    }
    mode
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

/// What `sslmode=prefer` means: encrypted against a listener, with no claim about who answers.
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
    fn each_host_of_a_url_has_one_of_its_own() {
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
    fn of_several_hosts_the_one_that_takes_writes_is_wanted() {
        let of = |url| Connector::new(url, None, Duration::from_secs(4)).unwrap();
        let several = of("postgres://a:1,b:2/name");
        assert_eq!(several.hosts.len(), 2);
        for host in several.hosts.iter() {
            assert_eq!(host.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        }
        assert_eq!(several.patience, Duration::from_secs(2));
        let one = of("postgres://a/name");
        assert_eq!(one.hosts[0].get_target_session_attrs(), TargetSessionAttrs::Any);
        assert_eq!(one.patience, Duration::from_secs(4));
    }

    #[tokio::test]
    async fn a_host_that_accepts_and_says_nothing_does_not_take_the_time_of_the_next() {
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
