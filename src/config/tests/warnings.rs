use super::read;

/// The names of the settings that are warned about.
fn warned(variables: &[(&str, &str)]) -> Vec<&'static str> {
    let config = read(variables).unwrap();
    config.warnings().iter().map(|warning| warning.split(' ').next().unwrap()).collect()
}

#[test]
fn a_provider_over_http_is_warned_about() {
    let with = |issuer, keys| {
        let provider = [
            ("AUTH_HS256_SECRET", ""),
            ("AUTH_ISSUER", issuer),
            ("AUTH_AUDIENCE", "us"),
            ("AUTH_JWKS_URL", keys),
        ];
        warned(&provider)
    };
    assert_eq!(with("http://id.example", ""), ["AUTH_ISSUER"]);
    assert_eq!(with("http://id.example", "https://id.example/keys"), [""; 0]);
    assert_eq!(with("https://id.example", "http://10.0.0.1/keys"), ["AUTH_JWKS_URL"]);
    for safe in ["https://id.example", "http://localhost:8080", "http://127.0.0.1", "http://[::1]"]
    {
        assert_eq!(with(safe, ""), [""; 0], "{safe}");
    }
}

#[test]
fn a_shared_secret_without_an_audience_is_warned_about() {
    assert_eq!(warned(&[("AUTH_AUDIENCE", "")]), ["AUTH_AUDIENCE"]);
    assert_eq!(warned(&[("AUTH_AUDIENCE", "us")]), [""; 0]);
}

#[test]
fn a_remote_database_that_may_be_plain_text_is_warned_about() {
    let with = |url| {
        let store = ("ARTIFACT_STORE_URL", "s3://kept/files");
        warned(&[("AUTH_AUDIENCE", "us"), ("DATABASE_URL", url), store])
    };
    assert_eq!(with("postgres://db.example/links"), ["DATABASE_URL"]);
    assert_eq!(with("postgres://db.example/links?sslmode=verify-full"), [""; 0]);
    assert_eq!(with("postgres://127.0.0.1/links"), [""; 0]);
}
