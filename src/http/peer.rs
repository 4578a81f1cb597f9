//! Where a request comes from: the other end of its connection, or whom a trusted proxy names.
//!
//! Not who may come in. Nobody is believed unless configured: whoever can write a header can write any address into it.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The header in which proxies name whom they ask for, the nearest last.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Peer {
    /// A program at this address.
    Tcp(IpAddr),
    /// A program of this machine, by the socket file.
    Unix,
    /// Nobody can tell any more.
    Unknown,
}

/// Who is believed when it says for whom it asks.
#[derive(Clone, Default, Debug)]
pub struct Proxies {
    /// Their addresses.
    pub addresses: Vec<IpNet>,
    /// Programs that come in by the socket file.
    pub unix: bool,
}

impl Proxies {
    /// The nearest address that is not a trusted proxy's; `None` where there is none, or what a proxy wrote is no address.
    pub(super) fn origin(&self, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
        let mut nearest = match peer {
            Peer::Tcp(address) if self.trusts(address) => Some(address),
            Peer::Tcp(address) => return Some(address),
            Peer::Unix if self.unix => None,
            Peer::Unix | Peer::Unknown => return None,
        };
        let named: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().flat_map(|value| value.as_bytes().split(|b| *b == b',')).collect();
        for name in named.into_iter().rev() {
            let address = address(name)?;
            nearest = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        nearest
    }

    /// The address that a connection is counted for; `None` for proxies that are trusted and for the socket file, behind which are many.
    pub(super) fn counted(&self, peer: Peer) -> Option<IpAddr> {
        match peer {
            Peer::Tcp(address) if !self.trusts(address) => Some(address),
            Peer::Tcp(_) | Peer::Unix | Peer::Unknown => None,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|net| net.contains(&address))
    }
}

/// An address, with or without a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.trim_matches(['[', ']']).parse::<IpAddr>();
    bare.or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn origin(peer: Peer, trusted: &[&str], unix: bool, headers: &[&str]) -> Option<String> {
        let addresses = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(FORWARDED_FOR, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Proxies { addresses, unix }.origin(peer, &map).map(|address| address.to_string())
    }

    #[test]
    fn the_nearest_that_is_no_trusted_proxy_counts() {
        let here = Peer::Tcp("127.0.0.1".parse().unwrap());
        let local = &["127.0.0.0/8"];
        for (peer, trusted, unix, headers, expected) in [
            // Loopback and the socket file are not trusted by themselves.
            (here, &[][..], false, &["1.2.3.4"][..], Some("127.0.0.1")),
            (Peer::Unix, local, false, &["1.2.3.4"], None),
            (Peer::Unknown, local, true, &["1.2.3.4"], None),
            (here, local, false, &["1.2.3.4"], Some("1.2.3.4")),
            (Peer::Unix, &[], true, &["1.2.3.4"], Some("1.2.3.4")),
            (Peer::Unix, &[], true, &[], None),
            (here, local, false, &[], Some("127.0.0.1")),
            // What is left of the nearest stranger was written by strangers.
            (here, local, false, &["6.6.6.6, 1.2.3.4"], Some("1.2.3.4")),
            (here, local, false, &["6.6.6.6", "1.2.3.4, 127.0.0.9"], Some("1.2.3.4")),
            (here, &["127.0.0.0/8", "10.0.0.0/8"], false, &["10.0.0.1, 127.0.0.9"], Some("10.0.0.1")),
            (here, local, false, &["1.2.3.4:5678"], Some("1.2.3.4")),
            (here, local, false, &["[2001:db8::1]:443"], Some("2001:db8::1")),
            (here, local, false, &["[2001:db8::1]"], Some("2001:db8::1")),
            (here, local, false, &["::ffff:1.2.3.4"], Some("1.2.3.4")),
            (here, local, false, &["1.2.3.4, unknown"], None),
            (here, local, false, &["1.2.3.4, "], None),
        ] {
            assert_eq!(origin(peer, trusted, unix, headers).as_deref(), expected, "{peer:?} {trusted:?} {headers:?}");
        }
    }
}
