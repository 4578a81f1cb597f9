//! Which addresses a URL from outside may lead to: none of this machine's, of its networks, or of any tunnel into them.
//!
//! Not the resolver: names are looked up, and every answer is asked here, in `hooks/guard.rs`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Whether a URL may be called where private addresses are not allowed, as far as its text tells.
///
/// # Errors
/// Why not, to follow the URL in a sentence.
pub fn check(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is not http or https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("carries a name or password; requests are signed instead");
    }
    private(url).map_or(Ok(()), Err)
}

/// What kind of host this is, as it is written, where it is none of the public internet; `None` where it is, or a name of
/// which only the resolver can tell.
#[must_use]
pub fn private(url: &Url) -> Option<&'static str> {
    match url.host() {
        None => Some("has no host"),
        Some(Host::Domain(name)) => local_name(name),
        Some(Host::Ipv4(ip)) => forbidden(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => forbidden(IpAddr::V6(ip)),
    }
}

/// What kind of address this is, where it is none of the public internet; `None` where it is.
#[must_use]
pub fn forbidden(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => forbidden_v4(ip),
        IpAddr::V6(ip) => forbidden_v6(ip),
    }
}

fn local_name(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let local = name.is_empty() || name == "localhost" || [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end));
    local.then_some("is a name of this machine or its network")
}

/// The special blocks of IPv4, by the registry of RFC 6890.
fn forbidden_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0, ..) => Some("is in 0.0.0.0/8, this network"),
        (127, ..) => Some("is a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("is a private address"),
        (100, 64..=127, _) => Some("is in 100.64.0.0/10, behind a carrier's NAT"),
        (169, 254, _) => Some("is a link-local address"),
        (192, 0, 0) | (192, 0, 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => Some("is a reserved address"),
        (224..=239, ..) => Some("is a multicast address"),
        (240.., ..) => Some("is a reserved address"),
        _ => None,
    }
}

/// Only 2000::/3 is the public internet, and of that not what documents, benchmarks, or carries IPv4 inside.
fn forbidden_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(forbidden_v4(v4(high, low)).unwrap_or("is an IPv4 address written as IPv6")),
        [0, 0, 0, 0, 0, 0, ..] => Some("is a loopback or reserved address"),
        // The well-known prefix of NAT64 is how a network without IPv4 reaches the public part of it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => forbidden_v4(v4(high, low)),
        [0x64, 0xff9b, ..] => Some("is in 64:ff9b::/16, a local NAT64"),
        [0xfe80..=0xfebf, ..] => Some("is a link-local address"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Some("is a private address"),
        [0xff00..=0xffff, ..] => Some("is a multicast address"),
        [0x2002, ..] => Some("is in 2002::/16, a tunnel to an IPv4 address"),
        [0x2001, 0, ..] => Some("is in 2001::/32, a tunnel to an IPv4 address"),
        [0x2001, 1..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("is a reserved address"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("is a reserved address"),
    }
}

#[cfg(test)]
pub(in crate::shapes) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The addresses of the table that are allowed, or those that are not.
    pub(in crate::shapes) fn table(allowed: bool) -> Vec<&'static str> {
        let mark = if allowed { "+ " } else { "- " };
        include_str!("../../tests/it/security/urls.txt").lines().filter_map(|line| line.strip_prefix(mark)).collect()
    }

    #[test]
    fn the_table_of_urls() {
        let (refused, allowed) = (table(false), table(true));
        assert!(refused.len() > 80 && allowed.len() > 15, "{} and {}", refused.len(), allowed.len());
        for text in refused {
            let refused = Url::parse(text).map_or(Err("no URL"), |url| check(&url));
            assert!(refused.is_err(), "{text} was allowed");
        }
        for text in allowed {
            assert_eq!(check(&Url::parse(text).unwrap()), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_standard_library_agrees_where_it_has_an_opinion() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let ip = Ipv4Addr::new(a, b, 7, 9);
                let special = ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_multicast() || ip.is_unspecified();
                assert!(!special || forbidden_v4(ip).is_some(), "{ip}");
            }
        }
    }

    proptest! {
        /// No way of writing an IPv4 address inside an IPv6 one leads where the address itself may not.
        #[test]
        fn no_tunnel_into_a_forbidden_network(ip in any::<u32>()) {
            let v4 = Ipv4Addr::from(ip);
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for inside in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
            ] {
                prop_assert!(forbidden_v4(v4).is_none() || forbidden_v6(inside).is_some(), "{v4} inside {inside}");
            }
        }

        #[test]
        fn what_is_allowed_in_ipv6_is_public(ip in any::<u128>()) {
            let ip = Ipv6Addr::from(ip);
            let public = forbidden_v6(ip).is_none();
            prop_assert!(!public || (ip.segments()[0] & 0xe000) == 0x2000 || ip.segments()[0] == 0x64);
        }
    }
}
