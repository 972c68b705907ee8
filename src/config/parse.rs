//! The syntax of values.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use url::Url;

use crate::{
    http::Rate,
    sharing::{InvalidSharePath, SharePath},
    store::DatabaseUrl,
};

/// A time such as `30s`, `5m`, `1h 30m`; a bare number is seconds.
pub struct Period(pub Duration);

const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse().map(Duration::from_secs);
        let period = seconds.or_else(|_| humantime::parse_duration(text));
        match period {
            Ok(period) if !period.is_zero() && period <= LONGEST => Ok(Self(period)),
            _ => Err("must be a time above zero and at most a day, such as 500ms, 30s, 5m or 1h"),
        }
    }
}

/// A time that may be `0`.
pub struct Age(pub Duration);

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_zero = text == "0" || humantime::parse_duration(text).is_ok_and(|age| age.is_zero());
        match text.parse::<Period>() {
            _ if is_zero => Ok(Self(Duration::ZERO)),
            Ok(period) => Ok(Self(period.0)),
            Err(_) => Err("must be 0 or a time, such as 500ms or 1s"),
        }
    }
}

/// A retention time, which is added to dates.
pub struct Days(pub chrono::Duration);

impl FromStr for Days {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be a time of at most 100 years, such as 30d or 12h";
        let period = humantime::parse_duration(text).map_err(|_| wrong)?;
        let period = chrono::Duration::from_std(period).map_err(|_| wrong)?;
        if period <= chrono::Duration::days(36_525) { Ok(Self(period)) } else { Err(wrong) }
    }
}

/// A size such as `65536`, `64KiB`, `1MiB`, `1GiB`.
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];
        let read = units.iter().find_map(|(unit, factor)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(*factor)
        });
        match read {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err("must be a size in bytes above zero, such as 65536, 64KiB or 1MiB"),
        }
    }
}

/// `on` or `off`.
pub struct Switch(pub bool);

impl FromStr for Switch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "on" => Ok(Self(true)),
            "off" => Ok(Self(false)),
            _ => Err("must be on or off"),
        }
    }
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("must be human or json"),
        }
    }
}

/// Where to listen.
pub struct Address(pub SocketAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| {
            "must be an IP address and a port, such as 127.0.0.1:8080, 0.0.0.0:8080 (every address \
             of this machine) or [::]:8080 (IPv6 too)"
        })
    }
}

/// An absolute `http` or `https` URL with a host and without a fragment.
pub struct HttpUrl(pub Url);

/// The same for a page, which may have a fragment: a frontend may route by it.
pub struct PageUrl(pub Url);

impl FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let PageUrl(url) = text.parse()?;
        if url.fragment().is_none() { Ok(Self(url)) } else { Err(NOT_A_URL) }
    }
}

impl FromStr for PageUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        });
        url.map(Self).ok_or(NOT_A_URL)
    }
}

const NOT_A_URL: &str = "must be an http or https URL such as https://chat.example";

/// The name of a cookie (RFC 6265, 4.1.1: a token).
pub struct CookieName(pub String);

impl FromStr for CookieName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if text.bytes().all(token) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the name of a cookie, without spaces, quotes, '=', ',' or ';'")
        }
    }
}

/// Origins, separated by commas. There is no `*`: links are secrets.
pub struct Origins(pub Vec<String>);

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let checked = origins.map(|origin| {
            let url: Option<HttpUrl> = origin.parse().ok();
            match url.map(|url| url.0.origin().ascii_serialization()) {
                Some(canonical) if canonical == origin => Ok(canonical),
                _ => {
                    Err(format!("must be a list of origins such as https://chat.example: {origin}"))
                }
            }
        });
        checked.collect::<Result<_, _>>().map(Self)
    }
}

/// A rate such as `600/1m`, or `off`.
pub struct OptionalRate(pub Option<Rate>);

impl FromStr for OptionalRate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        let rate = text.split_once('/').and_then(|(calls, window)| {
            let window: Period = window.trim().parse().ok()?;
            Rate::new(calls.trim().parse().ok()?, window.0)
        });
        rate.map(|rate| Self(Some(rate))).ok_or(
            "must be off, or from 1 to 1000000 calls in a time of whole seconds, such as 600/1m",
        )
    }
}

impl FromStr for SharePath {
    type Err = InvalidSharePath;

    fn from_str(text: &str) -> Result<Self, InvalidSharePath> {
        Self::parse(text)
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            // With `:memory:` each connection would have its own database.
            if path.is_empty() || path.contains(":memory:") || path.contains('?') {
                return Err("must name a file: sqlite:PATH (not :memory:, and no options)");
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        Err("must be sqlite:PATH or postgres://…")
    }
}
