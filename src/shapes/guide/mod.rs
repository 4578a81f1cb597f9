//! The guide's calls: forms read field by field, and the records that inbounds and outbounds are kept as. Pure.
//!
//! Not the routes, and not the sending. Every mistake names its field, says what stands there and what would be right.

mod fields;
pub mod form;
pub mod inbound;
pub mod outbound;
pub mod send;

use std::sync::Arc;

use crate::engine::book::Book;
use crate::shapes::event::shortened;

/// The longest label of a button of a template, in characters.
pub const LABEL_CHARS: usize = 25;
/// The longest text of a template, in characters: what WhatsApp takes above buttons.
pub const CONTENT_CHARS: usize = 1_024;
/// The longest message with which a flow starts, in characters: it has to fit into a link.
pub const INBOUND_CHARS: usize = 1_024;
/// The longest name of an outbound, in characters.
pub const NAME_CHARS: usize = 100;
/// The longest address, in bytes.
pub const URL_BYTES: usize = 2_000;
/// The longest value of a variable, in characters.
pub const VALUE_CHARS: usize = 1_024;
/// The longest name of a variable, in bytes.
pub const VARIABLE_BYTES: usize = 64;

/// A field that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadField {
    /// Its name as the form has it; empty where the form as a whole cannot be read.
    pub field: String,
    /// What stands there, where that says nothing of a person, and what would be right.
    pub why: String,
}

impl BadField {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> BadField {
        BadField { field: field.into(), why: why.into() }
    }
}

/// The line of a business number.
pub(crate) fn line_of(book: &Book, phone: &str) -> Result<Arc<str>, BadField> {
    book.numbers.get(phone).cloned().ok_or_else(|| {
        let field = "waba_phone_number";
        if book.numbers.is_empty() {
            return BadField::new(field, "no line of the configuration has a number; write phone = \"...\" below its [lines.NAME]");
        }
        let known: Vec<&str> = book.numbers.keys().map(|number| &**number).collect();
        BadField::new(field, format!("{} is the number of no line; there are {}", shortened(phone), known.join(", ")))
    })
}

/// The flow of a name or an id.
pub(crate) fn flow_of(book: &Book, named: &str) -> Result<Arc<str>, BadField> {
    let by_name = book.flows.iter().find(|flow| ***flow == *named);
    by_name.or_else(|| book.flow_ids.get(&named.to_ascii_lowercase())).cloned().ok_or_else(|| {
        let known: Vec<&str> = book.flows.iter().map(|flow| &**flow).collect();
        BadField::new("flow_id", format!("{} is no flow, neither by name nor by id; there are {}", shortened(named), known.join(", ")))
    })
}

/// A number as people write it, as digits: a plus sign and what separates groups may stand in it.
pub(crate) fn digits(text: &str) -> Option<String> {
    let bare = text.trim();
    let bare = bare.strip_prefix('+').unwrap_or(bare);
    let plain: String = bare.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    (!plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit())).then_some(plain)
}

/// A whole number with country code, as digits.
pub(crate) fn number(field: &str, text: &str) -> Result<String, BadField> {
    let whole = |digits: &String| (7..=15).contains(&digits.len()) && !digits.starts_with('0');
    digits(text).filter(whole).ok_or_else(|| {
        BadField::new(field, format!("{} is no number with country code; write 7 to 15 digits, as 57317770000", shortened(text)))
    })
}
