//! Inbounds: the message with which a person starts a flow on a line, its form, its record and its link.
//!
//! Not the matching: [`Inbounds`] does that, and this fills it.

use std::sync::Arc;

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use crate::conversation::answer;
use crate::engine::book::Book;
use crate::engine::inbounds::Inbounds;
use crate::shapes::event::shortened;
use crate::shapes::guide::form::Form;
use crate::shapes::guide::{BadField, INBOUND_CHARS, flow_of, line_of, number};

/// The fields of the call.
const FIELDS: &str = "waba_provider, waba_phone_number, flow_id, inbound_message";

/// An inbound as it is kept.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Inbound {
    /// The provider's word, as it was given and found right.
    pub waba_provider: String,
    /// The line's number.
    pub waba_phone_number: String,
    /// The flow, as it was given: a name or an id.
    pub flow_id: String,
    /// What the person sends.
    pub inbound_message: String,
}

impl Inbound {
    /// Reads the form of a new one.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn create(mut form: Form, book: &Book) -> Result<Inbound, BadField> {
        let inbound = Inbound {
            waba_provider: form.need("waba_provider", 40, "write the provider of the line, as gupshup")?,
            waba_phone_number: form.need("waba_phone_number", 40, "write the line's number with country code, as 57317770000")?,
            flow_id: form.need("flow_id", 100, "write the name or the id of a flow")?,
            inbound_message: form.need("inbound_message", INBOUND_CHARS, "write the message that starts the flow")?,
        };
        form.end(FIELDS)?;
        inbound.checked(book)
    }

    /// Reads the form of a change: what it leaves out stays.
    ///
    /// # Errors
    /// The first field that is wrong, or that there is none.
    pub fn edit(self, mut form: Form, book: &Book) -> Result<Inbound, BadField> {
        let mut changed = false;
        let mut field = |form: &mut Form, name: &str, most: usize, known: String| {
            let new = form.maybe(name, most)?;
            changed |= new.is_some();
            Ok(new.unwrap_or(known))
        };
        let inbound = Inbound {
            waba_provider: field(&mut form, "waba_provider", 40, self.waba_provider)?,
            waba_phone_number: field(&mut form, "waba_phone_number", 40, self.waba_phone_number)?,
            flow_id: field(&mut form, "flow_id", 100, self.flow_id)?,
            inbound_message: field(&mut form, "inbound_message", INBOUND_CHARS, self.inbound_message)?,
        };
        form.end(FIELDS)?;
        if !changed {
            return Err(BadField::new("", format!("nothing is to be changed; send one or more of {FIELDS}")));
        }
        inbound.checked(book)
    }

    fn checked(self, book: &Book) -> Result<Inbound, BadField> {
        let waba_phone_number = number("waba_phone_number", &self.waba_phone_number)?;
        let line = line_of(book, &waba_phone_number)?;
        let provider = book.providers.get(&line).copied().unwrap_or_default();
        if self.waba_provider != provider {
            let given = shortened(&self.waba_provider);
            return Err(BadField::new("waba_provider", format!("{given}: line {line:?} with this number is on {provider}; write that")));
        }
        flow_of(book, &self.flow_id)?;
        let message = self.inbound_message.trim();
        if answer::fold(message).is_empty() {
            return Err(BadField::new("inbound_message", "has nothing in it that a person could see; write words"));
        }
        if answer::read(message).is_some() {
            let why = format!("{} already means something here, as yes, no, later or stop do; write another message", shortened(message));
            return Err(BadField::new("inbound_message", why));
        }
        Ok(Inbound { waba_phone_number, inbound_message: message.to_owned(), ..self })
    }

    /// The bytes that are kept.
    #[must_use]
    pub fn to_bytes(&self) -> Arc<[u8]> {
        // Texts alone, so there is nothing that could fail.
        Arc::from(serde_json::to_vec(self).expect("texts are always JSON"))
    }

    /// The record that was kept as these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Inbound> {
        serde_json::from_slice(bytes).ok()
    }

    /// The production link: it opens a chat with the line, the message ready to be sent.
    #[must_use]
    pub fn link(&self) -> String {
        format!("https://api.whatsapp.com/send?phone={}&text={}", self.waba_phone_number, percent_encoded(&self.inbound_message))
    }
}

/// What the call answers.
#[derive(Clone, Copy, Debug)]
pub struct InboundShape<'a> {
    /// Its id.
    pub id: &'a str,
    /// The record.
    pub inbound: &'a Inbound,
    /// The rules in force.
    pub book: &'a Book,
}

impl Serialize for InboundShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let InboundShape { id, inbound, book } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("inbound_id", id)?;
        map.serialize_entry("waba_provider", &inbound.waba_provider)?;
        map.serialize_entry("waba_phone_number", &inbound.waba_phone_number)?;
        map.serialize_entry("flow_id", &inbound.flow_id)?;
        map.serialize_entry("inbound_message", &inbound.inbound_message)?;
        map.serialize_entry("link", &inbound.link())?;
        // Null where the configuration has it no more: then the message starts nothing.
        map.serialize_entry("line", &line_of(book, &inbound.waba_phone_number).ok().as_deref())?;
        map.serialize_entry("flow", &flow_of(book, &inbound.flow_id).ok().as_deref())?;
        map.end()
    }
}

/// The inbounds in force: those of the records whose line and flow are configured. `id` and `changed` stand in place of the record
/// of that id.
///
/// # Errors
/// Where `changed` is one that a person could not tell from another: the id of that.
pub fn in_force<'r>(
    records: impl IntoIterator<Item = (&'r str, &'r [u8])>,
    changed: Option<(&str, Option<&Inbound>)>,
    book: &Book,
) -> Result<Inbounds, String> {
    let mut inbounds = Inbounds::default();
    let mut places: Vec<(Arc<str>, Inbound, &str)> = Vec::new();
    for (id, bytes) in records {
        if changed.is_some_and(|(one, _)| one == id) {
            continue;
        }
        // A record that cannot be read starts nothing; it is told where it is asked for.
        let Some(inbound) = Inbound::from_bytes(bytes) else { continue };
        let Ok(line) = line_of(book, &inbound.waba_phone_number) else { continue };
        // Of two that the same line has, since lines changed places, the first stays.
        if let Ok(flow) = flow_of(book, &inbound.flow_id)
            && inbounds.started_by(&line, &inbound.inbound_message).is_none()
        {
            inbounds.insert(&line, &inbound.inbound_message, &flow);
        }
        places.push((line, inbound, id));
    }
    if let Some((_, Some(inbound))) = changed
        && let (Ok(line), Ok(flow)) = (line_of(book, &inbound.waba_phone_number), flow_of(book, &inbound.flow_id))
    {
        let same = |other: &Inbound| answer::fold(&other.inbound_message) == answer::fold(&inbound.inbound_message);
        if let Some((_, _, id)) = places.iter().find(|(on, other, _)| *on == line && same(other)) {
            return Err((*id).to_owned());
        }
        inbounds.insert(&line, &inbound.inbound_message, &flow);
    }
    Ok(inbounds)
}

/// A text within a query, a space as `%20`: chat applications show a plus sign as such.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                encoded.push(char::from(DIGITS[usize::from(other >> 4)]));
                encoded.push(char::from(DIGITS[usize::from(other & 15)]));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn book() -> Book {
        let mut book = Book { flows: vec![Arc::from("kyc"), Arc::from("onboarding")], ..Book::default() };
        book.numbers.insert(Arc::from("57317770000"), Arc::from("support"));
        book.providers.insert(Arc::from("support"), "gupshup");
        book.flow_ids.insert(format!("ipf{}", "a".repeat(32)), Arc::from("kyc"));
        book
    }

    fn form(fields: &[(&str, &str)]) -> Form {
        Form::of(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap()
    }

    const RIGHT: [(&str, &str); 4] = [
        ("waba_provider", "gupshup"),
        ("waba_phone_number", "+57 317 770 000"),
        ("flow_id", "onboarding"),
        ("inbound_message", " Testing message "),
    ];

    #[test]
    fn the_guides_example_has_its_link() {
        let inbound = Inbound::create(form(&RIGHT), &book()).unwrap();
        assert_eq!(inbound.link(), "https://api.whatsapp.com/send?phone=57317770000&text=Testing%20message");
        assert_eq!(Inbound::from_bytes(&inbound.to_bytes()), Some(inbound.clone()));
        let changed = inbound.clone().edit(form(&[("flow_id", &format!("IPF{}", "A".repeat(32)))]), &book()).unwrap();
        assert_eq!(changed, Inbound { flow_id: format!("IPF{}", "A".repeat(32)), ..inbound });
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let long = "x".repeat(INBOUND_CHARS + 1);
        for (name, wrong) in [
            ("waba_provider", "twilio"),
            ("waba_provider", ""),
            ("waba_phone_number", "5731"),
            ("waba_phone_number", "57317770001"),
            ("waba_phone_number", "call me"),
            ("flow_id", "nobody's"),
            ("flow_id", ""),
            ("inbound_message", " \n"),
            ("inbound_message", "\u{200b}"),
            ("inbound_message", "Sí!"),
            ("inbound_message", "STOP"),
            ("inbound_message", &long),
        ] {
            let fields = RIGHT.map(|(known, value)| (known, if known == name { wrong } else { value }));
            assert_eq!(Inbound::create(form(&fields), &book()).unwrap_err().field, name, "{wrong:?}");
            let without: Vec<(&str, &str)> = RIGHT.into_iter().filter(|(known, _)| *known != name).collect();
            assert_eq!(Inbound::create(form(&without), &book()).unwrap_err().field, name);
        }
        let more = [&RIGHT[..], &[("colour", "red")]].concat();
        assert_eq!(Inbound::create(form(&more), &book()).unwrap_err().field, "colour");
        let inbound = Inbound::create(form(&RIGHT), &book()).unwrap();
        assert!(inbound.edit(form(&[]), &book()).unwrap_err().why.contains("nothing is to be changed"));
    }

    #[test]
    fn two_that_a_person_could_not_tell_apart_are_found() {
        let book = book();
        let inbound = |message: &str| Inbound { inbound_message: message.to_owned(), ..Inbound::create(form(&RIGHT), &book).unwrap() };
        let known = inbound("Quiero empezar").to_bytes();
        let records = || [("INB1", &*known)];
        let twin = inbound("QUIÉRO  empezar ");
        assert_eq!(in_force(records(), Some(("INB2", Some(&twin))), &book), Err("INB1".to_owned()));
        let inbounds = in_force(records(), Some(("INB1", Some(&twin))), &book).expect("it takes its own place");
        assert_eq!(inbounds.started_by("support", "quiero empezar").map(|flow| &**flow), Some("onboarding"));
        assert!(!in_force(records(), Some(("INB1", None)), &book).unwrap().any_on("support"));
        let without = Book { flows: vec![Arc::from("kyc")], ..book };
        assert!(!in_force(records(), None, &without).unwrap().any_on("support"), "its flow is gone");
    }

    proptest! {
        #[test]
        fn a_link_is_an_address_that_says_the_message(message in ".{1,60}") {
            let inbound = Inbound { inbound_message: message.clone(), ..Inbound::create(form(&RIGHT), &book()).unwrap() };
            let link = url::Url::parse(&inbound.link()).unwrap();
            let said: Vec<(String, String)> = link.query_pairs().into_owned().collect();
            prop_assert_eq!(said, [("phone".to_owned(), "57317770000".to_owned()), ("text".to_owned(), message)]);
        }
    }
}
