//! The proof that a webhook is Twilio's: an HMAC-SHA1, keyed with the account's auth token, over the address that Twilio called and
//! the sorted, decoded parameters.
//!
//! Not the reading of them. The rules are those of Twilio's own libraries: the address with and without its port, each distinct value
//! of a name once, and for another body than a form its hash in the query (`bodySHA256`) with no parameters.
//!
//! The address is never taken from the request, which names whatever a proxy made of it. Scheme, host and port are those of
//! `public_url` (or of `status_callback`, where statuses come in by another way). The path is the request's own, query included,
//! behind whatever stands in the configured address before its `/hooks/`: the prefix that a proxy takes away. Where the configured
//! address has no `/hooks/` at all, a proxy maps one path to the other, and the configured path stands with the request's own query.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

use crate::engine::ports::{Forged, Webhook};
use crate::provider::form::FORM;
use crate::provider::meta::hex;
use crate::provider::remote::Key;

/// The path under which webhooks arrive.
const HOOKS: &str = "/hooks/";

/// Proves that a webhook was sent to one of `addresses` by an account with one of `tokens`.
///
/// # Errors
/// [`Forged`], where it was not.
pub(super) fn verify(tokens: &[Key], addresses: &[Url], hook: &Webhook<'_>) -> Result<(), Forged> {
    let signature = hook.header("x-twilio-signature").ok_or(Forged("x-twilio-signature is missing or stands there twice"))?;
    let signature = STANDARD.decode(signature).map_err(|_| Forged("x-twilio-signature is no base64"))?;
    let parameters = match body_hash(hook) {
        None => parameters(hook.body),
        Some(hash) if is_hash_of(&hash, hook.body) => BTreeSet::new(),
        Some(_) => return Err(Forged("the body is not the one that bodySHA256 speaks of")),
    };
    let signed = |url: &String, token: &Key| mac(token, url, &parameters).verify_slice(&signature).is_ok();
    let mut urls = addresses.iter().flat_map(|address| called(address, hook));
    if urls.any(|url| tokens.iter().any(|token| signed(&url, token))) {
        return Ok(());
    }
    Err(Forged("x-twilio-signature is by no auth token of this line, or was made for another address than the configured one"))
}

/// Whether the body is a form: it is, unless it says otherwise and its hash stands in the signed address.
pub(super) fn is_form(hook: &Webhook<'_>) -> bool {
    body_hash(hook).is_none()
}

/// The hash that takes the place of the parameters, where the body is no form.
fn body_hash<'a>(hook: &Webhook<'a>) -> Option<Cow<'a, str>> {
    let kind = hook.header("content-type")?.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case(FORM) {
        return None;
    }
    let (_, query) = hook.target.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "bodySHA256").map(|(_, hash)| hash)
}

fn is_hash_of(hash: &str, body: &[u8]) -> bool {
    let computed = hex(&Sha256::digest(body));
    computed.as_bytes().ct_eq(hash.as_bytes()).into()
}

/// Sorted by name and value, bytewise, each pair once.
fn parameters(body: &[u8]) -> BTreeSet<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(body).collect()
}

fn mac(token: &Key, url: &str, parameters: &BTreeSet<(Cow<'_, str>, Cow<'_, str>)>) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    for (name, value) in parameters {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac
}

/// The address that Twilio called, without and with its port: its signer does either.
fn called(address: &Url, hook: &Webhook<'_>) -> [String; 2] {
    let (scheme, host) = (address.scheme(), address.host_str().unwrap_or_default());
    let port = address.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    let rest = match address.path().rfind(HOOKS) {
        Some(prefix) => format!("{}{}", &address.path()[..prefix], hook.target),
        None => format!("{}{}", address.path(), hook.target.find('?').map_or("", |query| &hook.target[query..])),
    };
    [format!("{scheme}://{host}{rest}"), format!("{scheme}://{host}{port}{rest}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn signed(token: &str, url: &str, body: &[u8]) -> String {
        STANDARD.encode(mac(&Key::new(token), url, &parameters(body)).finalize().into_bytes())
    }

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
    }

    /// Whether a request to `target` with `signature` is believed on a line at `address`.
    fn believed(address: &str, target: &str, signature: &str, body: &[u8]) -> bool {
        let headers = headers(&[("x-twilio-signature", signature)]);
        verify(&[Key::new("12345")], &[url(address)], &Webhook { target, headers: &headers, peer: None, body }).is_ok()
    }

    /// The example that Twilio's libraries are tested with.
    #[test]
    fn the_published_example_is_signed_so() {
        let body = b"Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309\
            &ReasonConferenceEnded=test&Reason=Participant";
        let signature = "vOEb5UThFn24KEfnOFLQY2AE5FY=";
        assert_eq!(signed("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", body), signature);
        assert!(believed("https://mycompany.com/myapp.php", "/hooks/twilio?foo=1&bar=2", signature, body), "a proxy maps the path");
        assert!(!believed("https://mycompany.com/myapp.php", "/hooks/twilio?foo=1&bar=3", signature, body));
        assert!(!believed("https://mycompany.com/other.php", "/hooks/twilio?foo=1&bar=2", signature, body));
        assert!(!believed("https://mycompany.com/myapp.php", "/hooks/twilio?foo=1&bar=2", signature, &body[1..]));
    }

    #[test]
    fn the_configured_address_and_the_requests_own_path_are_what_is_signed() {
        let target = "/hooks/twilio?token=x";
        for (address, called, believed_so) in [
            ("https://example.test/hooks/twilio", "https://example.test/hooks/twilio?token=x", true),
            ("https://example.test/hooks/twilio", "https://example.test:443/hooks/twilio?token=x", true),
            ("https://example.test:443/hooks/twilio", "https://example.test/hooks/twilio?token=x", true),
            ("https://example.test:8443/hooks/twilio", "https://example.test:8443/hooks/twilio?token=x", true),
            ("https://example.test:8443/hooks/twilio", "https://example.test/hooks/twilio?token=x", true),
            ("http://example.test/hooks/twilio", "http://example.test:80/hooks/twilio?token=x", true),
            ("https://example.test/bots/hooks/twilio", "https://example.test/bots/hooks/twilio?token=x", true),
            ("https://[2001:db8::1]/hooks/twilio", "https://[2001:db8::1]/hooks/twilio?token=x", true),
            ("https://example.test/hooks/twilio#rc=3", "https://example.test/hooks/twilio?token=x", true),
            ("https://example.test/in", "https://example.test/in?token=x", true),
            ("https://example.test/bots/hooks/twilio", "https://example.test/hooks/twilio?token=x", false),
            ("https://example.test/hooks/twilio", "http://example.test/hooks/twilio?token=x", false),
            ("https://example.test/hooks/twilio", "https://evil.test/hooks/twilio?token=x", false),
            ("https://example.test/hooks/twilio", "https://example.test/hooks/twilio", false),
        ] {
            assert_eq!(believed(address, target, &signed("12345", called, b"A=1"), b"A=1"), believed_so, "{address} {called}");
        }
    }

    #[test]
    fn a_name_that_stands_there_twice_counts_with_each_distinct_value() {
        let body = b"MediaUrl=b&MediaUrl=a&MediaUrl=b&A=&B=%26";
        assert_eq!(signed("12345", "u", body), {
            let mut mac = Hmac::<Sha1>::new_from_slice(b"12345").unwrap();
            mac.update(b"uAB&MediaUrlaMediaUrlb");
            STANDARD.encode(mac.finalize().into_bytes())
        });
    }

    #[test]
    fn another_body_than_a_form_is_known_by_its_hash() {
        let (body, address) = (br#"{"a":1}"#.as_slice(), url("https://example.test/hooks/twilio"));
        let hash = hex(&Sha256::digest(body));
        let target = format!("/hooks/twilio?bodySHA256={hash}");
        let signature = signed("12345", &format!("https://example.test{target}"), b"");
        let check = |kind: &str, body: &[u8], target: &str| {
            let headers = headers(&[("x-twilio-signature", &signature), ("content-type", kind)]);
            verify(&[Key::new("12345")], std::slice::from_ref(&address), &Webhook { target, headers: &headers, peer: None, body })
        };
        assert_eq!(check("application/json", body, &target), Ok(()));
        assert!(check("application/json", b"{}", &target).is_err(), "another body");
        assert!(check("application/json", body, "/hooks/twilio").is_err(), "no hash");
        assert!(check("application/x-www-form-urlencoded", body, &target).is_err(), "a form is signed with its parameters");
    }

    #[test]
    fn any_token_will_do_and_a_header_stands_there_once() {
        let (address, target, body) = (url("https://example.test/hooks/twilio"), "/hooks/twilio", b"A=1".as_slice());
        let signature = signed("new", "https://example.test/hooks/twilio", body);
        let check = |tokens: &[&str], headers: &[(String, Vec<u8>)]| {
            let tokens: Vec<Key> = tokens.iter().map(|token| Key::new(*token)).collect();
            verify(&tokens, std::slice::from_ref(&address), &Webhook { target, headers, peer: None, body }).is_ok()
        };
        let once = headers(&[("x-twilio-signature", &signature)]);
        assert!(check(&["new"], &once) && check(&["old", "new"], &once));
        assert!(!check(&["old"], &once) && !check(&[], &once) && !check(&["new"], &[]));
        assert!(!check(&["new"], &[once.clone(), once].concat()), "two headers");
        for wrong in ["", "===", "AAAA", &signature[..27], &format!("{signature}AAAA")] {
            assert!(!check(&["new"], &headers(&[("x-twilio-signature", wrong)])), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_is_believed_and_whatever_is_changed_is_not(
            fields in proptest::collection::vec(("[A-Z][a-z]{0,6}", ".{0,12}"), 1..6), at in any::<proptest::sample::Index>(),
        ) {
            let body = crate::provider::form::body(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let signature = signed("12345", "https://example.test/hooks/t", body.as_bytes());
            prop_assert!(believed("https://example.test/hooks/t", "/hooks/t", &signature, body.as_bytes()));
            let mut other = body.clone().into_bytes();
            let at = at.index(other.len());
            other[at] = if other[at] == b'x' { b'y' } else { b'x' };
            prop_assume!(parameters(&other) != parameters(body.as_bytes()));
            // Neither names nor values are set apart in what is signed: two forms that run together alike are one to Twilio.
            let run = |body: &[u8]| parameters(body).iter().map(|(name, value)| format!("{name}{value}")).collect::<String>();
            prop_assert_eq!(
                believed("https://example.test/hooks/t", "/hooks/t", &signature, &other),
                run(&other) == run(body.as_bytes())
            );
        }

        #[test]
        fn it_is_total(body in proptest::collection::vec(any::<u8>(), 0..200), target in ".{0,40}", signature in ".{0,40}", kind in ".{0,40}") {
            let headers = headers(&[("x-twilio-signature", &signature), ("content-type", &kind)]);
            let hook = Webhook { target: &target, headers: &headers, peer: None, body: &body };
            prop_assert!(verify(&[Key::new("12345")], &[url("https://example.test/hooks/t")], &hook).is_err());
        }
    }
}
