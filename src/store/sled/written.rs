//! A change of a conversation between its commit and its fold: the bytes that the log has, and beside them what is asked often.
//!
//! Not the change itself: that takes four times the memory, and is made again from the bytes where it is needed whole.

use crate::conversation::Phase;
use crate::engine::record::{HookRecord, Moved};
use crate::id::{AliasKey, ConversationId, EventKey};
use crate::moment::Moment;
use crate::store::codec::change::{put_moved, read_moved};
use crate::store::codec::words::Reader;

/// A change of a conversation, written down. Its ledger entry is not here: the ledger has that.
#[derive(Debug)]
pub(super) struct Written {
    /// Whose.
    pub(super) id: ConversationId,
    /// When it was made.
    pub(super) now: Moment,
    /// The identity of its event.
    pub(super) identity: Option<EventKey>,
    /// Where the conversation stands from then on.
    pub(super) phase: Phase,
    /// Names under which it can be found from then on.
    pub(super) aliases: Box<[AliasKey]>,
    /// Numbers of the hook records that it makes and that some hook has to get.
    pub(super) hooks: Box<[u64]>,
    /// The highest number of a hook record in it, wanted or not.
    pub(super) last_hook: Option<u64>,
    bytes: Box<[u8]>,
}

impl Written {
    /// Writes a change down; `room` is memory to write in, used again from one to the next.
    pub(super) fn new(moved: &Moved, room: &mut Vec<u8>) -> Written {
        room.clear();
        put_moved(room, moved);
        let wanted = moved.hooks.iter().filter(|record| !record.hooks.is_empty());
        Written {
            id: moved.stored.id,
            now: moved.now,
            identity: moved.identity,
            phase: moved.stored.state.phase,
            aliases: moved.aliases.as_slice().into(),
            hooks: wanted.map(|record| record.seq).collect(),
            last_hook: moved.hooks.iter().map(|record| record.seq).max(),
            bytes: room.as_slice().into(),
        }
    }

    /// As the log has it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The change, but for its ledger entry.
    pub(super) fn read(&self) -> Moved {
        // The first byte says what kind of change it is.
        read_moved(&mut Reader::new(&self.bytes[1..])).expect("what was written in this process can be read")
    }

    /// The hook record under a number.
    pub(super) fn hook(&self, seq: u64) -> Option<HookRecord> {
        self.read().hooks.into_iter().find(|record| record.seq == seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_comes_back(moves in samples::moves_of_one()) {
            let mut room = Vec::new();
            for moved in moves {
                let written = Written::new(&moved, &mut room);
                prop_assert_eq!((written.id, written.now, written.phase), (moved.stored.id, moved.now, moved.stored.state.phase));
                prop_assert_eq!(&written.read(), &Moved { ledger: None, ..moved });
            }
        }
    }
}
