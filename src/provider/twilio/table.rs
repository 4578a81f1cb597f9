//! Twilio's error codes, and what each means here. The same codes come with an answer and, later, with a status.
//!
//! Not the statuses of HTTP: those are judged in `write.rs`, where no code tells.

use crate::engine::heard::Trouble;

/// What this code means; `None` where it is not in the table.
pub(super) fn trouble(code: u64) -> Option<Trouble> {
    Some(match code {
        // Outside the messaging window free text is not taken.
        63016 => Trouble::WindowClosed,
        // The channel's rate, or all of Twilio's API.
        63018 | 20429 => Trouble::ThrottleLine,
        // The channel failed inside itself.
        63010 | 63012 => Trouble::Retry,
        // No such number; not on WhatsApp; blocked by the person; in an experiment of WhatsApp's that gets no messages.
        21211 | 63003 | 63014 | 63024 | 63032 => Trouble::Permanent,
        21610 => Trouble::OptOut,
        // No such content, its variables, or the template behind it.
        21655 | 21656 | 63027..=63030 => Trouble::Template,
        // What was sent, or the sender, is not right for the channel.
        63005 | 63007 | 63013 | 63021 => Trouble::Configuration,
        20003 => Trouble::Authentication,
        // Not active; suspended.
        10001 | 30002 => Trouble::Account,
        _ => return None,
    })
}

/// What the code of a failed or undelivered message means. It was accepted once: with a code that the table does not know, or
/// none, this message is lost and nothing is known about the next.
pub(super) fn afterwards(code: &str) -> Trouble {
    code.parse().ok().and_then(trouble).unwrap_or(Trouble::Permanent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        for (code, expected) in [
            (63016, "window_closed"),
            (63018, "throttle_line"),
            (20429, "throttle_line"),
            (63010, "retry"),
            (63012, "retry"),
            (21211, "permanent"),
            (63003, "permanent"),
            (63014, "permanent"),
            (63024, "permanent"),
            (63032, "permanent"),
            (21610, "opt_out"),
            (21655, "template"),
            (21656, "template"),
            (63027, "template"),
            (63028, "template"),
            (63029, "template"),
            (63030, "template"),
            (63005, "configuration"),
            (63007, "configuration"),
            (63013, "configuration"),
            (63021, "configuration"),
            (20003, "authentication"),
            (10001, "account"),
            (30002, "account"),
        ] {
            assert_eq!(trouble(code).map(Trouble::as_str), Some(expected), "{code}");
            assert_eq!(afterwards(&code.to_string()).as_str(), expected, "{code}, told afterwards");
        }
        let listed = (0..100_000).filter(|code| trouble(*code).is_some()).count();
        assert_eq!(listed, 24, "every code of the table stands in this test");
        for unknown in ["", "0", "63049", "-1", "63016 ", "99999999999999999999"] {
            assert_eq!(afterwards(unknown), Trouble::Permanent, "{unknown:?}");
        }
    }
}
