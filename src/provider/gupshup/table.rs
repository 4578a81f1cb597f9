//! Gupshup's own error codes and what each means for a send; what it passes on from the platform is in `meta/table.rs`.
//!
//! Not the judgement of an answer: that is `judge.rs`.

use crate::engine::heard::Trouble;
use crate::provider::meta::table as platform;

/// Every code that Gupshup documents: code, meaning in a few words, what follows.
const TABLE: &[(i64, &str, Trouble)] = &[
    (470, "window closed", Trouble::WindowClosed),
    (500, "internal error", Trouble::Retry),
    (1001, "wrong bot mapped", Trouble::Configuration),
    (1002, "not on WhatsApp", Trouble::Permanent),
    (1003, "wallet empty", Trouble::Account),
    (1004, "window closed, templates off", Trouble::WindowClosed),
    (1005, "window closed, no match", Trouble::WindowClosed),
    (1006, "window closed, no opt-in", Trouble::WindowClosed),
    (1007, "window closed, no opt-in", Trouble::WindowClosed),
    (1008, "window closed, no opt-in", Trouble::WindowClosed),
    (1009, "request not valid", Trouble::Configuration),
    (1010, "media address invalid", Trouble::Configuration),
    (1011, "media too large", Trouble::Configuration),
    (1012, "person opted out", Trouble::OptOut),
    (1013, "recipient not valid", Trouble::Permanent),
    (1014, "request not valid", Trouble::Configuration),
    // "Please stop sending messages and contact": the line stops and says so, rather than to slow down.
    (4001, "stopped by Gupshup", Trouble::Account),
    (4002, "WhatsApp's answer unreadable", Trouble::Retry),
    (4003, "template not there", Trouble::Template),
    (4004, "request not valid", Trouble::Configuration),
    (4005, "template not valid", Trouble::Template),
];

/// From here on a code is the platform's, passed on. Its shorter ones speak of access that is Gupshup's, and of nothing of ours.
const PLATFORM_FROM: i64 = 100_000;

/// The meaning of a code in a few words, and what follows; the platform's codes included.
pub(super) fn find(code: i64) -> Option<(&'static str, Trouble)> {
    let own = TABLE.iter().find(|(known, ..)| *known == code).map(|(_, meaning, trouble)| (*meaning, *trouble));
    own.or_else(|| platform::find(code).filter(|_| code >= PLATFORM_FROM).map(|row| (row.meaning, row.trouble)))
}

/// What a code means.
pub(super) fn trouble(code: i64) -> Option<Trouble> {
    find(code).map(|(_, trouble)| trouble)
}

/// Whether a code says that nothing was done, even where it comes with a server error.
pub(super) fn is_not_processed(code: i64) -> bool {
    let own = TABLE.iter().any(|(known, ..)| *known == code);
    // The two that say nothing at all.
    if own { !matches!(code, 500 | 4002) } else { platform::is_not_processed(code) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Trouble::{Account, Configuration, OptOut, Permanent, Retry, Template, WindowClosed};

    /// The table of treatments, written down a second time, by treatment.
    const EXPECTED: &[(Trouble, &[i64])] = &[
        (WindowClosed, &[470, 1004, 1005, 1006, 1007, 1008]),
        (Permanent, &[1002, 1013]),
        (OptOut, &[1012]),
        (Account, &[1003, 4001]),
        (Retry, &[500, 4002]),
        (Template, &[4003, 4005]),
        (Configuration, &[4004, 1009, 1010, 1011, 1001, 1014]),
    ];

    #[test]
    fn every_documented_code_has_its_treatment() {
        let mut rows = 0;
        for (expected, codes) in EXPECTED {
            for code in *codes {
                assert_eq!(trouble(*code), Some(*expected), "{code}");
                rows += 1;
            }
        }
        assert_eq!(rows, TABLE.len());
        assert!(TABLE.iter().all(|(_, meaning, _)| (2..=4).contains(&meaning.split(' ').count())));
        assert!(TABLE.is_sorted_by_key(|(code, ..)| *code));
    }

    #[test]
    fn what_the_platform_says_is_passed_on() {
        for (code, expected) in [(131_047, WindowClosed), (131_049, Permanent), (131_050, OptOut), (132_015, Template)] {
            assert_eq!(trouble(code), Some(expected), "{code}");
        }
        for unknown in [-1, 0, 190, 200, 471, 1000, 1015, 4000, 4006, 131_046] {
            assert_eq!(trouble(unknown), None, "{unknown}");
        }
        assert!(!is_not_processed(500) && !is_not_processed(131_000) && is_not_processed(1003) && is_not_processed(131_016));
    }
}
