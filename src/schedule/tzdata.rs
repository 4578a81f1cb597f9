//! A release of the time zone database, as two bytes: every decision says under which it was made.
//!
//! Not the data: that is compiled in, by chrono-tz.

use std::fmt;

use super::TZDATA;

/// A release such as `2025b`: the years since 2000 and the letter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Tzdata(u16);

impl Tzdata {
    /// The release that is compiled in.
    #[must_use]
    pub fn compiled_in() -> Tzdata {
        Tzdata::read(TZDATA)
    }

    fn read(name: &str) -> Tzdata {
        let (year, letter) = name.split_at_checked(4).unwrap_or_default();
        let year = year.parse::<u16>().unwrap_or(2_000).saturating_sub(2_000);
        let letter = letter.bytes().next().map_or(0, |letter| letter.wrapping_sub(b'a') & 31);
        Tzdata(year << 5 | u16::from(letter))
    }

    /// The number it is stored as.
    #[must_use]
    pub fn code(self) -> u16 {
        self.0
    }

    /// The release stored as `code`.
    #[must_use]
    pub fn from_code(code: u16) -> Tzdata {
        Tzdata(code)
    }
}

impl fmt::Display for Tzdata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", 2_000 + (self.0 >> 5), char::from(b'a' + (self.0 & 31) as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_come_back_from_their_codes() {
        assert_eq!(Tzdata::compiled_in().to_string(), TZDATA);
        for name in ["2025b", "2019a", "2063z"] {
            assert_eq!(Tzdata::from_code(Tzdata::read(name).code()).to_string(), name);
        }
    }
}
