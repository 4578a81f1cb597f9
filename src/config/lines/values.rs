//! Values that several kinds of lines write: numbers, ids, addresses.
//!
//! Not keys: which value belongs where stands with each provider.

use url::{Host, Url};

use crate::config::read::{Show, Table, nearest, text};
use crate::shapes::{Loose, address as addresses};

impl Show for Url {
    fn show(&self) -> String {
        format!("{:?}", self.as_str())
    }
}

/// Reads a number: digits with country code.
pub(super) fn phone(value: &Loose) -> Result<String, String> {
    match value {
        Loose::Text(digits)
            if (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') =>
        {
            Ok(digits.clone())
        }
        _ => Err("write the number in quotes, digits alone, with country code and without +, as \"57317770000\"".to_owned()),
    }
}

/// Reads an id: these letters and 32 hexadecimal digits.
pub(super) fn id(prefix: &'static str) -> impl Fn(&Loose) -> Result<String, String> {
    move |value| match value {
        Loose::Text(id) if is_id(prefix, id) => Ok(id.clone()),
        _ => Err(format!("write {prefix} and 32 hexadecimal digits")),
    }
}

/// Whether a text is such an id.
pub(in crate::config) fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Reads an address that is called: `http` or `https`, with a host, without name and password.
pub(in crate::config) fn address(value: &Loose) -> Result<Url, String> {
    let cure = "write an address, as \"https://example.com/hook\"";
    let url = Url::parse(&text(1, 2_000)(value)?).map_err(|why| format!("{why}; {cure}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("{cure}: http or https, and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave out the name and the password: calls are signed by the secret".to_owned());
    }
    if url.fragment().is_some() {
        return Err("leave out what follows #: it is never sent".to_owned());
    }
    Ok(url)
}

/// The base of a provider's API. The operator may name another than the provider's own, on the same machine too.
pub(super) fn api(table: &Table<'_>, default: &'static str) -> Url {
    api_at(table, "api", default)
}

/// The base of another of its APIs.
pub(super) fn api_at(table: &Table<'_>, key: &str, default: &'static str) -> Url {
    let default = Url::parse(default).expect("the default is an address");
    let api = table.or(key, default, |value| match address(value)? {
        url if url.query().is_some() => Err("leave out what follows ?: paths are added to this".to_owned()),
        url => Ok(url),
    });
    check_plain(table, key, &api, "the credentials and what people are sent could be read by others");
    api
}

/// Warns of an address beyond this machine and its network that is called without TLS.
pub(super) fn check_plain(table: &Table<'_>, key: &str, url: &Url, danger: &str) {
    if url.scheme() == "http" && addresses::private(url).is_none() {
        table.notes().warn(&table.path(key), url.show(), format!("is called in plain text over the network: {danger}; write https"));
    }
}

/// What an address itself tells of its dangers. What its name resolves to is asked at each call.
pub(in crate::config) fn check_address(table: &Table<'_>, url: &Url, allow_private: bool) {
    let key = table.path("url");
    let here = addresses::private(url).is_some();
    if here && !allow_private {
        let cure = "a loopback or private address; write allow_private = true beside it if this is your own program";
        table.notes().mistake(&key, url.show(), cure);
    }
    if !here && url.scheme() == "http" {
        table.notes().warn(&key, url.show(), "is called in plain text over the network; https would keep people's messages from others");
    }
}

/// Reads an address that a provider calls from outside.
pub(super) fn public(value: &Loose) -> Result<Url, String> {
    let url = address(value)?;
    let underscore = matches!(url.host(), Some(Host::Domain(name)) if name.contains('_'));
    if underscore { Err("the provider calls no host with an underscore in its name".to_owned()) } else { Ok(url) }
}

/// The hint for a name that is not among those there are.
pub(in crate::config) fn there_are<'n>(name: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    match nearest(name, names.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if names.clone().next().is_none() => "there are none".to_owned(),
        None => format!("there are {}", names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")),
    }
}
