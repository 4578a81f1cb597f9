//! Twilio's error codes, and what each means here. The same codes come with an answer and, later, with a status.
//!
//! Not the statuses of HTTP: `judge.rs` has those, where no code tells.

use crate::engine::heard::Trouble;

/// Every code that concerns a send: code, meaning in a few words, what follows.
const TABLE: &[(i64, &str, Trouble)] = &[
    (10_001, "account not active", Trouble::Account),
    (20_003, "credentials not valid", Trouble::Authentication),
    (20_429, "too many requests", Trouble::ThrottleLine),
    (21_211, "recipient not valid", Trouble::Permanent),
    (21_610, "person opted out", Trouble::OptOut),
    (21_655, "content not there", Trouble::Template),
    (21_656, "variables not valid", Trouble::Template),
    (30_002, "account suspended", Trouble::Account),
    (63_003, "recipient not valid", Trouble::Permanent),
    (63_005, "content not taken", Trouble::Configuration),
    (63_007, "sender not of WhatsApp", Trouble::Configuration),
    (63_010, "channel failed inside", Trouble::Retry),
    (63_012, "channel failed inside", Trouble::Retry),
    (63_013, "channel's rules broken", Trouble::Configuration),
    (63_014, "blocked by person", Trouble::Permanent),
    (63_016, "window closed", Trouble::WindowClosed),
    // May last a day; the line finds out by its own backoff.
    (63_018, "channel's rate reached", Trouble::ThrottleLine),
    (63_021, "content not valid", Trouble::Configuration),
    (63_024, "recipient not reachable", Trouble::Permanent),
    (63_027, "template not there", Trouble::Template),
    (63_028, "variables do not match", Trouble::Template),
    (63_029, "template not received", Trouble::Template),
    (63_030, "parameter not valid", Trouble::Template),
    (63_032, "person in experiment", Trouble::Permanent),
];

/// The meaning of a code in a few words, and what follows.
pub(super) fn find(code: i64) -> Option<(&'static str, Trouble)> {
    TABLE.iter().find(|(known, ..)| *known == code).map(|(_, meaning, trouble)| (*meaning, *trouble))
}

/// What the code of a failed or undelivered message means. It was accepted once: with a code that the table does not know, or
/// none, this message is lost and nothing is known about the next.
pub(super) fn afterwards(code: &str) -> Trouble {
    code.parse().ok().and_then(find).map_or(Trouble::Permanent, |(_, trouble)| trouble)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Trouble::{Account, Authentication, Configuration, OptOut, Permanent, Retry, Template, ThrottleLine, WindowClosed};

    /// The table of treatments, written down a second time, by treatment.
    #[test]
    fn the_table() {
        let treatments: &[(Trouble, &[i64])] = &[
            (WindowClosed, &[63_016]),
            (ThrottleLine, &[20_429, 63_018]),
            (Retry, &[63_010, 63_012]),
            (Permanent, &[21_211, 63_003, 63_014, 63_024, 63_032]),
            (OptOut, &[21_610]),
            (Template, &[21_655, 21_656, 63_027, 63_028, 63_029, 63_030]),
            (Configuration, &[63_005, 63_007, 63_013, 63_021]),
            (Authentication, &[20_003]),
            (Account, &[10_001, 30_002]),
        ];
        let mut told = 0;
        for (trouble, codes) in treatments {
            for code in *codes {
                assert_eq!(find(*code).map(|(_, trouble)| trouble), Some(*trouble), "{code}");
                assert_eq!(afterwards(&code.to_string()), *trouble, "{code}, told afterwards");
                told += 1;
            }
        }
        assert_eq!(told, TABLE.len(), "every code of the table stands in this test");
        assert!(TABLE.is_sorted_by(|(a, ..), (b, ..)| a < b), "rising, each once");
    }

    #[test]
    fn what_failed_afterwards_without_a_known_code_is_lost() {
        for unknown in ["", "0", "63049", "-1", "63016 ", "99999999999999999999"] {
            assert_eq!(afterwards(unknown), Permanent, "{unknown:?}");
        }
    }
}
