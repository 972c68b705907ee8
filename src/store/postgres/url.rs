//! `DATABASE_URL`, as libpq reads it (PostgreSQL's manual, "Connection URIs").

use std::{borrow::Cow, error::Error, net::IpAddr, path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Config, Host, TargetSessionAttrs};

use crate::store::StoreError;

/// How long a connection is idle before TCP keepalives are sent.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

const DEFAULT_PORT: u16 = 5432;

/// What `sslmode` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// `disable`.
    Off,
    /// `prefer`, the default: where the server has it, with an unchecked certificate, as libpq
    /// does.
    IfOffered,
    /// `require`, `verify-ca` and `verify-full`, which all check the certificate and its name,
    /// since encryption to an unknown server protects nothing.
    Checked,
}

/// The URL, without `sslmode`, of which tokio-postgres knows only three values.
struct Parts<'a> {
    scheme: &'a str,
    /// With its `@`, or empty.
    user: String,
    hosts: &'a str,
    path: &'a str,
    options: Vec<&'a str>,
}

/// The configuration of each host, and how all of them are encrypted.
///
/// # Errors
/// [`StoreError::Unavailable`] with the option that is wrong or not supported. Nothing of the
/// user's name and password is in it.
pub(super) fn parse(url: &str, timeout: Duration) -> Result<(Vec<Config>, Encryption), StoreError> {
    let mut parts = split(url)?;
    let encryption = take_encryption(&mut parts.options)?;
    let hosts: Vec<&str> = parts.hosts.split(',').collect();
    let of_host = |host: &&str| {
        let mut config = host_config(&parts, host, timeout)?;
        if hosts.len() > 1 {
            // libpq takes any host that answers, but this service does not work on a standby.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(config)
    };
    Ok((hosts.iter().map(of_host).collect::<Result<_, StoreError>>()?, encryption))
}

/// Whether the connection to a host that is not this machine may be one without encryption,
/// although that was not asked for.
pub(in crate::store) fn may_be_plain_text(url: &str) -> bool {
    let Ok((hosts, Encryption::IfOffered)) = parse(url, Duration::from_secs(1)) else {
        return false;
    };
    let is_local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
        }
    };
    let is_remote = |config: &Config| {
        let by_address = config.get_hostaddrs().iter().any(|address| !address.is_loopback());
        by_address
            || (config.get_hostaddrs().is_empty() && !config.get_hosts().iter().all(is_local))
    };
    hosts.iter().any(is_remote)
}

/// The path of the Unix socket, if it is one.
pub(super) fn unix_socket(config: &Config) -> Option<PathBuf> {
    match config.get_hosts() {
        [Host::Unix(folder), ..] if config.get_hostaddrs().is_empty() => {
            let port = config.get_ports().first().unwrap_or(&DEFAULT_PORT);
            Some(folder.join(format!(".s.PGSQL.{port}")))
        }
        _ => None,
    }
}

fn wrong(what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("DATABASE_URL: {what}"))
}

fn split(url: &str) -> Result<Parts<'_>, StoreError> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("not a PostgreSQL URL"))?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = match authority.rsplit_once('@') {
        // libpq wants an `@` in a password to be encoded; earlier versions of this service did not.
        Some((user, hosts)) => (format!("{}@", user.replace('@', "%40")), hosts),
        // Where the options begin must not be a matter of opinion: `sslmode` is one of them.
        None if rest.contains('@') => {
            return Err(wrong("`/`, `?` and `@` must be percent-encoded in user and password"));
        }
        None => (String::new(), authority),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let options = query.split('&').filter(|option| !option.is_empty()).collect();
    Ok(Parts { scheme, user, hosts, path, options })
}

fn take_encryption(options: &mut Vec<&str>) -> Result<Encryption, StoreError> {
    let mut mode: Option<Cow<'_, str>> = None;
    options.retain(|option| {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let is_mode = percent_decode_str(key).decode_utf8_lossy() == "sslmode";
        if is_mode {
            mode = Some(percent_decode_str(value).decode_utf8_lossy());
        }
        !is_mode
    });
    match mode.as_deref() {
        Some("disable") => Ok(Encryption::Off),
        None | Some("prefer") => Ok(Encryption::IfOffered),
        Some("require" | "verify-ca" | "verify-full") => Ok(Encryption::Checked),
        Some(_) => Err(wrong("sslmode is disable, prefer, require, verify-ca or verify-full")),
    }
}

fn host_config(parts: &Parts<'_>, host: &str, timeout: Duration) -> Result<Config, StoreError> {
    let Parts { scheme, user, path, options, .. } = parts;
    let url = format!("{scheme}://{user}{host}{path}?{}", options.join("&"));
    let mut config: Config = url.parse().map_err(|error| unreadable(parts, &error))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(wrong("no host: postgres://USER@HOST/NAME, or host=FOLDER for a Unix socket"));
    }
    if config.get_application_name().is_none() {
        config.application_name("shared-chats");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(timeout);
    }
    // Detects a server that vanished without closing the connection.
    config.tcp_user_timeout(timeout).keepalives_idle(KEEPALIVE_IDLE);
    Ok(config)
}

/// Names the option that tokio-postgres refused. Its message holds the option's name alone, unless
/// what it took for options is the rest of a password with unencoded characters.
fn unreadable(parts: &Parts<'_>, error: &tokio_postgres::Error) -> StoreError {
    let is_clear = !parts.path.contains('@') && !parts.options.iter().any(|it| it.contains('@'));
    match error.source().map(ToString::to_string) {
        Some(why) if why.contains("`sslrootcert`") && is_clear => {
            wrong(format!("{why}: DATABASE_CA_FILE names the certificates to trust"))
        }
        Some(why) if why.contains("option") && is_clear => wrong(why),
        Some(_) | None => wrong("not a PostgreSQL URL"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(4);

    fn hosts(url: &str) -> Vec<(Vec<Host>, Vec<u16>)> {
        let (configs, _) = parse(url, TIMEOUT).unwrap();
        configs.iter().map(|it| (it.get_hosts().to_vec(), it.get_ports().to_vec())).collect()
    }

    fn tcp(host: &str, port: u16) -> (Vec<Host>, Vec<u16>) {
        (vec![Host::Tcp(host.to_owned())], vec![port])
    }

    fn problem(url: &str) -> String {
        parse(url, TIMEOUT).unwrap_err().to_string()
    }

    #[test]
    fn a_url_of_several_hosts_is_one_configuration_for_each() {
        assert_eq!(hosts("postgres://db/name"), [tcp("db", 5432)]);
        assert_eq!(
            hosts("postgres://me:p%2Cw@a:1,b,[::1]:3/name?sslmode=require"),
            [tcp("a", 1), tcp("b", 5432), tcp("::1", 3)]
        );
        // A password is no list of hosts.
        assert_eq!(hosts("postgres://me:p,w@a/name"), [tcp("a", 5432)]);
    }

    #[test]
    fn several_hosts_ask_for_the_one_that_takes_writes() {
        let attributes = |url| {
            let (configs, _) = parse(url, TIMEOUT).unwrap();
            configs.iter().map(Config::get_target_session_attrs).collect::<Vec<_>>()
        };
        assert_eq!(attributes("postgres://a:1,b:2/name"), [TargetSessionAttrs::ReadWrite; 2]);
        assert_eq!(attributes("postgres://a/name"), [TargetSessionAttrs::Any]);
    }

    #[test]
    fn a_unix_socket_is_named_by_its_folder() {
        for url in [
            "postgres://user:p%40w@/db?host=/cloudsql/project:region:name",
            "postgresql://user:p%40w@/db?host=%2Fcloudsql%2Fproject:region:name&sslmode=require",
            "postgres://user:p%40w@%2Fcloudsql%2Fproject%3Aregion%3Aname/db",
        ] {
            let (configs, _) = parse(url, TIMEOUT).unwrap();
            let [config] = &*configs else { panic!("{url}") };
            let socket = Path::new("/cloudsql/project:region:name/.s.PGSQL.5432");
            assert_eq!(unix_socket(config).as_deref(), Some(socket), "{url}");
            assert_eq!(config.get_user(), Some("user"));
            assert_eq!(config.get_password(), Some(&b"p@w"[..]));
            assert_eq!(config.get_dbname(), Some("db"));
        }
        let (configs, _) = parse("postgres:///db?host=/run&port=6432", TIMEOUT).unwrap();
        assert_eq!(unix_socket(&configs[0]).as_deref(), Some(Path::new("/run/.s.PGSQL.6432")));
        assert_eq!(unix_socket(&parse("postgres://run/db", TIMEOUT).unwrap().0[0]), None);
    }

    #[test]
    fn user_password_and_options_are_those_of_the_url() {
        let url = "postgres://us%20er:p@ss#1@db/name?application_name=a%20b+c&options=-c%20x%3Dy";
        let (configs, encryption) = parse(url, TIMEOUT).unwrap();
        assert_eq!(configs[0].get_user(), Some("us er"));
        assert_eq!(configs[0].get_password(), Some(&b"p@ss#1"[..]));
        assert_eq!(configs[0].get_application_name(), Some("a b+c"));
        assert_eq!(configs[0].get_options(), Some("-c x=y"));
        assert_eq!(encryption, Encryption::IfOffered);
        // PgBouncer refuses this startup parameter.
        assert_eq!(parse("postgres://db/name", TIMEOUT).unwrap().0[0].get_options(), None);
    }

    #[test]
    fn a_remote_host_without_sslmode_may_be_plain_text() {
        for (url, expected) in [
            ("postgres://db.example/name", true),
            ("postgres://db.example/name?sslmode=prefer", true),
            ("postgres://127.0.0.1,db.example/name", true),
            ("postgres://10.0.0.1/name", true),
            ("postgres://localhost/name?hostaddr=10.0.0.1", true),
            ("postgres://db.example/name?sslmode=disable", false),
            ("postgres://db.example/name?sslmode=verify-full", false),
            ("postgres://127.0.0.1/name", false),
            ("postgres://[::1]/name", false),
            ("postgres://localhost/name", false),
            ("postgres:///name?host=/run/postgresql", false),
        ] {
            assert_eq!(may_be_plain_text(url), expected, "{url}");
        }
    }

    #[test]
    fn sslmode_says_whether_the_certificate_is_checked() {
        for (mode, expected) in [
            ("sslmode=disable", Encryption::Off),
            ("sslmode=prefer", Encryption::IfOffered),
            ("connect_timeout=3&sslmode=verify-full", Encryption::Checked),
            ("sslmode=verify-ca&connect_timeout=3", Encryption::Checked),
            ("ssl%6Dode=requir%65", Encryption::Checked),
        ] {
            let (_, encryption) = parse(&format!("postgres://db/name?{mode}"), TIMEOUT).unwrap();
            assert_eq!(encryption, expected, "{mode}");
        }
        assert!(problem("postgres://db/name?sslmode=allow").contains("sslmode is disable, prefer"));
    }

    #[test]
    fn an_option_that_is_not_supported_is_named() {
        for (options, named) in [
            ("pgbouncer=true", "unknown option `pgbouncer`"),
            ("connect_timeout=3&gssencmode=disable", "unknown option `gssencmode`"),
            ("target_session_attrs=primary", "invalid value for option `target_session_attrs`"),
            ("connect_timeout=soon", "invalid value for option `connect_timeout`"),
            ("sslrootcert=/ca.pem", "DATABASE_CA_FILE names the certificates to trust"),
        ] {
            let said = problem(&format!("postgres://user:hunter2@db/name?{options}"));
            assert!(said.contains(named) && !said.contains("hunter2"), "{said}");
        }
        assert!(problem("postgres://user:hunter2@/name").contains("no host"));
        assert!(problem("postgres:///name").contains("no host"));
    }

    #[test]
    fn a_password_with_unencoded_characters_is_not_repeated() {
        for url in [
            "postgres://me:a?hunter2=b@db/name",
            "postgres://me:a/?hunter2=b@db/name?sslmode=require",
            "postgres://me:a@?hunter2=b@db/name?sslmode=require",
        ] {
            let said = problem(url);
            assert!(said.contains("DATABASE_URL") && !said.contains("hunter2"), "{said}");
        }
    }
}
