//! `[[flows.NAME.completions]]`: what the bot says when a conversation has come to its end.
//!
//! Not the look at what it says: the engine has these rules in its book.

use super::read::{Table, text};
use crate::conversation::{Finish, answer};
use crate::engine::book::Completion;
use crate::shapes::Loose;

/// Most rules of a flow.
const COMPLETIONS: usize = 32;
/// The longest text of a rule, in characters.
const SAYS_CHARS: usize = 1_024;

/// Reads the rules of a flow.
pub(super) fn completions(table: &Table<'_>) -> Vec<Completion> {
    let tables = table.list("completions");
    if tables.len() > COMPLETIONS {
        let cure = format!("at most {COMPLETIONS} rules; leave out the others");
        table.notes().mistake(&table.path("completions"), format!("a list of {}", tables.len()), cure);
    }
    let mut completions = Vec::with_capacity(tables.len());
    for table in tables {
        let says = table.need("bot_says", "write a text that stands in the bot's last message", says);
        let outcomes = [("succeeded", Finish::Succeeded), ("failed", Finish::Failed)];
        let outcome = table.need_word("outcome", "write \"succeeded\" or \"failed\"", &outcomes);
        if let (Some(says), Some(outcome)) = (says, outcome) {
            completions.push(Completion::new(&says, outcome));
        }
    }
    completions
}

fn says(value: &Loose) -> Result<String, String> {
    let says = text(1, SAYS_CHARS)(value)?;
    if answer::fold(&says).is_empty() {
        Err("write a text that can be seen: this one stands in every message".to_owned())
    } else {
        Ok(says)
    }
}
