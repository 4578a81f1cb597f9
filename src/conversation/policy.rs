//! The rules of a flow on a line, already valid: the machine asks no further questions of them.
//!
//! Not the configuration: shapes, defaults and mistakes live in `shapes/` and `config/`.

use std::sync::Arc;

use crate::limits;
use crate::schedule::{Daily, Hours, Rules};

/// What arms a follow-up on a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArmOn {
    /// The bot's question.
    Question,
    /// The person's message too: for a line on which the bot cannot be seen.
    AnyMessage,
}

/// What "yes" does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnYes {
    /// We send the last unanswered question again.
    Ask,
    /// The bot is told by hook and asks by itself.
    Hook,
}

/// What becomes of a call whose outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InDoubt {
    /// It is not made again.
    Unknown,
    /// It is made again: for those who prefer twice to never.
    Resend,
}

/// What a line's provider can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Free text inside the messaging window.
    pub free_text: bool,
    /// Buttons under a text.
    pub buttons: bool,
    /// Approved templates.
    pub template: bool,
    /// Its statuses carry our send id, so that a doubt can be settled later.
    pub correlation: bool,
    /// A send needs the person's number or user id (`to`).
    pub recipient: bool,
}

/// One further follow-up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StepRule {
    /// Milliseconds from the hand-over before it: 30 minutes to 30 days.
    pub delay: i64,
    /// Its text.
    pub message: Arc<str>,
}

/// The rules of one flow on one line; immutable.
#[derive(Clone, Debug)]
pub struct Policy {
    /// When a follow-up goes out.
    pub rules: Rules,
    /// The text of the first follow-up; may name variables as `{{.name}}`.
    pub message: Arc<str>,
    /// Further follow-ups, at most [`limits::STEPS`].
    pub steps: Vec<StepRule>,
    /// Names of the variables that the approved template takes, in its order.
    pub template_vars: Vec<Arc<str>>,
    /// The approved template cannot be sent at present: its provider has paused or rejected it.
    pub template_paused: bool,
    /// The label of the button that resumes.
    pub yes: Arc<str>,
    /// The label of the button that declines.
    pub no: Arc<str>,
    /// What "yes" does.
    pub on_yes: OnYes,
    /// Silence after the hand-over, in milliseconds, before the conversation is over.
    pub expires_after: i64,
    /// A follow-up later than this many milliseconds is skipped; `None` for no such bound.
    pub max_lateness: Option<i64>,
    /// What arms.
    pub arm_on: ArmOn,
    /// What becomes of a doubt.
    pub in_doubt: InDoubt,
    /// What the line can do.
    pub line: Capabilities,
    /// The flow asks questions of its own: here we are the bot.
    pub asks: bool,
    /// What opens the list of a question with many choices.
    pub choices_label: Arc<str>,
    /// The last word of a flow that asks its own questions; may name variables.
    pub closing: Option<Arc<str>>,
}

impl Policy {
    /// The rules of a conversation whose line or flow is no longer configured: nothing is sent, everything else goes on.
    #[must_use]
    pub fn retired() -> Policy {
        let hours = Hours::Daily(Daily::default());
        let rules = Rules { enabled: false, wait: limits::WAIT_FLOOR, hours, session: None, spread: 0 };
        Policy {
            rules,
            message: Arc::from(""),
            steps: Vec::new(),
            template_vars: Vec::new(),
            template_paused: false,
            yes: Arc::from(""),
            no: Arc::from(""),
            on_yes: OnYes::Hook,
            expires_after: limits::EXPIRES_AFTER,
            max_lateness: None,
            arm_on: ArmOn::Question,
            in_doubt: InDoubt::Unknown,
            line: Capabilities { free_text: false, buttons: false, template: false, correlation: false, recipient: false },
            asks: false,
            choices_label: Arc::from(""),
            closing: None,
        }
    }

    /// How many follow-ups a silence may have.
    #[must_use]
    pub fn ladder(&self) -> u8 {
        1 + self.steps.len().min(limits::STEPS) as u8
    }

    /// The text of follow-up `step`, counted from 0.
    #[must_use]
    pub fn text(&self, step: u8) -> &str {
        match step {
            0 => &self.message,
            n => self.steps.get(usize::from(n) - 1).map_or(&*self.message, |s| &*s.message),
        }
    }

    /// A number that changes whenever a decision could: kept with every decision, so that `explain` can tell.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv(self.rules.fingerprint());
        hash.number(self.expires_after).number(self.max_lateness.unwrap_or(-1));
        hash.number(i64::from(self.on_yes == OnYes::Ask)).number(i64::from(self.arm_on == ArmOn::Question));
        hash.number(i64::from(self.in_doubt == InDoubt::Resend)).number(i64::from(self.line.correlation));
        hash.number(i64::from(self.line.template)).number(i64::from(self.line.free_text)).number(i64::from(self.template_paused));
        for step in self.steps.iter().take(limits::STEPS) {
            hash.number(step.delay);
        }
        if self.asks {
            hash.number(1);
        }
        hash.0
    }
}

/// FNV-1a, 64 bits: stable for ever, which the standard library's hasher is not.
struct Fnv(u64);

impl Fnv {
    fn number(&mut self, value: i64) -> &mut Fnv {
        for byte in value.to_be_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }
}
