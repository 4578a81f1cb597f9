//! What Meta's shapes mean, wherever they arrive: the Cloud API's webhooks, and Gupshup's in version 3.
//!
//! Not a provider: whose webhook it is, and what proves it, is told by those who use this.

mod read;
mod shape;
pub(super) mod table;
#[cfg(test)]
mod tests;
pub(super) mod write;

use sha2::{Digest, Sha256};

use crate::engine::heard::{Fate, Item, Person, Status, Tap, Trouble};
use crate::engine::picks;
use crate::engine::ports::Unreadable;
use crate::engine::request::What;
use crate::id::SendId;
use crate::limits;
use crate::provider::soft::Word;
use crate::shapes::button;

pub(super) use read::read;
pub(super) use shape::{Envelope, Metadata};

/// How one provider speaks Meta's shapes.
pub(super) struct Dialect {
    /// A reaction counts as a sign of life.
    pub(super) reactions: bool,
    /// By which of its names the business's side is known.
    pub(super) address: fn(&Metadata<'_>) -> String,
    /// What an error code means.
    pub(super) trouble: fn(i64) -> Option<Trouble>,
    /// Templates are known by name and language, as these webhooks call them.
    pub(super) templates: bool,
}

/// What was read so far, within the bound of one webhook.
#[derive(Default)]
pub(super) struct Items(Vec<Item>);

impl Items {
    pub(super) fn push(&mut self, item: Item) -> Result<(), Unreadable> {
        if self.0.len() == limits::WEBHOOK_UPDATES {
            return Err(Unreadable(format!("body: more than {} updates in one webhook", limits::WEBHOOK_UPDATES)));
        }
        self.0.push(item);
        Ok(())
    }

    pub(super) fn into_vec(self) -> Vec<Item> {
        self.0
    }
}

/// The body as text that begins an object.
pub(super) fn text(body: &[u8]) -> Result<&str, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|e| Unreadable(format!("body: no UTF-8 at byte {}", e.valid_up_to())))?;
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        None => Err(Unreadable("body: empty".into())),
        Some(b'{') => Ok(text),
        Some(_) => Err(Unreadable("body: no JSON object".into())),
    }
}

/// Where a body stops to be JSON; what stands there is not told.
pub(super) fn unreadable(error: &serde_json::Error) -> Unreadable {
    Unreadable(format!("body: no JSON of a webhook at line {} column {}", error.line(), error.column()))
}

/// An identity within the bound of identities: a longer one is its hash. Where there is none, the text it was to name is hashed:
/// redelivered, it is the same text.
pub(super) fn identity(id: &str, whole: &str) -> String {
    match id {
        "" => hash(whole),
        id if id.len() > limits::EVENT_ID_BYTES => hash(id),
        id => id.to_owned(),
    }
}

fn hash(text: &str) -> String {
    format!("sha256/{}", hex(&Sha256::digest(text.as_bytes())))
}

/// Bytes as hexadecimal digits, in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Longest number, in digits: two more than E.164 has.
const PHONE_DIGITS: usize = 17;
/// Longest business-scoped user id, in bytes: Meta's 128, the country and the portfolio, and some room.
const USER_BYTES: usize = 160;

/// A person by number and user id. A number that is none counts as absent, or as the user id that it looks like.
pub(super) fn person(phone: &str, user: &str) -> Person {
    let digits = digits(phone);
    let user = match user.trim() {
        "" if is_user_id(phone.trim()) => phone.trim(),
        user if user.len() <= USER_BYTES && user.bytes().all(|b| b.is_ascii_graphic()) => user,
        _ => "",
    };
    Person { phone: digits, user: user.to_owned() }
}

/// The digits of a number written as `573…`, `+573…` or `+57 3…`; empty where it is none.
pub(super) fn digits(phone: &str) -> String {
    let digits: String = phone.chars().filter(|c| !matches!(c, '+' | ' ' | '-' | '(' | ')')).collect();
    let valid = !digits.is_empty() && digits.len() <= PHONE_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    if valid { digits } else { String::new() }
}

/// Whether this has the form of a business-scoped user id: a country, a point, letters and digits.
pub(super) fn is_user_id(text: &str) -> bool {
    match text.as_bytes() {
        [a, b, b'.', rest @ ..] => {
            let valid = |b: &u8| b.is_ascii_alphanumeric() || *b == b'.';
            a.is_ascii_uppercase() && b.is_ascii_uppercase() && !rest.is_empty() && rest.iter().all(valid) && text.len() <= USER_BYTES
        }
        _ => false,
    }
}

/// A tap on a button that carries `id`, with `label` on it, under `message`.
pub(super) fn tapped(id: &str, label: &str, message: &str) -> What {
    let (choice, by_choice) = button::read(id).map(|(choice, _, send)| (choice, send)).unzip();
    let (pick, by_pick) = picks::read(id).map(|(place, _, send)| (place, send)).unzip();
    let send = by_choice.or(by_pick);
    What::Tapped(Tap { send, message: (!message.is_empty()).then(|| message.to_owned()), choice, pick, label: label.to_owned() })
}

/// The kinds of status that tell what became of a message.
pub(super) fn status(word: &Word<'_>, message: &str, send: Option<SendId>, failure: impl FnOnce() -> Trouble) -> Option<Status> {
    let fate = match word.as_str() {
        // Gupshup's word for a message on its way to WhatsApp.
        "enqueued" | "sent" => Fate::Sent,
        "delivered" => Fate::Delivered,
        // A voice message that was played was seen.
        "read" | "played" => Fate::Read,
        "failed" => Fate::Failed(failure()),
        _ => return None,
    };
    Some(Status { message: message.to_owned(), send, fate })
}

/// Whether a template may be sent, by the provider's word for its state; `None` where the word does not tell.
pub(super) fn usable(word: &str) -> Option<bool> {
    let word = word.to_ascii_uppercase();
    match word.as_str() {
        // Flagged: its quality is low, and it may still be sent.
        "APPROVED" | "REINSTATED" | "FLAGGED" | "UNARCHIVED" | "UNPAUSED" => Some(true),
        "PENDING" | "REJECTED" | "PAUSED" | "DISABLED" | "IN_APPEAL" | "PENDING_DELETION" | "DELETED" | "ARCHIVED" => Some(false),
        _ => None,
    }
}
