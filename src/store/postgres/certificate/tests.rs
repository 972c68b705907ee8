//! Certificates as PostgreSQL's manual makes them.

use std::time::Duration;

use super::*;

/// Each is named by the line before it. All but `v1` were made as PostgreSQL's manual has it:
/// `openssl req -new -x509 -days 36500 -nodes -subj "/CN=…"`, `san` with a subjectAltName too.
const MADE: &str = include_str!("made.pem");

/// When they were valid.
const NOW: u64 = 1_800_000_000;

fn made(name: &str) -> CertificateDer<'static> {
    let (_, pem) = MADE.split_once(&format!("{name}\n-----BEGIN")).unwrap();
    CertificateDer::from_pem_slice(format!("-----BEGIN{pem}").as_bytes()).unwrap()
}

/// Presents a certificate to a service that was given another one, or the same.
fn presented(given: &str, certificate: &str, host: &str, now: u64) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let (_, pem) = MADE.split_once(&format!("{given}\n-----BEGIN")).unwrap();
    let (pem, _) = pem.split_once("-----END CERTIFICATE-----").unwrap();
    let pem = format!("-----BEGIN{pem}-----END CERTIFICATE-----\n");
    std::fs::write(&path, pem).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let trusted = TrustedCertificate::new(provider, Some(&path)).unwrap();
    let host = ServerName::try_from(host.to_owned()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let verified = trusted.verify_server_cert(&made(certificate), &[], &host, &[], now);
    verified.map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_self_signed_certificate_that_was_given_is_trusted_for_its_name() {
    for (certificate, host) in [
        ("cn", "db.example"),
        ("cn", "DB.Example"),
        ("wild", "one.db.example"),
        ("ip", "127.0.0.1"),
        ("san", "db.example"),
    ] {
        assert_eq!(presented(certificate, certificate, host, NOW), Ok(()), "{certificate}");
    }
}

#[test]
fn another_name_is_refused_and_both_are_named() {
    for (certificate, host, said) in [
        ("cn", "db.example.org", "is for `db.example`, not for `db.example.org`"),
        ("cn", "127.0.0.1", "is for `db.example`, not for `127.0.0.1`"),
        ("wild", "db.example", "is for `*.db.example`, not for `db.example`"),
        ("wild", "a.b.db.example", "is for `*.db.example`, not for"),
        ("ip", "127.0.0.2", "is for `127.0.0.1`, not for `127.0.0.2`"),
        // With a subjectAltName the common name does not count.
        ("san", "old.example", "is for the names of its subjectAltName, not for `old.example`"),
    ] {
        let why = presented(certificate, certificate, host, NOW).unwrap_err();
        assert!(why.contains(said), "{why}");
    }
}

#[test]
fn a_certificate_is_trusted_in_its_time_alone() {
    let late = presented("cn", "cn", "db.example", 10_000_000_000).unwrap_err();
    assert!(late.contains("was valid until 2126-11-04T"), "{late}");
    let early = presented("cn", "cn", "db.example", 1_000_000_000).unwrap_err();
    assert!(early.contains("is valid from 2026-11-28T"), "{early}");
}

#[test]
fn one_that_was_not_given_is_refused_and_explained() {
    let why = presented("wild", "cn", "db.example", NOW).unwrap_err();
    let said = "`CN=db.example` is self-signed, and is not one of DATABASE_CA_FILE";
    assert!(why.contains(said), "{why}");
    for given in ["v1", "cn"] {
        let why = presented(given, "v1", "db.example", NOW).unwrap_err();
        assert!(why.contains("is of X.509 version 1"), "{why}");
    }
}

#[test]
fn a_file_without_a_certificate_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let why = certificates(file.path()).unwrap_err().to_string();
    assert!(why.contains("DATABASE_CA_FILE") && why.contains("no certificate"), "{why}");
}
