//! Numbers, strings and lists as bytes, and the reader that takes them back without ever trusting a length.
//!
//! Not the shapes of records: those are in the files beside it.

use crate::moment::Moment;

/// Appends an unsigned number: seven bits a byte, least significant first.
pub(crate) fn put_u(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number: small distances in either direction are short.
pub(crate) fn put_i(out: &mut Vec<u8>, value: i64) {
    put_u(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends an instant as its distance from `base`. Wraps, so that every pair of instants survives.
pub(crate) fn put_at(out: &mut Vec<u8>, at: Moment, base: Moment) {
    put_i(out, at.0.wrapping_sub(base.0));
}

/// Appends a 128-bit identity.
pub(crate) fn put_id(out: &mut Vec<u8>, id: u128) {
    out.extend_from_slice(&id.to_be_bytes());
}

/// Appends bytes with their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a text with its length.
pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Appends a list with its length.
pub(crate) fn put_list<T>(out: &mut Vec<u8>, items: impl ExactSizeIterator<Item = T>, mut put: impl FnMut(&mut Vec<u8>, T)) {
    put_u(out, items.len() as u64);
    for item in items {
        put(out, item);
    }
}

/// Reads bytes back. Every method answers `None` where the bytes end too early or say what cannot be; nothing is allocated
/// that the bytes at hand do not fill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// `Some` where everything was read: a record with something behind it is not one of ours.
    pub(crate) fn end(&self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        if let Some((eight, _)) = self.rest.split_first_chunk::<8>() {
            let eight = u64::from_le_bytes(*eight);
            let ends = !eight & 0x8080_8080_8080_8080;
            if ends != 0 {
                // The bytes up to the first that ends it, and of each its seven bits, side by side.
                let bits = ends.trailing_zeros() + 1;
                self.rest = &self.rest[bits as usize / 8..];
                let sevens = eight & (u64::MAX >> (64 - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
                let twos = sevens & 0x007f_007f_007f_007f | (sevens & 0x7f00_7f00_7f00_7f00) >> 1;
                let fours = twos & 0x0000_3fff_0000_3fff | (twos & 0x3fff_0000_3fff_0000) >> 2;
                return Some(fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4);
            }
        }
        self.u64_by_bytes()
    }

    /// One of nine or ten bytes, or at the end of what there is.
    fn u64_by_bytes(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.u64()?.try_into().ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.u64()?.try_into().ok()
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        let value = self.u64()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn at(&mut self, base: Moment) -> Option<Moment> {
        Some(Moment(base.0.wrapping_add(self.i64()?)))
    }

    pub(crate) fn id(&mut self) -> Option<u128> {
        self.array().map(u128::from_be_bytes)
    }

    /// Eight bytes, as they stand.
    pub(crate) fn fixed(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Four bytes of flags.
    pub(crate) fn flags(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = usize::try_from(self.u64()?).ok()?;
        self.take(n)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    /// A list, each item of which takes at least one byte: its length cannot be made up.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Reader<'a>) -> Option<T>) -> Option<Vec<T>> {
        let n = usize::try_from(self.u64()?).ok().filter(|n| *n <= self.left())?;
        let mut items = Vec::new();
        for _ in 0..n {
            items.push(item(self)?);
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(u: u64, i: i64, at: i64, base: i64) {
            let mut out = Vec::new();
            put_u(&mut out, u);
            put_i(&mut out, i);
            put_at(&mut out, Moment(at), Moment(base));
            let mut read = Reader::new(&out);
            prop_assert_eq!((read.u64(), read.i64(), read.at(Moment(base))), (Some(u), Some(i), Some(Moment(at))));
            prop_assert!(read.end().is_some());
        }
    }

    proptest! {
        /// However many bytes stand behind a number, it reads as byte by byte.
        #[test]
        fn a_number_reads_as_byte_by_byte(mut bytes in prop::collection::vec(any::<u8>(), 0..14), long in 0usize..11) {
            bytes.iter_mut().take(long).for_each(|byte| *byte |= 0x80);
            let (mut fast, mut slow) = (Reader::new(&bytes), Reader::new(&bytes));
            let number = fast.u64();
            prop_assert_eq!(number, slow.u64_by_bytes());
            prop_assert!(number.is_none() || fast.left() == slow.left());
        }
    }

    #[test]
    fn lengths_are_not_believed() {
        let mut out = Vec::new();
        put_u(&mut out, u64::MAX);
        assert_eq!(Reader::new(&out).bytes(), None);
        assert_eq!(Reader::new(&out).list(|r| r.u8()), None);
        assert_eq!(Reader::new(&[0xff; 10]).u64(), None);
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).u64(), None);
        assert_eq!(Reader::new(&[0x80]).u64(), None);
    }
}
