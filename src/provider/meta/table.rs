//! The error codes of the WhatsApp platform and what each means for a send: one table, whoever passes the codes on.
//!
//! Not the judgement of an answer: whether a server error proves that nothing was done is `whatsapp/judge.rs`.

use std::ops::RangeInclusive;

use crate::engine::heard::Trouble;
use crate::moment::{MINUTE, SECOND};

/// A row: codes, their meaning in a few words, what follows.
pub(in crate::provider) struct Row {
    codes: RangeInclusive<i64>,
    /// For the detail line; never text of the provider's.
    pub(in crate::provider) meaning: &'static str,
    pub(in crate::provider) trouble: Trouble,
}

const fn row(code: i64, meaning: &'static str, trouble: Trouble) -> Row {
    Row { codes: code..=code, meaning, trouble }
}

const fn rows(from: i64, to: i64, meaning: &'static str, trouble: Trouble) -> Row {
    Row { codes: from..=to, meaning, trouble }
}

/// Every code that the platform documents for sending, rising. Codes inside a range stand before it.
const TABLE: &[Row] = &[
    row(0, "token not valid", Trouble::Authentication),
    row(1, "unknown error", Trouble::Retry),
    row(2, "service down", Trouble::Retry),
    row(3, "permission missing", Trouble::Authentication),
    row(4, "app's hourly limit", Trouble::ThrottleLine),
    row(10, "permission missing", Trouble::Authentication),
    row(33, "number id unknown", Trouble::Configuration),
    row(100, "parameter not valid", Trouble::Configuration),
    row(190, "token expired", Trouble::Authentication),
    rows(200, 299, "permission missing", Trouble::Authentication),
    row(368, "account restricted", Trouble::Account),
    row(80_007, "account's hourly limit", Trouble::ThrottleLine),
    row(130_403, "person blocked", Trouble::Permanent),
    row(130_429, "number's throughput reached", Trouble::ThrottleLine),
    row(130_472, "person in experiment", Trouble::Permanent),
    row(130_497, "country not allowed", Trouble::Permanent),
    row(131_000, "something went wrong", Trouble::Retry),
    row(131_005, "permission missing", Trouble::Authentication),
    row(131_008, "parameter missing", Trouble::Configuration),
    row(131_009, "parameter not valid", Trouble::Configuration),
    row(131_016, "service overloaded", Trouble::Retry),
    row(131_021, "recipient is sender", Trouble::Permanent),
    row(131_026, "message undeliverable", Trouble::Permanent),
    row(131_030, "not test recipient", Trouble::Configuration),
    row(131_031, "account locked", Trouble::Account),
    row(131_037, "display name unapproved", Trouble::Configuration),
    row(131_042, "payment missing", Trouble::Account),
    row(131_045, "number not registered", Trouble::Configuration),
    row(131_047, "window closed", Trouble::WindowClosed),
    // The number may not send until Meta lifts it: the line stops rather than to burn its reputation.
    row(131_048, "spam limit reached", Trouble::Account),
    // Not before a day has passed: by then another follow-up is right, if any.
    row(131_049, "ecosystem limit reached", Trouble::Permanent),
    row(131_050, "marketing stopped", Trouble::OptOut),
    row(131_051, "type not supported", Trouble::Permanent),
    row(131_052, "media not downloaded", Trouble::Permanent),
    row(131_053, "media not uploaded", Trouble::Permanent),
    row(131_056, "pair limit reached", Trouble::ThrottlePair),
    row(131_057, "account in maintenance", Trouble::Retry),
    row(131_062, "user id refused", Trouble::Permanent),
    row(131_063, "marketing switched off", Trouble::Configuration),
    row(131_064, "account limited, misclassification", Trouble::Account),
    row(132_000, "parameter count wrong", Trouble::Template),
    row(132_001, "template not there", Trouble::Template),
    row(132_005, "template too long", Trouble::Template),
    row(132_007, "template against policy", Trouble::Template),
    row(132_008, "parameter not valid", Trouble::Template),
    row(132_012, "parameter format wrong", Trouble::Template),
    row(132_015, "template paused", Trouble::Template),
    row(132_016, "template disabled", Trouble::Template),
    row(132_018, "parameter not valid", Trouble::Template),
    // Of forms inside templates: a template that carries one cannot be sent at present.
    row(132_068, "form blocked", Trouble::Template),
    row(132_069, "form throttled", Trouble::Template),
    row(133_004, "server unavailable", Trouble::Retry),
    rows(133_000, 133_010, "number not registered", Trouble::Configuration),
    row(133_015, "number just deregistered", Trouble::Configuration),
    row(133_016, "registrations used up", Trouble::Configuration),
    row(134_011, "payment terms unaccepted", Trouble::Account),
    row(135_000, "parameter not valid", Trouble::Configuration),
    row(137_000, "identity key differs", Trouble::Permanent),
    row(2_494_100, "number being upgraded", Trouble::Retry),
];

/// The row of a code.
pub(in crate::provider) fn find(code: i64) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.codes.contains(&code))
}

/// What a code means.
pub(in crate::provider) fn trouble(code: i64) -> Option<Trouble> {
    find(code).map(|row| row.trouble)
}

/// Whether a code says that nothing was done, even where it comes with a server error.
pub(in crate::provider) fn is_not_processed(code: i64) -> bool {
    // The two that say nothing at all; every other row names what stood in the way.
    find(code).is_some() && !matches!(code, 1 | 131_000)
}

/// How long to wait after a code, in milliseconds, where the answer does not say; `attempt` counts calls from 1.
pub(in crate::provider) fn wait(code: i64, attempt: u8) -> i64 {
    match code {
        // Meta's own rule for the pair: 4^X seconds.
        131_056 => 4_i64.saturating_pow(attempt.into()).saturating_mul(SECOND),
        // Limits by the hour, and works that take minutes.
        4 | 80_007 | 131_057 | 2_494_100 => MINUTE,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports::Called;
    use crate::limits;
    use Trouble::{Account, Authentication, Configuration, OptOut, Permanent, Retry, Template, ThrottleLine, ThrottlePair, WindowClosed};

    /// The table of treatments, written down a second time, by treatment.
    const EXPECTED: &[(Trouble, &[i64])] = &[
        (WindowClosed, &[131_047]),
        (ThrottleLine, &[130_429, 4, 80_007]),
        (ThrottlePair, &[131_056]),
        (Account, &[131_048, 131_064, 368, 131_031, 131_042, 134_011]),
        (Retry, &[1, 2, 131_000, 131_016, 133_004, 131_057, 2_494_100]),
        (Permanent, &[131_026, 131_049, 130_472, 130_403, 131_021, 131_051, 131_052, 131_053, 131_062, 137_000, 130_497]),
        (OptOut, &[131_050]),
        (Authentication, &[0, 190, 3, 10, 200, 230, 299, 131_005]),
        (
            Configuration,
            &[
                131_030, 33, 100, 131_008, 131_009, 135_000, 131_037, 131_045, 133_000, 133_001, 133_002, 133_003, 133_005, 133_006,
                133_007, 133_008, 133_009, 133_010, 133_015, 133_016, 131_063,
            ],
        ),
        (Template, &[132_000, 132_012, 132_018, 132_001, 132_005, 132_007, 132_015, 132_016, 132_008, 132_068, 132_069]),
    ];

    #[test]
    fn every_documented_code_has_its_treatment() {
        for (expected, codes) in EXPECTED {
            for code in *codes {
                assert_eq!(trouble(*code), Some(*expected), "{code}");
            }
        }
        for unknown in [-1, 5, 199, 300, 470, 500, 131_046, 132_002, 133_011, 999_999, i64::MAX] {
            assert_eq!(trouble(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_table_holds_no_row_that_is_not_expected() {
        let expected = |row: &Row| EXPECTED.iter().any(|(t, codes)| *t == row.trouble && codes.iter().any(|c| row.codes.contains(c)));
        for row in TABLE {
            assert!(expected(row), "{:?} {}", row.codes, row.meaning);
            assert!(row.meaning.split(' ').count() <= 3, "{}", row.meaning);
        }
    }

    #[test]
    fn only_two_codes_leave_a_server_error_in_doubt() {
        for code in [2, 4, 80_007, 130_429, 131_016, 131_056, 131_057, 133_004, 2_494_100, 131_047] {
            assert!(is_not_processed(code), "{code}");
        }
        for code in [1, 131_000, 7, 999] {
            assert!(!is_not_processed(code), "{code}");
        }
    }

    #[test]
    fn the_pair_waits_four_times_as_long_each_time_up_to_the_ceiling() {
        let waits: Vec<i64> = (1..=4).map(|attempt| wait(131_056, attempt) / SECOND).collect();
        assert_eq!(waits, [4, 16, 64, 256]);
        let called = Called::failed(ThrottlePair, wait(131_056, u8::MAX), "");
        assert_eq!(called.end, ThrottlePair.end(limits::RETRY_AFTER_CEILING));
    }
}
