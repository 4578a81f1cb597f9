//! Country codes: where a number in E.164 digits ends its code and begins the national number.
//!
//! Not a check that the number exists, nor that a country has been given the code: by the plan of ITU-T E.164 the first digits
//! alone say how long a code is.

/// Codes of one digit: North America, and Russia with Kazakhstan.
const ONE: [&str; 2] = ["1", "7"];

/// Codes of two digits. All others have three.
const TWO: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51", "52", "53", "54",
    "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];

/// No national number is shorter.
const NATIONAL: usize = 4;
/// No number is longer, code included.
const E164: usize = 15;

/// Country code and national number; `None` where this is no number of that plan.
pub(super) fn split(digits: &str) -> Option<(&str, &str)> {
    if digits.len() > E164 || !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.starts_with('0') {
        return None;
    }
    let begins = |codes: &[&str]| codes.iter().any(|code| digits.starts_with(code));
    let length = if begins(&ONE) {
        1
    } else if begins(&TWO) {
        2
    } else {
        3
    };
    (digits.len() >= length + NATIONAL).then(|| digits.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The codes of three digits that are in use, those of no country included.
    const THREE: &str = "211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 \
        243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 \
        351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 380 381 382 383 385 386 387 389 420 421 423 500 501 502 \
        503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 \
        687 688 689 690 691 692 800 808 850 852 853 855 856 870 878 880 881 882 883 886 888 960 961 962 963 964 965 966 967 968 970 971 \
        972 973 974 975 976 977 979 992 993 994 995 996 998";

    fn every_code() -> Vec<&'static str> {
        ONE.into_iter().chain(TWO).chain(THREE.split_whitespace()).collect()
    }

    #[test]
    fn no_code_begins_another() {
        let codes = every_code();
        for code in &codes {
            let beginnings: Vec<_> = codes.iter().filter(|other| other.starts_with(code)).collect();
            assert_eq!(beginnings, [code], "{code} begins others, or stands there twice");
        }
        assert!(TWO.is_sorted() && TWO.iter().all(|code| code.len() == 2) && ONE.iter().all(|code| code.len() == 1));
    }

    #[test]
    fn every_code_in_use_is_split_off() {
        for code in every_code() {
            assert_eq!(split(&format!("{code}3181234")), Some((code, "3181234")), "{code}");
        }
    }

    #[test]
    fn numbers_of_the_region_are_split_where_their_countries_end() {
        for (digits, code, national) in [
            ("573181230000", "57", "3181230000"),
            ("5716000001", "57", "16000001"),
            ("5215512345678", "52", "15512345678"),
            ("5511987654321", "55", "11987654321"),
            ("593991234567", "593", "991234567"),
            ("50688887777", "506", "88887777"),
            ("18095551234", "1", "8095551234"),
            ("77011234567", "7", "7011234567"),
            ("34612345678", "34", "612345678"),
            ("351912345678", "351", "912345678"),
        ] {
            assert_eq!(split(digits), Some((code, national)), "{digits}");
        }
        for none in ["", "0573181230000", "+573181230000", "CO.13", "57", "57123", "1234", "5731812300001234"] {
            assert_eq!(split(none), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_split_and_nothing_is_lost(digits in "[1-9][0-9]{6,14}") {
            let (code, national) = split(&digits).expect("a number of the plan");
            prop_assert!((1..=3).contains(&code.len()));
            prop_assert_eq!([code, national].concat(), digits.clone());
        }

        #[test]
        fn it_is_total(text in ".{0,20}") {
            let whole = split(&text).map(|(code, national)| [code, national].concat());
            prop_assert!(whole.is_none_or(|whole| whole == text));
        }
    }
}
