//! Making a connection: the URL's options, TLS by `sslmode`, and what we set on each session.

use std::{path::Path, sync::Arc, time::Duration};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use crate::store::StoreError;

/// How long a connection is idle before the other side is asked whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Makes connections to the server of `DATABASE_URL`.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// `sslmode` is `disable`, `prefer` (the default: TLS where the server has it, its certificate
    /// unchecked, as libpq does), or `require` and `verify-full`, which both check it here: an
    /// encrypted line to somebody else protects nothing.
    pub(super) fn new(
        url: &str,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        let wrong = |what: String| StoreError::Unavailable(format!("DATABASE_URL: {what}"));
        let mut url = Url::parse(url).map_err(|e| wrong(e.to_string()))?;
        let ssl_mode = take_ssl_mode(&mut url);
        // tokio-postgres' own message may repeat the URL and its password.
        let mut config: Config =
            url.as_str().parse().map_err(|_| wrong("not a PostgreSQL URL".to_owned()))?;
        let verify = match ssl_mode.as_deref() {
            Some("disable") => {
                config.ssl_mode(SslMode::Disable);
                false
            }
            None | Some("prefer") => {
                config.ssl_mode(SslMode::Prefer);
                false
            }
            Some("require" | "verify-ca" | "verify-full") => {
                config.ssl_mode(SslMode::Require);
                true
            }
            Some(_) => {
                return Err(wrong("sslmode is disable, prefer, require or verify-full".to_owned()));
            }
        };
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
        let tls = MakeRustlsConnect::new(tls_config(verify, ca_file)?);
        Ok(Self { config, tls })
    }

    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let (client, connection) = self
            .config
            .connect(self.tls.clone())
            .await
            .map_err(|e| ConnectionError::BadConnection(describe(&e)))?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }
}

/// Removes `sslmode` from the URL, of which tokio-postgres knows only three of libpq's values.
fn take_ssl_mode(url: &mut Url) -> Option<String> {
    let pairs: Vec<(String, String)> =
        url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let mode = pairs.iter().find(|(key, _)| key == "sslmode").map(|(_, mode)| mode.clone());
    if mode.is_some() {
        let rest: Vec<String> = pairs
            .iter()
            .filter(|(key, _)| key != "sslmode")
            // Not form encoding: libpq's URLs do not read `+` as a space.
            .map(|(key, value)| format!("{}={}", escape(key), escape(value)))
            .collect();
        url.set_query((!rest.is_empty()).then(|| rest.join("&")).as_deref());
    }
    mode
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// An error with its causes, which tokio-postgres keeps apart.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
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
