//! A form as `application/x-www-form-urlencoded` has it: every field once, in well-formed text, and none that nobody asked for.
//!
//! Not lenient as browsers' readers are: what cannot be read is a mistake that is told, never a guess.

use crate::shapes::event::shortened;
use crate::shapes::guide::BadField;

/// Most fields of a form.
const FIELDS: usize = 128;
/// The longest name of a field, in bytes.
const NAME_BYTES: usize = 96;

/// The fields of a form that nobody has taken yet, in their order.
#[derive(Clone, Debug)]
pub struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads a form.
    ///
    /// # Errors
    /// The first field that is malformed or given twice.
    pub fn read(body: &[u8]) -> Result<Form, BadField> {
        let mut form = Form { fields: Vec::new() };
        for part in body.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
            let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            let (name, value) = (&part[..at], part.get(at + 1..).unwrap_or_default());
            let name = decoded(name).ok_or_else(|| {
                BadField::new(
                    "",
                    format!("{}: the name of a field is not percent-encoded UTF-8", shortened(&String::from_utf8_lossy(name))),
                )
            })?;
            if name.is_empty() || name.len() > NAME_BYTES || name.chars().any(char::is_control) {
                return Err(BadField::new("", format!("{} is no name of a field", shortened(&name))));
            }
            let Some(value) = decoded(value) else {
                return Err(BadField::new(name, "is not percent-encoded UTF-8; encode a percent sign as %25"));
            };
            form.add(name, value)?;
        }
        Ok(form)
    }

    /// A form of these fields, as programs make it.
    ///
    /// # Errors
    /// A field that is given twice.
    pub fn of(fields: impl IntoIterator<Item = (String, String)>) -> Result<Form, BadField> {
        let mut form = Form { fields: Vec::new() };
        for (name, value) in fields {
            form.add(name, value)?;
        }
        Ok(form)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), BadField> {
        if self.fields.iter().any(|(known, _)| *known == name) {
            return Err(BadField::new(name, "is given twice; send it once"));
        }
        if self.fields.len() == FIELDS {
            return Err(BadField::new(name, format!("is one too many: a form has at most {FIELDS} fields")));
        }
        if let Some(sign) = value.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(BadField::new(name, format!("has the control character U+{:04X} in it; leave it out", u32::from(sign))));
        }
        self.fields.push((name, value));
        Ok(())
    }

    /// A field that may be left out, but not empty.
    ///
    /// # Errors
    /// It is empty, or longer than `most` characters.
    pub fn maybe(&mut self, name: &str, most: usize) -> Result<Option<String>, BadField> {
        let Some(at) = self.fields.iter().position(|(known, _)| known == name) else { return Ok(None) };
        let (_, value) = self.fields.remove(at);
        if value.trim().is_empty() {
            return Err(BadField::new(name, "is empty; write something, or leave it out"));
        }
        let long = value.chars().nth(most).is_some();
        if long {
            return Err(BadField::new(name, format!("has {} characters; at most {most}", value.chars().count())));
        }
        Ok(Some(value))
    }

    /// A field that must be there.
    ///
    /// # Errors
    /// It is missing, empty or too long; `wanted` says what it is.
    pub fn need(&mut self, name: &str, most: usize, wanted: &str) -> Result<String, BadField> {
        match self.maybe(name, most) {
            Ok(value) => value.ok_or_else(|| BadField::new(name, format!("is missing: {wanted}"))),
            Err(bad) if bad.why.starts_with("is empty") => Err(BadField::new(name, format!("is empty: {wanted}"))),
            Err(bad) => Err(bad),
        }
    }

    /// A field that is one of these words.
    ///
    /// # Errors
    /// It is missing, or none of them.
    pub fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Result<T, BadField> {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let value = self.need(name, 64, &format!("write {}", all.join(" or ")))?;
        let found = words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning);
        found.ok_or_else(|| BadField::new(name, format!("{}: write {}", shortened(&value), all.join(" or "))))
    }

    /// A field that is `true` or `false`.
    ///
    /// # Errors
    /// It is missing, or neither.
    pub fn truth(&mut self, name: &str) -> Result<bool, BadField> {
        self.word(name, &[("true", true), ("false", false)])
    }

    /// Every field whose name begins so, without that beginning; sorted by name.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (with, without) = std::mem::take(&mut self.fields).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.fields = without;
        let mut taken: Vec<(String, String)> = with;
        taken.iter_mut().for_each(|(name, _)| *name = name.split_off(prefix.len()));
        taken.sort();
        taken
    }

    /// Whether a field is there that nobody has taken.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    /// The end: whatever is left was not asked for. `known` are the fields of this call.
    ///
    /// # Errors
    /// The first field that is left.
    pub fn end(self, known: &str) -> Result<(), BadField> {
        match self.fields.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(BadField::new(name, format!("is no field of this call; it takes {known}"))),
        }
    }
}

/// The text behind an encoded piece; `None` where it is not well-formed.
fn decoded(piece: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
                value as u8
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_browsers_encode_is_read() {
        let mut form = Form::read(b"content=Hola+%7B%7B.name%7D%7D%2C+%C2%BFlisto%3F&&var.name=Ana&empty=&flag").unwrap();
        assert_eq!(form.need("content", 99, "").unwrap(), "Hola {{.name}}, ¿listo?");
        assert_eq!(form.prefixed("var."), [("name".to_owned(), "Ana".to_owned())]);
        assert!(form.has("empty") && form.has("flag"));
        assert_eq!(form.maybe("empty", 9).unwrap_err().field, "empty");
        assert_eq!(form.end("content").unwrap_err().field, "flag");
    }

    #[test]
    fn every_kind_of_mistake_names_its_field() {
        for (body, field) in [
            (&b"a=1&a=2"[..], "a"),
            (b"a=%", "a"),
            (b"a=%4", "a"),
            (b"a=%zz", "a"),
            (b"a=%ff", "a"),
            (b"a=\xff", "a"),
            (b"a=%00", "a"),
            (b"=1", ""),
            (b"%ff=1", ""),
        ] {
            let bad = Form::read(body).unwrap_err();
            assert_eq!((bad.field.as_str(), bad.why.is_empty()), (field, false), "{}", String::from_utf8_lossy(body));
        }
        let many: String = (0..=FIELDS).map(|n| format!("f{n}=1&")).collect();
        assert_eq!(Form::read(many.as_bytes()).unwrap_err().field, format!("f{FIELDS}"));
        let mut form = Form::read(b"long=1234&blank=+&is=maybe").unwrap();
        assert_eq!(form.maybe("long", 3).unwrap_err().why, "has 4 characters; at most 3");
        assert_eq!(form.need("blank", 3, "write x").unwrap_err().why, "is empty: write x");
        assert_eq!(form.need("gone", 3, "write x").unwrap_err().why, "is missing: write x");
        assert_eq!(form.truth("is").unwrap_err().why, "\"maybe\": write true or false");
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(fields in proptest::collection::btree_map("[a-z.]{1,9}", "[ -~¿ñ\n]{0,30}", 0..9)) {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
            let form = Form::read(body.as_bytes()).unwrap();
            prop_assert_eq!(form.fields.into_iter().collect::<std::collections::BTreeMap<_, _>>(), fields);
        }

        #[test]
        fn garbage_is_a_form_or_a_mistake(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(form) = Form::read(&body) {
                prop_assert!(form.fields.len() <= FIELDS);
            }
        }
    }
}
