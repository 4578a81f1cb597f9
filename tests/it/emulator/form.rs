//! Forms: `application/x-www-form-urlencoded`, read strictly and written in order. Not JSON.

use url::form_urlencoded;

use crate::stub::Request;

/// The fields of a request's body, in order; `None` where the content type says that it is none.
pub(super) fn read(request: &Request) -> Option<Vec<(String, String)>> {
    let kind = request.header("content-type").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (kind == "application/x-www-form-urlencoded").then(|| form_urlencoded::parse(&request.body).into_owned().collect())
}

/// The value of a field that stands there once and is not empty.
pub(super) fn one<'f>(form: &'f [(String, String)], name: &str) -> Option<&'f str> {
    let mut values = form.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let value = values.next().filter(|value| !value.is_empty())?;
    values.next().is_none().then_some(value)
}

/// A form of these fields.
pub(super) fn write<K: AsRef<str>, V: AsRef<str>>(fields: impl IntoIterator<Item = (K, V)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Whether this is a number as the providers want it: digits with country code, no plus.
pub(super) fn digits(text: &str) -> bool {
    (7..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0')
}
