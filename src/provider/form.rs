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
pub(super) fn under(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// Whether this is a number as digits with country code.
pub(super) fn is_number(text: &str) -> bool {
    (5..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
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
            assert_eq!(under(&base.parse().unwrap(), "/v1/send").as_str(), whole);
        }
    }

    #[test]
    fn numbers_are_digits_with_country_code() {
        for (text, expected) in
            [("573181230000", true), ("6512345", true), ("", false), ("+573181230000", false), ("03181230000", false), ("CO.13", false)]
        {
            assert_eq!(is_number(text), expected, "{text:?}");
        }
        assert!(!is_number("1234567890123456"), "E.164 ends at 15 digits");
    }

    #[test]
    fn fields_are_written_as_browsers_do() {
        assert_eq!(body([("To", "whatsapp:+57"), ("var.name", "Ana Ríos & co")]), "To=whatsapp%3A%2B57&var.name=Ana+R%C3%ADos+%26+co");
    }
}
