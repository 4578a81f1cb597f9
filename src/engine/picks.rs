//! What the choices under a question of ours carry: the place of the choice, the conversation and the send, so that a tap on an
//! earlier question is known as such.
//!
//! Not what stands on them, and not the *yes* and *no* under a follow-up: those are `shapes/button.rs`.

use crate::id::{ConversationId, SendId};

/// The id of a choice, from place 0: `pick3.cnv_….snd_…`, 69 bytes at most.
#[must_use]
pub fn write(place: u8, conversation: ConversationId, send: SendId) -> String {
    format!("pick{place}.{conversation}.{send}")
}

/// What the id of a choice says; `None` where it is not one of ours.
#[must_use]
pub fn read(id: &str) -> Option<(u8, ConversationId, SendId)> {
    let mut parts = id.split('.');
    let place = parts.next()?.strip_prefix("pick")?;
    let canonical = place == "0" || !place.starts_with(['0', '+']);
    let (conversation, send) = (ConversationId::parse(parts.next()?)?, SendId::parse(parts.next()?)?);
    let place = place.parse().ok().filter(|_| canonical)?;
    parts.next().is_none().then_some((place, conversation, send))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(place: u8, conversation: u128, send: u128) {
            let (conversation, send) = (ConversationId(conversation), SendId(send));
            let id = write(place, conversation, send);
            prop_assert!(id.len() <= 69);
            prop_assert_eq!(read(&id), Some((place, conversation, send)));
        }

        #[test]
        fn anything_else_is_nobodys(text in "pick[0-9+]{0,4}[.](cnv_[0-9a-z]{26})?[.](snd_[0-9a-z]{26})?") {
            if let Some((place, conversation, send)) = read(&text) {
                prop_assert_eq!(write(place, conversation, send), text);
            }
        }
    }
}
