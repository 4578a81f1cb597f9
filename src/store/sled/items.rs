//! One item of a block: where a conversation stood after a change, in which value its record is, which aliases it has; as bytes.
//!
//! Not which items count: `blocks.rs` and `places.rs` know that.

use crate::conversation::Phase;
use crate::engine::record::{NameId, Stored};
use crate::id::ConversationId;
use crate::store::codec::state::{put_state, read_state};
use crate::store::codec::words::{Reader, put_bytes, put_id, put_list, put_u};
use crate::store::sled::places::Places;

/// Bits of an alias, in the bytes that they take.
const NAME_BYTES: usize = 5;
/// Aliases in one item.
pub(super) const NAMES: usize = 256;

/// Where one conversation stood after a change.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Item {
    pub(super) seq: u64,
    pub(super) id: ConversationId,
    what: What,
}

#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all are of the large kind")]
enum What {
    /// It was forgotten. Records of it may be left in values before this one.
    Gone(u64),
    /// It has a record in this value, with aliases of which these bits are kept; and it stands so, where it is not finished.
    There(u64, Vec<u64>, Option<Stored>),
}

impl Item {
    /// A conversation whose record is in the value `place`; `names` are bits of its aliases.
    pub(super) fn new(seq: u64, stored: &Stored, place: u64, names: Vec<u64>) -> Item {
        let unfinished = Some(*stored).filter(|stored| !matches!(stored.state.phase, Phase::Finished(_)));
        Item { seq, id: stored.id, what: What::There(place, names, unfinished) }
    }

    /// A conversation that was forgotten, when the next value was `next`.
    pub(super) fn gone(seq: u64, id: ConversationId, next: u64) -> Item {
        Item { seq, id, what: What::Gone(next) }
    }

    /// The value that has its record.
    pub(super) fn place(&self) -> Option<u64> {
        match self.what {
            What::Gone(_) => None,
            What::There(place, ..) => Some(place),
        }
    }

    /// Bits of the aliases that its record names.
    pub(super) fn names(&self) -> &[u64] {
        match &self.what {
            What::Gone(_) => &[],
            What::There(_, names, _) => names,
        }
    }

    /// Where it stands, unless it is finished or forgotten.
    pub(super) fn stored(&self) -> Option<&Stored> {
        match &self.what {
            What::Gone(_) => None,
            What::There(_, _, stored) => stored.as_ref(),
        }
    }

    /// Whether it is needed: it is the last of its conversation, or, of one that was forgotten, records may be left behind value `first`
    /// that nobody should take for current.
    pub(super) fn counts(&self, places: &Places, first: u64) -> bool {
        match self.what {
            What::There(place, ..) => places.has(self.id, place),
            What::Gone(next) => first < next && places.candidates(self.id).is_empty(),
        }
    }

    /// The items that stand for one with many aliases, the one with the state last; `None` where one is enough.
    pub(super) fn parts(&self) -> Option<[Item; 2]> {
        let What::There(place, names, stored) = &self.what else { return None };
        let (most, rest) = names.split_at_checked(NAMES).filter(|(_, rest)| !rest.is_empty())?;
        let part = |names: &[u64], stored| Item { seq: self.seq, id: self.id, what: What::There(*place, names.to_vec(), stored) };
        Some([part(rest, None), part(most, *stored)])
    }
}

/// Appends an item.
pub(super) fn put_item(out: &mut Vec<u8>, item: &Item) {
    put_u(out, item.seq << 1 | u64::from(item.place().is_none()));
    match &item.what {
        What::Gone(next) => {
            put_id(out, item.id.0);
            put_u(out, *next);
        }
        What::There(place, names, stored) => {
            put_id(out, item.id.0);
            put_u(out, *place);
            put_list(out, names.iter(), |out, name| out.extend_from_slice(&name.to_le_bytes()[..NAME_BYTES]));
            let mut state = Vec::with_capacity(64);
            if let Some(stored) = stored {
                put_u(&mut state, u64::from(stored.line.0));
                put_u(&mut state, u64::from(stored.flow.0));
                put_state(&mut state, &stored.state);
            }
            put_bytes(out, &state);
        }
    }
}

/// An item as it stands in its block: its aliases and its state unread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<'a> {
    pub(super) id: ConversationId,
    /// The value that has its record; none where it was forgotten.
    pub(super) place: Option<u64>,
    seq: u64,
    number: u64,
    names: &'a [u8],
    state: &'a [u8],
}

impl<'a> Mark<'a> {
    fn read(read: &mut Reader<'a>) -> Option<Mark<'a>> {
        let seq = read.u64()?;
        let id = ConversationId(read.id()?);
        let number = read.u64()?;
        if seq & 1 == 1 {
            return Some(Mark { id, place: None, seq: seq >> 1, number, names: &[], state: &[] });
        }
        let names = usize::try_from(read.u64()?).ok().and_then(|names| names.checked_mul(NAME_BYTES))?;
        Some(Mark { id, place: Some(number), seq: seq >> 1, number, names: read.take(names)?, state: read.bytes()? })
    }

    /// Bits of its aliases.
    pub(super) fn names(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.names.as_chunks::<NAME_BYTES>().0.iter().map(|bytes| {
            let mut name = [0; 8];
            name[..NAME_BYTES].copy_from_slice(bytes);
            u64::from_le_bytes(name)
        })
    }

    /// Whether it tells where a conversation stands: that is neither finished nor forgotten.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.state.is_empty()
    }

    /// Where it stands, as bytes: none where it is finished or forgotten.
    pub(super) fn state(&self) -> &'a [u8] {
        self.state
    }

    /// Where an unfinished conversation stands.
    pub(super) fn stored(&self) -> Option<Stored> {
        stored(self.id, self.state)
    }
}

/// Where an unfinished conversation stands, by the bytes of its item.
pub(super) fn stored(id: ConversationId, state: &[u8]) -> Option<Stored> {
    let mut read = Reader::new(state);
    let (line, flow) = (NameId(read.u16()?), NameId(read.u16()?));
    let state = read_state(&mut read, id)?;
    read.end()?;
    Some(Stored { id, line, flow, state })
}

/// The items of a block, their states unread.
pub(super) fn marks(payload: &[u8]) -> Option<Vec<Mark<'_>>> {
    let mut read = Reader::new(payload);
    let mut marks = Vec::new();
    while read.left() > 0 {
        marks.push(Mark::read(&mut read)?);
    }
    Some(marks)
}

/// The items of a block.
pub(super) fn read(payload: &[u8]) -> Option<Vec<Item>> {
    let item = |mark: Mark<'_>| {
        let what = match mark.place {
            Some(place) => {
                let stored = if mark.is_unfinished() { Some(mark.stored()?) } else { None };
                What::There(place, mark.names().collect(), stored)
            }
            None => What::Gone(mark.number),
        };
        Some(Item { seq: mark.seq, id: mark.id, what })
    };
    marks(payload)?.into_iter().map(item).collect()
}
