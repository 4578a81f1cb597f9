//! What requests in the form encoding share: the body, and an address under the base of an API.
//!
//! Not a provider's fields, nor their order: those stand with each provider.

use url::Url;
use url::form_urlencoded::Serializer;

/// The content type of such a body.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The fields in this order, a space as `+`.
pub(super) fn body<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The address of `path`, which begins with `/`, under `base`: a base of an emulator or a gateway may have a path of its own.
///
/// # Errors
/// The base is no address that a path can follow.
pub(super) fn under(base: &Url, path: &str) -> Result<Url, String> {
    if base.cannot_be_a_base() {
        return Err("the API's address takes no path".into());
    }
    Ok(below(base, path))
}

/// The address of `path`, which begins with `/`, under an address that [`under`] made.
pub(super) fn below(address: &Url, path: &str) -> Url {
    let mut url = address.clone();
    url.set_path(&format!("{}{path}", address.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_keeps_its_path_and_loses_nothing_else() {
        for (base, whole) in [
            ("https://api.example.test", "https://api.example.test/v1/send"),
            ("https://api.example.test/", "https://api.example.test/v1/send"),
            ("http://127.0.0.1:9000/twilio/", "http://127.0.0.1:9000/twilio/v1/send"),
        ] {
            assert_eq!(under(&base.parse().unwrap(), "/v1/send").unwrap().as_str(), whole);
        }
        assert!(under(&"mailto:a@example.test".parse().unwrap(), "/v1/send").is_err());
    }

    #[test]
    fn fields_are_written_as_browsers_do() {
        assert_eq!(body([("To", "whatsapp:+57"), ("var.name", "Ana Ríos & co")]), "To=whatsapp%3A%2B57&var.name=Ana+R%C3%ADos+%26+co");
    }
}
