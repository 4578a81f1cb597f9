//! The shapes of Meta's webhooks, borrowed from the body: what a reader asks for, and nothing else.
//!
//! Not their meaning: that is `read.rs`. Every field may be absent; one of the wrong kind is.

use serde::Deserialize;

use crate::provider::soft::{List, Soft, Word};

/// The body of a webhook.
#[derive(Deserialize)]
pub(in crate::provider) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub(in crate::provider) object: Word<'a>,
    #[serde(borrow, default)]
    pub(in crate::provider) entry: List<'a>,
}

/// What happened at one account.
#[derive(Deserialize)]
pub(super) struct Entry<'a> {
    #[serde(borrow, default)]
    pub(super) changes: List<'a>,
}

/// A change: the field tells what the value is.
#[derive(Deserialize)]
pub(super) struct Change<'a> {
    #[serde(borrow, default)]
    pub(super) field: Word<'a>,
    #[serde(borrow, default)]
    pub(super) value: Soft<Value<'a>>,
}

/// The value of every field that we read.
#[derive(Deserialize)]
pub(super) struct Value<'a> {
    #[serde(borrow, default)]
    pub(super) metadata: Soft<Metadata<'a>>,
    #[serde(borrow, default)]
    pub(super) contacts: List<'a>,
    #[serde(borrow, default)]
    pub(super) messages: List<'a>,
    #[serde(borrow, default)]
    pub(super) statuses: List<'a>,
    #[serde(borrow, default)]
    pub(super) errors: List<'a>,
    #[serde(borrow, default)]
    pub(super) message_echoes: List<'a>,
    #[serde(borrow, default)]
    pub(super) user_preferences: List<'a>,
    #[serde(borrow, default)]
    pub(super) event: Word<'a>,
    #[serde(borrow, default)]
    pub(super) message_template_name: Word<'a>,
    #[serde(borrow, default)]
    pub(super) message_template_language: Word<'a>,
}

/// The business's side.
#[derive(Deserialize)]
pub(in crate::provider) struct Metadata<'a> {
    #[serde(borrow, default)]
    pub(in crate::provider) display_phone_number: Word<'a>,
    #[serde(borrow, default)]
    pub(in crate::provider) phone_number_id: Word<'a>,
}

/// A person who is spoken of.
#[derive(Deserialize)]
pub(super) struct Contact<'a> {
    #[serde(borrow, default)]
    pub(super) wa_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) user_id: Word<'a>,
}

/// A message, from a person or (an echo) to one.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) from: Word<'a>,
    #[serde(borrow, default)]
    pub(super) from_user_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) to: Word<'a>,
    #[serde(borrow, default)]
    pub(super) to_user_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Word<'a>,
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Word<'a>,
    #[serde(borrow, default)]
    pub(super) group_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) text: Soft<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) interactive: Soft<Interactive<'a>>,
    #[serde(borrow, default)]
    pub(super) button: Soft<Button<'a>>,
    #[serde(borrow, default)]
    pub(super) image: Soft<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) document: Soft<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) context: Soft<Context<'a>>,
    #[serde(borrow, default)]
    pub(super) system: Soft<System<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Text<'a> {
    #[serde(borrow, default)]
    pub(super) body: Word<'a>,
}

/// A choice in a message with buttons, a list or a form.
#[derive(Deserialize)]
pub(super) struct Interactive<'a> {
    #[serde(borrow, default)]
    pub(super) button_reply: Soft<ButtonReply<'a>>,
    #[serde(borrow, default)]
    pub(super) list_reply: Soft<ButtonReply<'a>>,
}

#[derive(Deserialize)]
pub(super) struct ButtonReply<'a> {
    #[serde(borrow, default)]
    pub(super) id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) title: Word<'a>,
}

/// A tap on a template's quick reply.
#[derive(Deserialize)]
pub(super) struct Button<'a> {
    #[serde(borrow, default)]
    pub(super) payload: Word<'a>,
    #[serde(borrow, default)]
    pub(super) text: Word<'a>,
}

/// A file that a person sent: by its id it is fetched.
#[derive(Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow, default)]
    pub(super) id: Word<'a>,
}

/// The message that is answered.
#[derive(Deserialize)]
pub(super) struct Context<'a> {
    #[serde(borrow, default)]
    pub(super) id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) gs_id: Word<'a>,
}

/// What WhatsApp itself tells of a person.
#[derive(Deserialize)]
pub(super) struct System<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Word<'a>,
    #[serde(borrow, default)]
    pub(super) wa_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) new_wa_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) user_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) previous_user_id: Word<'a>,
}

/// What became of a message to a person.
#[derive(Deserialize)]
pub(super) struct Status<'a> {
    #[serde(borrow, default)]
    pub(super) id: Word<'a>,
    /// Gupshup's own id of the message: the one that its API answered.
    #[serde(borrow, default)]
    pub(super) gs_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) status: Word<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Word<'a>,
    #[serde(borrow, default)]
    pub(super) recipient_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) recipient_user_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) recipient_type: Word<'a>,
    #[serde(borrow, default)]
    pub(super) biz_opaque_callback_data: Word<'a>,
    #[serde(borrow, default)]
    pub(super) errors: List<'a>,
}

#[derive(Deserialize)]
pub(super) struct Failure<'a> {
    #[serde(borrow, default)]
    pub(super) code: Word<'a>,
}

/// A person's wish about marketing messages.
#[derive(Deserialize)]
pub(super) struct Preference<'a> {
    #[serde(borrow, default)]
    pub(super) wa_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) user_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) category: Word<'a>,
    #[serde(borrow, default)]
    pub(super) value: Word<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Word<'a>,
}
