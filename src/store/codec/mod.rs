//! Bytes of what is kept: versioned, checked, compact.
//!
//! Not serde and not the domain: the shapes written here are this file's own, and a field that is renamed there changes nothing here.
//! Every stored value is a version byte, a payload and a CRC32C ([`seal`]); inside, numbers are varints and instants are written
//! as distances from one that stands near.

pub(crate) mod change;
pub(crate) mod event;
pub(crate) mod record;
pub(crate) mod state;
pub(crate) mod words;

/// The format of payloads. A new one is a new number; the old one stays readable.
pub(crate) const VERSION: u8 = 1;
/// The largest value that is ever given to the database: pages stay small, so that none becomes a file of its own.
pub(crate) const VALUE_BYTES: usize = 2_016;
/// What [`seal`] adds.
const SEAL_BYTES: usize = 5;
/// The largest payload of one value.
pub(crate) const PAYLOAD_BYTES: usize = VALUE_BYTES - SEAL_BYTES;

/// A payload as it is stored under `key`: version, payload, checksum of both and of the key, so that a value found under another
/// key is damage too.
pub(crate) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + SEAL_BYTES);
    out.push(VERSION);
    out.extend_from_slice(payload);
    out.extend_from_slice(&sum(key, &out).to_le_bytes());
    out
}

/// The payload of the value stored under `key`; `None` where it is not what was written.
pub(crate) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (body, written) = value.split_last_chunk::<4>()?;
    let (version, payload) = body.split_first()?;
    (sum(key, body).to_le_bytes() == *written && *version == VERSION).then_some(payload)
}

/// The payload of a value that [`unseal`] has opened.
pub(crate) fn payload(value: &[u8]) -> &[u8] {
    value.get(1..value.len().saturating_sub(SEAL_BYTES - 1)).unwrap_or_default()
}

fn sum(key: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_no_flipped_bit_does(
            payload in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index
        ) {
            let mut value = seal(b"key", &payload);
            prop_assert_eq!(unseal(b"key", &value), Some(&payload[..]));
            prop_assert_eq!(super::payload(&value), &payload[..]);
            prop_assert_eq!(unseal(b"kex", &value), None);
            let bit = at.index(value.len() * 8);
            value[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(unseal(b"key", &value), None);
        }
    }
}
