//! What our buttons carry: the choice, the conversation and the send, so that an old button is known as old.
//!
//! Not what stands on them.

use crate::conversation::Choice;
use crate::id::{ConversationId, SendId};

/// The id of a button: `yes.cnv_….snd_…`, 65 bytes at most.
#[must_use]
pub fn write(choice: Choice, conversation: ConversationId, send: SendId) -> String {
    format!("{}.{conversation}.{send}", word(choice))
}

/// What a button's id says; `None` where it is not one of ours.
#[must_use]
pub fn read(id: &str) -> Option<(Choice, ConversationId, SendId)> {
    let mut parts = id.split('.');
    let choice = parts.next()?;
    let choice = [Choice::Yes, Choice::No].into_iter().find(|known| word(*known) == choice)?;
    let (conversation, send) = (ConversationId::parse(parts.next()?)?, SendId::parse(parts.next()?)?);
    parts.next().is_none().then_some((choice, conversation, send))
}

fn word(choice: Choice) -> &'static str {
    match choice {
        Choice::Yes => "yes",
        Choice::No => "no",
        Choice::Later => "later",
        Choice::Stop => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(conversation: u128, send: u128, yes: bool) {
            let (choice, conversation, send) = (if yes { Choice::Yes } else { Choice::No }, ConversationId(conversation), SendId(send));
            let id = write(choice, conversation, send);
            prop_assert!(id.len() <= 65);
            prop_assert_eq!(read(&id), Some((choice, conversation, send)));
        }

        #[test]
        fn anything_else_is_nobodys(text in "(yes|no|x)?[.](cnv_)?.{0,40}") {
            if let Some((choice, conversation, send)) = read(&text) {
                prop_assert_eq!(write(choice, conversation, send), text);
            }
        }
    }
}
