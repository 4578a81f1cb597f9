//! Identities: 128-bit values that parse and print, and the keyed hash that makes them.
//!
//! Not a random generator: every identity is a function of the store's key and of what it names, so the same
//! silence gives the same send on every machine and after every restart.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::moment::Moment;

/// Crockford's base32, lower case: no letter that reads as a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of a printed identity: 26 × 5 bits hold 128.
const DIGITS: usize = 26;

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u128);

        impl $name {
            /// What the printed form starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Reads the printed form; `None` where it is not one.
            #[must_use]
            pub fn parse(text: &str) -> Option<$name> {
                parse_base32(text.strip_prefix($prefix)?).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(std::str::from_utf8(&base32(self.0)).unwrap_or_default())
            }
        }
    };
}

identity!(
    /// One person on one line.
    ConversationId,
    "cnv_"
);
identity!(
    /// One follow-up of one silence; also the provider's idempotency or correlation key.
    SendId,
    "snd_"
);
identity!(
    /// The identity of an event that came in, hashed.
    EventKey,
    "evt_"
);
identity!(
    /// One record of a hook, its `webhook-id`.
    HookId,
    "hk_"
);

/// Another name of a conversation (the caller's id, a phone on a line), hashed with the store's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AliasKey(pub u128);

/// A person on all lines, as a keyed hash of the number: what is left of somebody who opted out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PersonKey(pub u128);

/// Makes maps of identities: these are keyed hashes already, spread evenly and chosen by nobody, so hardly anything is left to hash.
pub type BySpread = BuildHasherDefault<Spread>;

/// The hasher of [`BySpread`].
#[derive(Clone, Copy, Default, Debug)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn write_u128(&mut self, identity: u128) {
        self.0 = (identity as u64 ^ (identity >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Of no identity; here because a hasher must have it.
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u128(u128::from(self.0) << 8 | u128::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The store's key: made once with the store, never leaves it. Two stores give one person two identities.
#[derive(Clone)]
pub struct Keys {
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Keys from the store's 32 secret bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Keys {
        // HMAC takes a key of any length, so this cannot fail.
        Keys { mac: Hmac::new_from_slice(secret).expect("HMAC takes a key of any length") }
    }

    /// The conversation that a caller calls `name`.
    #[must_use]
    pub fn conversation(&self, name: &str) -> ConversationId {
        ConversationId(self.hash("conversation", &[name.as_bytes()]))
    }

    /// The conversation first seen as `value` (digits of a phone, or a provider's user id) on `line`.
    #[must_use]
    pub fn conversation_on(&self, line: &str, value: &str) -> ConversationId {
        ConversationId(self.hash("on", &[line.as_bytes(), value.as_bytes()]))
    }

    /// The alias under which the caller's id is found.
    #[must_use]
    pub fn alias_of_caller(&self, name: &str) -> AliasKey {
        AliasKey(self.hash("caller", &[name.as_bytes()]))
    }

    /// The alias under which a phone or user id on a line is found.
    #[must_use]
    pub fn alias_on(&self, line: &str, value: &str) -> AliasKey {
        AliasKey(self.hash("alias", &[line.as_bytes(), value.as_bytes()]))
    }

    /// The person behind a number (digits) or a user id, on all lines.
    #[must_use]
    pub fn person(&self, value: &str) -> PersonKey {
        PersonKey(self.hash("person", &[value.as_bytes()]))
    }

    /// The send of `step` in the silence that began at `silence`.
    #[must_use]
    pub fn send(&self, conversation: ConversationId, silence: Moment, step: u8) -> SendId {
        SendId(self.hash("send", &[&conversation.0.to_be_bytes(), &silence.0.to_be_bytes(), &[step]]))
    }

    /// The identity of an event by the id that its source gave it.
    #[must_use]
    pub fn event(&self, id: &str) -> EventKey {
        EventKey(self.hash("event", &[id.as_bytes()]))
    }

    /// The identity of an event without an id: its type, conversation, time and question id.
    #[must_use]
    pub fn event_by_content(&self, kind: &str, conversation: ConversationId, at: Moment, question: &str) -> EventKey {
        EventKey(self.hash("content", &[kind.as_bytes(), &conversation.0.to_be_bytes(), &at.0.to_be_bytes(), question.as_bytes()]))
    }

    /// The digits of the id of a record of the registry: the `nth` of this kind, made at `at`.
    #[must_use]
    pub fn filed(&self, register: u8, at: Moment, nth: u64) -> u128 {
        self.hash("filed", &[&[register], &at.0.to_be_bytes(), &nth.to_be_bytes()])
    }

    /// The `webhook-id` of record `seq` for the hook called `hook`.
    #[must_use]
    pub fn hook(&self, hook: &str, seq: u64) -> HookId {
        HookId(self.hash("hook", &[hook.as_bytes(), &seq.to_be_bytes()]))
    }

    /// A pseudonym for logs: eight bytes, useless without the key.
    #[must_use]
    pub fn pseudonym(&self, value: &str) -> u64 {
        (self.hash("pseudonym", &[value.as_bytes()]) >> 64) as u64
    }

    /// First 128 bits of the HMAC over a domain and length-prefixed parts, so that no two lists of parts collide.
    fn hash(&self, domain: &str, parts: &[&[u8]]) -> u128 {
        let mut mac = self.mac.clone();
        for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u32).to_be_bytes());
            mac.update(part);
        }
        let bytes = mac.finalize().into_bytes();
        let mut first = [0; 16];
        first.copy_from_slice(&bytes[..16]);
        u128::from_be_bytes(first)
    }
}

fn base32(value: u128) -> [u8; DIGITS] {
    let mut out = [0; DIGITS];
    for (i, digit) in out.iter_mut().enumerate() {
        let shift = 5 * (DIGITS - 1 - i) as u32;
        *digit = ALPHABET[((value >> shift) & 31) as usize];
    }
    out
}

fn parse_base32(text: &str) -> Option<u128> {
    if text.len() != DIGITS {
        return None;
    }
    let mut value: u128 = 0;
    for (i, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|a| *a == byte)? as u128;
        // The first of 26 digits holds the top three bits only.
        if i == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | digit;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    #[test]
    fn identities_are_told_apart_in_a_map_by_either_half() {
        for shift in [0, 64] {
            let hashes = (0..1_024).map(|n: u128| BySpread::default().hash_one(ConversationId(n << shift)));
            let (low, high): (HashSet<u64>, HashSet<u64>) = hashes.map(|hash| (hash & 1_023, hash >> 57)).unzip();
            // A map finds the bucket by the lower bits, and entries in it by the upper ones.
            assert_eq!((low.len(), high.len()), (1_024, 128));
        }
    }

    #[test]
    fn sends_are_stable_for_ever() {
        let keys = Keys::new(&[7; 32]);
        let conversation = keys.conversation("alice");
        assert_eq!(conversation.to_string(), "cnv_0cf6kbs86rgfnh4tr9p7szek0a");
        assert_eq!(keys.send(conversation, Moment(1_772_400_000_000), 0).to_string(), "snd_13z7s55xjscfx0srsjp93s2p29");
        assert_ne!(keys.send(conversation, Moment(0), 0), keys.send(conversation, Moment(0), 1));
    }

    #[test]
    fn two_stores_call_nobody_by_the_same_name() {
        let (ours, theirs) = (Keys::new(&[1; 32]), Keys::new(&[2; 32]));
        assert_ne!(ours.pseudonym("573001112233"), theirs.pseudonym("573001112233"));
        assert_ne!(ours.conversation_on("support", "573001112233"), theirs.conversation_on("support", "573001112233"));
        assert_ne!(ours.person("573001112233"), theirs.person("573001112233"));
    }

    proptest! {
        #[test]
        fn what_prints_parses(value: u128) {
            let id = ConversationId(value);
            prop_assert_eq!(ConversationId::parse(&id.to_string()), Some(id));
        }

        #[test]
        fn garbage_is_refused_without_panic(text in ".{0,40}") {
            if let Some(id) = SendId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
