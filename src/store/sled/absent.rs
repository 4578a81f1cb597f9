//! What was looked for and is not there: a new conversation is looked for under several names, and written down the moment after.
//!
//! Not a cache of what is there. An absence is noted under the lock under which changes are taken in, so that it holds until a
//! change says otherwise.

use std::collections::HashSet;
use std::sync::Arc;

use crate::id::{AliasKey, ConversationId};
use crate::store::sled::written::Written;

/// Absences that are remembered; the first one more forgets them all, which costs a look at the disk each.
const MOST: usize = 4_096;

/// Conversations and aliases that are neither on disk nor in the overlay.
#[derive(Debug, Default)]
pub(super) struct Absent {
    conversations: HashSet<ConversationId>,
    aliases: HashSet<AliasKey>,
}

impl Absent {
    /// Whether there is no such conversation.
    pub(super) fn conversation(&self, id: ConversationId) -> bool {
        self.conversations.contains(&id)
    }

    /// Whether there is no such alias.
    pub(super) fn alias(&self, key: AliasKey) -> bool {
        self.aliases.contains(&key)
    }

    /// There is no such conversation.
    pub(super) fn note_conversation(&mut self, id: ConversationId) {
        if self.conversations.len() >= MOST {
            self.conversations.clear();
        }
        self.conversations.insert(id);
    }

    /// There is no such alias.
    pub(super) fn note_alias(&mut self, key: AliasKey) {
        if self.aliases.len() >= MOST {
            self.aliases.clear();
        }
        self.aliases.insert(key);
    }

    /// A change makes a conversation, or goes on with it: a first one is told that it is that.
    pub(super) fn take(&mut self, moved: &mut Arc<Written>) {
        for alias in &moved.aliases {
            self.aliases.remove(alias);
        }
        if self.conversations.remove(&moved.id)
            && let Some(moved) = Arc::get_mut(moved)
        {
            moved.first = true;
        }
    }
}
