//! A change of a conversation between its commit and its fold: the bytes that the log has, and before them what is asked often.
//!
//! Not the change itself: that takes four times the memory, and is made again from the bytes where it is needed whole. Nor an
//! allocation of its own: hundreds of thousands may wait in a rush, all of them go, and among small pieces of memory there is always
//! something that stays, for which the allocator keeps the whole page. So many stand in one piece, in the order in which they go.

use bytes::{BufMut, Bytes, BytesMut};

use crate::conversation::Phase;
use crate::engine::record::{HookRecord, Moved};
use crate::id::{AliasKey, ConversationId, EventKey};
use crate::moment::Moment;
use crate::store::codec::change::{put_moved, read_moved};
use crate::store::codec::words::Reader;
use crate::store::model::at_rest;

/// Bytes that are asked of the allocator at once.
const PIECE: usize = 64 * 1024;

/// A change of a conversation, written down. Its ledger entry is not here: the ledger has that.
///
/// In the order of [`Written::new`]: what every change has; then, as that counts them, its identity, aliases and numbers of hook
/// records; then the bytes of the log.
#[derive(Clone, Debug)]
pub(super) struct Written(Bytes);

/// Memory to write changes in.
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// Used again from one to the next.
    scratch: Vec<u8>,
    piece: BytesMut,
}

/// Where each number of the head begins.
const NOW: usize = 16;
const LAST_HOOK: usize = 24;
const ALIASES: usize = 32;
const HOOKS: usize = 36;
const FLAGS: usize = 40;
const HEAD: usize = 41;

const IDENTITY: u8 = 1;
const MADE_HOOKS: u8 = 1 << 1;
const AT_REST: u8 = 1 << 2;
const OVER: u8 = 1 << 3;

impl Written {
    /// Writes a change down.
    pub(super) fn new(moved: &Moved, arena: &mut Arena) -> Written {
        let Arena { scratch, piece } = arena;
        scratch.clear();
        piece.clear();
        put_moved(scratch, moved);
        let wanted = || moved.hooks.iter().filter(|record| !record.hooks.is_empty());
        let (aliases, hooks) = (moved.aliases.len(), wanted().count());
        let last_hook = moved.hooks.iter().map(|record| record.seq).max();
        let phase = moved.stored.state.phase;
        let flag = |bit: u8, set: bool| if set { bit } else { 0 };
        let needed = HEAD + 16 * (1 + aliases) + 8 * hooks + scratch.len();
        if piece.capacity() < needed {
            *piece = BytesMut::with_capacity(PIECE.max(needed));
        }
        piece.put_u128_ne(moved.stored.id.0);
        piece.put_i64_ne(moved.now.0);
        piece.put_u64_ne(last_hook.unwrap_or_default());
        piece.put_u32_ne(aliases as u32);
        piece.put_u32_ne(hooks as u32);
        piece.put_u8(
            flag(IDENTITY, moved.identity.is_some())
                | flag(MADE_HOOKS, last_hook.is_some())
                | flag(AT_REST, at_rest(phase))
                | flag(OVER, matches!(phase, Phase::Finished(_))),
        );
        moved.identity.iter().for_each(|key| piece.put_u128_ne(key.0));
        moved.aliases.iter().for_each(|alias| piece.put_u128_ne(alias.0));
        wanted().for_each(|record| piece.put_u64_ne(record.seq));
        piece.put_slice(scratch);
        Written(piece.split().freeze())
    }

    /// Whose.
    pub(super) fn id(&self) -> ConversationId {
        ConversationId(u128::from_ne_bytes(self.array(0)))
    }

    /// When it was made.
    pub(super) fn now(&self) -> Moment {
        Moment(i64::from_ne_bytes(self.array(NOW)))
    }

    /// The highest number of a hook record in it, wanted or not.
    pub(super) fn last_hook(&self) -> Option<u64> {
        self.has(MADE_HOOKS).then(|| u64::from_ne_bytes(self.array(LAST_HOOK)))
    }

    /// The identity of its event.
    pub(super) fn identity(&self) -> Option<EventKey> {
        self.has(IDENTITY).then(|| EventKey(u128::from_ne_bytes(self.array(HEAD))))
    }

    /// Whether the conversation waits for nothing from then on.
    pub(super) fn at_rest(&self) -> bool {
        self.has(AT_REST)
    }

    /// Whether the conversation is over from then on.
    pub(super) fn over(&self) -> bool {
        self.has(OVER)
    }

    /// Names under which it can be found from then on.
    pub(super) fn aliases(&self) -> impl Iterator<Item = AliasKey> {
        let names = &self.0[self.names()..self.numbers()];
        names.as_chunks().0.iter().map(|name| AliasKey(u128::from_ne_bytes(*name)))
    }

    /// Numbers of the hook records that it makes and that some hook has to get.
    pub(super) fn hooks(&self) -> impl Iterator<Item = u64> {
        let numbers = &self.0[self.numbers()..self.body()];
        numbers.as_chunks().0.iter().map(|number| u64::from_ne_bytes(*number))
    }

    /// As the log has it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[self.body()..]
    }

    /// The change, but for its ledger entry.
    pub(super) fn read(&self) -> Moved {
        // The first byte says what kind of change it is.
        read_moved(&mut Reader::new(&self.bytes()[1..])).expect("what was written in this process can be read")
    }

    /// The hook record under a number.
    pub(super) fn hook(&self, seq: u64) -> Option<HookRecord> {
        self.read().hooks.into_iter().find(|record| record.seq == seq)
    }

    fn names(&self) -> usize {
        HEAD + if self.has(IDENTITY) { 16 } else { 0 }
    }

    fn numbers(&self) -> usize {
        self.names() + 16 * u32::from_ne_bytes(self.array(ALIASES)) as usize
    }

    fn body(&self) -> usize {
        self.numbers() + 8 * u32::from_ne_bytes(self.array(HOOKS)) as usize
    }

    fn has(&self, flag: u8) -> bool {
        self.0[FLAGS] & flag != 0
    }

    fn array<const N: usize>(&self, from: usize) -> [u8; N] {
        *self.0[from..].first_chunk().expect("a change is written whole")
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
            let mut arena = Arena::default();
            for moved in moves {
                let written = Written::new(&moved, &mut arena);
                let phase = moved.stored.state.phase;
                prop_assert_eq!((written.id(), written.now(), written.identity()), (moved.stored.id, moved.now, moved.identity));
                prop_assert_eq!((written.at_rest(), written.over()), (at_rest(phase), matches!(phase, Phase::Finished(_))));
                prop_assert_eq!(written.aliases().collect::<Vec<_>>(), moved.aliases.clone());
                let wanted = moved.hooks.iter().filter(|record| !record.hooks.is_empty());
                prop_assert_eq!(written.hooks().collect::<Vec<_>>(), wanted.map(|record| record.seq).collect::<Vec<_>>());
                prop_assert_eq!(written.last_hook(), moved.hooks.iter().map(|record| record.seq).max());
                prop_assert_eq!(&written.read(), &Moved { ledger: None, ..moved });
            }
        }
    }
}
