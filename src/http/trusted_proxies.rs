//! The client address behind trusted proxies (`TRUSTED_PROXIES`).

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose `X-Forwarded-For` is trusted. None by default: any client can send the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl FromStr for TrustedProxies {
    type Err = String;

    /// Parses addresses and networks in CIDR form, separated by commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let network = address.or_else(|_| text.parse::<IpNet>()).map_err(|_| {
        format!("must be a list of addresses and networks such as 10.0.0.0/8: {text}")
    })?;
    let network = without_mapping(network);
    if network.prefix_len() == 0 {
        return Err(format!(
            "must not be every address, as any client could then forge its own: {text}"
        ));
    }
    Ok(network)
}

/// Networks of IPv4-mapped addresses (RFC 4291, 2.5.5.2) as IPv4, as addresses are compared.
fn without_mapping(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(network, IpNet::V4)
}

impl TrustedProxies {
    /// Whether [`TrustedProxies::client`] tells clients apart: not if a proxy forwards the request
    /// and no proxy is trusted.
    pub fn knows_client(&self, headers: &HeaderMap) -> bool {
        !self.0.is_empty() || !headers.contains_key(X_FORWARDED_FOR)
    }

    /// The peer or, if that is a trusted proxy, the right-most address of `X-Forwarded-For` that is
    /// not one: the client itself may have sent what is left of its own address. An item that is
    /// not an address (`unknown`, a name: RFC 7239, 6) ends the search at the last address.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() {
            return client;
        }
        // Several header lines are one list (RFC 9110, 5.3); empty items are ignored (5.6.1).
        let lines = headers.get_all(X_FORWARDED_FOR).rev().map(HeaderValue::as_bytes);
        let items = lines.flat_map(|line| line.rsplit(|byte| *byte == b','));
        let mut items = items.map(<[u8]>::trim_ascii).filter(|item| !item.is_empty());
        while self.0.iter().any(|proxy| proxy.contains(&client)) {
            match items.next().and_then(address) {
                Some(before) => client = before,
                None => break,
            }
        }
        client
    }
}

/// An address, with a port or without, in brackets or not.
fn address(name: &[u8]) -> Option<IpAddr> {
    let name = std::str::from_utf8(name).ok()?;
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| name.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, forwarded_for: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded_for {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        let trusted: TrustedProxies = trusted.parse().unwrap();
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_peer_that_is_not_a_trusted_proxy_is_the_client() {
        assert_eq!(client("", "192.0.2.1", &["203.0.113.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.0/8", "192.0.2.1", &["203.0.113.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.0/8", "::ffff:192.0.2.1", &["203.0.113.7"]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        for (line, named) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            (" \t203.0.113.7 , ,, ", "203.0.113.7"),
        ] {
            assert_eq!(client("10.0.0.0/8", "10.1.2.3", &[line]), named, "{line}");
            assert_eq!(client("10.1.2.3", "::ffff:10.1.2.3", &[line]), named, "{line}");
            assert_eq!(client("::ffff:10.0.0.0/104", "10.1.2.3", &[line]), named, "{line}");
            assert_eq!(client("2001:db8:1::/48", "2001:db8:1::9", &[line]), named, "{line}");
        }
    }

    #[test]
    fn addresses_left_of_the_client_are_ignored() {
        let trusted = "10.0.0.0/8, 192.0.2.9";
        let chain = "198.51.100.1, 203.0.113.7, 192.0.2.9, 10.9.9.9";
        assert_eq!(client(trusted, "10.1.2.3", &[chain]), "203.0.113.7");
        let lines = ["198.51.100.1", "203.0.113.7, 192.0.2.9", "10.9.9.9"];
        assert_eq!(client(trusted, "10.1.2.3", &lines), "203.0.113.7");
        // A client that names trusted addresses only pushes itself further to the right.
        assert_eq!(client(trusted, "10.1.2.3", &["10.0.0.1, 203.0.113.7"]), "203.0.113.7");
    }

    #[test]
    fn without_another_address_the_last_proxy_is_the_client() {
        for (lines, last) in [
            (&[][..], "10.1.2.3"),
            (&[""], "10.1.2.3"),
            (&["unknown"], "10.1.2.3"),
            (&["203.0.113.7, _hidden"], "10.1.2.3"),
            (&["203.0.113.7, 999.1.1.1, 10.9.9.9"], "10.9.9.9"),
            (&["203.0.113.7", "localhost", "10.9.9.9"], "10.9.9.9"),
            (&["203.0.113.7, fe80::1%eth0, 10.9.9.9"], "10.9.9.9"),
            (&["203.0.113.7, [10.9.9.8, 10.9.9.9"], "10.9.9.9"),
            (&["10.9.9.8, 10.9.9.9"], "10.9.9.8"),
        ] {
            assert_eq!(client("10.0.0.0/8", "10.1.2.3", lines), last, "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_list_and_every_address_are_refused() {
        for text in ["10.0.0.0/33", "10.0.0.0/-1", "localhost", "10.0.0.1-9", "10.0.0.1 10.0.0.2"] {
            assert!(text.parse::<TrustedProxies>().unwrap_err().ends_with(text), "{text}");
        }
        for all in ["0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"] {
            let error = all.parse::<TrustedProxies>().unwrap_err();
            assert!(error.contains("every address"), "{error}");
        }
    }
}
