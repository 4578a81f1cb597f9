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

/// A payload as it is stored: version, payload, checksum of both.
pub(crate) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + SEAL_BYTES);
    out.push(VERSION);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
    out
}

/// The payload of a stored value; `None` where it is not what was written.
pub(crate) fn unseal(value: &[u8]) -> Option<&[u8]> {
    let (body, sum) = value.split_last_chunk::<4>()?;
    let (version, payload) = body.split_first()?;
    (crc32c::crc32c(body).to_le_bytes() == *sum && *version == VERSION).then_some(payload)
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
            let mut value = seal(&payload);
            prop_assert_eq!(unseal(&value), Some(&payload[..]));
            let bit = at.index(value.len() * 8);
            value[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(unseal(&value), None);
        }
    }
}
