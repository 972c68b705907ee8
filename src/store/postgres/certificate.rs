//! Which certificates of a server are trusted.

use std::{fmt, net::IpAddr, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use x509_cert::{
    Certificate, Version,
    der::{Decode, Encode, oid::db::rfc4519::COMMON_NAME},
    ext::pkix::SubjectAltName,
};

use super::url::Encryption;
use crate::store::StoreError;

/// `ca_file` has certificates (PEM) to trust in addition to the system's.
pub(super) fn tls_config(
    encryption: Encryption,
    ca_file: Option<&Path>,
) -> Result<ClientConfig, StoreError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match encryption {
        Encryption::Off | Encryption::IfOffered => Arc::new(AnyCertificate(provider.clone())),
        Encryption::Checked => Arc::new(TrustedCertificate::new(provider.clone(), ca_file)?),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(StoreError::unavailable)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// A certificate that an authority signed for the server's name, or one of `DATABASE_CA_FILE`
/// itself: PostgreSQL's manual makes a self-signed one that is its own authority, and has the name
/// in its subject alone ("Creating Certificates"). WebPKI refuses both.
#[derive(Debug)]
struct TrustedCertificate {
    by_authority: Arc<WebPkiServerVerifier>,
    /// Those of `DATABASE_CA_FILE`.
    given: Vec<CertificateDer<'static>>,
}

impl TrustedCertificate {
    fn new(provider: Arc<CryptoProvider>, ca_file: Option<&Path>) -> Result<Self, StoreError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let given = ca_file.map(certificates).transpose()?.unwrap_or_default();
        for certificate in &given {
            roots.add(certificate.clone()).map_err(|error| {
                StoreError::Unavailable(format!("DATABASE_CA_FILE: not a certificate: {error}"))
            })?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let by_authority = verifier.build().map_err(|error| {
            StoreError::Unavailable(format!("no certificate to trust (DATABASE_CA_FILE): {error}"))
        })?;
        Ok(Self { by_authority, given })
    }
}

/// The certificates of the file, of which there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let wrong = |what: &dyn fmt::Display| {
        StoreError::Unavailable(format!("DATABASE_CA_FILE {}: {what}", path.display()))
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certificates: Vec<_> = read.map_err(|error| wrong(&error))?;
    if certificates.is_empty() {
        return Err(wrong(&"there is no certificate (PEM) in it"));
    }
    Ok(certificates)
}

impl ServerCertVerifier for TrustedCertificate {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_authority =
            self.by_authority.verify_server_cert(presented, intermediates, name, ocsp, now);
        let Err(why) = by_authority else { return by_authority };
        let problem = match Certificate::from_der(presented) {
            Ok(certificate) if self.given.contains(presented) => {
                check_given(presented, &certificate, name, now)
            }
            Ok(certificate) => Err(explained(&certificate, &why)),
            Err(error) => Err(format!("the server's certificate cannot be read: {error}")),
        };
        let refused = |text| CertificateError::Other(OtherError(Arc::new(Problem(text))));
        problem.map(|()| ServerCertVerified::assertion()).map_err(|text| refused(text).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_authority.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authority.supported_verify_schemes()
    }
}

/// What is wrong with a certificate.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Problem(String);

/// Checks a certificate that is trusted by itself: its version, its time and its name.
fn check_given(
    presented: &CertificateDer<'_>,
    certificate: &Certificate,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), String> {
    let of_it = &certificate.tbs_certificate;
    if of_it.version != Version::V3 {
        return Err(wrong_version());
    }
    let seconds = now.as_secs();
    if seconds < of_it.validity.not_before.to_unix_duration().as_secs() {
        return Err(format!(
            "the server's certificate is valid from {} on",
            of_it.validity.not_before
        ));
    }
    if seconds > of_it.validity.not_after.to_unix_duration().as_secs() {
        return Err(format!(
            "the server's certificate was valid until {}",
            of_it.validity.not_after
        ));
    }
    let alternative = of_it.get::<SubjectAltName>().ok().flatten();
    let has_name = match &alternative {
        Some(_) => ParsedCertificate::try_from(presented)
            .is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok()),
        // As libpq does (PostgreSQL's manual, "SSL Client Certificates").
        None => common_names(certificate).iter().any(|common| is_name(common, name)),
    };
    if has_name {
        return Ok(());
    }
    let its_names = match alternative {
        Some(_) => "the names of its subjectAltName".to_owned(),
        None => format!("`{}`", common_names(certificate).join("`, `")),
    };
    Err(format!("the server's certificate is for {its_names}, not for `{}`", name.to_str()))
}

/// The common names of the subject.
fn common_names(certificate: &Certificate) -> Vec<String> {
    let names = certificate.tbs_certificate.subject.0.iter();
    let attributes = names.flat_map(|name| name.0.iter().filter(|it| it.oid == COMMON_NAME));
    attributes.map(|it| String::from_utf8_lossy(it.value.value()).into_owned()).collect()
}

/// Whether a common name is that of the server. Its first label may be `*`, for any one label.
fn is_name(common: &str, name: &ServerName<'_>) -> bool {
    match name {
        ServerName::IpAddress(ip) => common.parse::<IpAddr>() == Ok((*ip).into()),
        ServerName::DnsName(host) => {
            let host = host.as_ref();
            let rest = |name: &str| name.split_once('.').map(|(_, rest)| rest.to_lowercase());
            common.eq_ignore_ascii_case(host)
                || common.starts_with("*.") && rest(host).is_some() && rest(common) == rest(host)
        }
        _ => false,
    }
}

fn wrong_version() -> String {
    "the server's certificate is of X.509 version 1, which is not supported: make one of version 3 \
     (openssl … -addext subjectAltName=DNS:HOST)"
        .to_owned()
}

/// Why a certificate that is not in `DATABASE_CA_FILE` is refused.
fn explained(certificate: &Certificate, why: &Error) -> String {
    let of_it = &certificate.tbs_certificate;
    if of_it.version != Version::V3 {
        return wrong_version();
    }
    let (subject, issuer) = (of_it.subject.to_string(), of_it.issuer.to_string());
    match why {
        // Before anything else WebPKI refuses one that may sign others.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_))
            if of_it.subject.to_der() == of_it.issuer.to_der() =>
        {
            format!(
                "the server's certificate `{subject}` is self-signed, and is not one of \
                 DATABASE_CA_FILE"
            )
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "the server's certificate `{subject}` was issued by `{issuer}`, which is neither one \
             of DATABASE_CA_FILE nor of the system's"
        ),
        _ => format!("the server's certificate `{subject}`: {why}"),
    }
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
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
