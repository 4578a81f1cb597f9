//! The closed list of reasons for which a follow-up is not sent.
//!
//! Not the decision itself: `plan` decides some of them, the conversation and the daemon the rest. There is no "other".

/// Why nothing is sent. The same words in trail, hook, metric and page (`interfaces.md`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum SkipReason {
    /// Follow-ups of the flow were switched off after the conversation was armed.
    FlowDisabled,
    /// The calendar has no open instant within the horizon.
    NoOpening,
    /// The recipient's zone is not known and there is no fallback.
    UnknownZone,
    /// The messaging window is over, and nothing in `session.when_closed` applies.
    WindowClosed,
    /// The template is not approved, or one of its variables is missing.
    TemplateUnavailable,
    /// Later than `max_lateness` allows.
    TooLate,
    /// The person opted out.
    OptedOut,
    /// Nobody to send to: the conversation has no address.
    NoRecipient,
    /// The cap on follow-ups is reached.
    Capped,
    /// Left out by the flow's control group.
    HeldOut,
    /// The line's provider cannot send this kind of message.
    LineCannot,
    /// The policy changed, and under the new one nothing is sent.
    PolicyChanged,
}

impl SkipReason {
    /// Every reason, in the order of their codes.
    pub const ALL: [SkipReason; 12] = [
        SkipReason::FlowDisabled,
        SkipReason::NoOpening,
        SkipReason::UnknownZone,
        SkipReason::WindowClosed,
        SkipReason::TemplateUnavailable,
        SkipReason::TooLate,
        SkipReason::OptedOut,
        SkipReason::NoRecipient,
        SkipReason::Capped,
        SkipReason::HeldOut,
        SkipReason::LineCannot,
        SkipReason::PolicyChanged,
    ];

    /// The word, as in trail, hook, metric and page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SkipReason::FlowDisabled => "flow_disabled",
            SkipReason::NoOpening => "no_opening",
            SkipReason::UnknownZone => "unknown_zone",
            SkipReason::WindowClosed => "window_closed",
            SkipReason::TemplateUnavailable => "template_unavailable",
            SkipReason::TooLate => "too_late",
            SkipReason::OptedOut => "opted_out",
            SkipReason::NoRecipient => "no_recipient",
            SkipReason::Capped => "capped",
            SkipReason::HeldOut => "held_out",
            SkipReason::LineCannot => "line_cannot",
            SkipReason::PolicyChanged => "policy_changed",
        }
    }

    /// Reads the word back; `None` where it is none of the list.
    #[must_use]
    pub fn parse(word: &str) -> Option<SkipReason> {
        SkipReason::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// A number for storage: 1 to 12, never reused.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8 + 1
    }

    /// Reads a stored number back; `None` where no release wrote it.
    #[must_use]
    pub fn from_code(code: u8) -> Option<SkipReason> {
        SkipReason::ALL.get(usize::from(code.checked_sub(1)?)).copied()
    }

    /// The reason in plain words, as the end of "skipped: ...".
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            SkipReason::FlowDisabled => "follow-ups of this flow are switched off",
            SkipReason::NoOpening => "the calendar has no open hour in the 21 days that follow",
            SkipReason::UnknownZone => "the recipient's time zone is not known",
            SkipReason::WindowClosed => "the messaging window is over and nothing in when_closed applies",
            SkipReason::TemplateUnavailable => "the template is not approved, or one of its variables is missing",
            SkipReason::TooLate => "its moment passed longer ago than max_lateness allows",
            SkipReason::OptedOut => "the person opted out",
            SkipReason::NoRecipient => "the conversation has no address to send to",
            SkipReason::Capped => "the cap on follow-ups is reached",
            SkipReason::HeldOut => "the person is in the control group that gets no follow-ups",
            SkipReason::LineCannot => "the line cannot send this kind of message",
            SkipReason::PolicyChanged => "the policy changed, and the new one sends nothing here",
        }
    }
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_codes_read_back() {
        for (index, reason) in SkipReason::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(reason.code()), index + 1);
            assert_eq!(SkipReason::from_code(reason.code()), Some(reason));
            assert_eq!(SkipReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(SkipReason::from_code(0), None);
        assert_eq!(SkipReason::from_code(13), None);
        assert_eq!(SkipReason::parse("other"), None);
    }

    #[test]
    fn stored_codes_never_move() {
        assert_eq!(SkipReason::FlowDisabled.code(), 1);
        assert_eq!(SkipReason::WindowClosed.code(), 4);
        assert_eq!(SkipReason::PolicyChanged.code(), 12);
    }
}
