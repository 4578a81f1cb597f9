//! The conversation machine: one small value, moved by one pure function.
//!
//! ```text
//!           question                  woke, open              accepted
//! quiet ──────────────▶ waiting ────────────────▶ sending ────────────────▶ answering
//!   ▲                    ▲ │ woke, closed: defer   │  ▲ woke                  │ yes: resumed ─▶ quiet (or the question again)
//!   │ the person spoke   └─┘                  busy ▼  │                       │ no: finished(declined)
//!   │ (any state)                            retrying                         │ later: waiting, 3 h on
//!   └─────────────────────────────────────────────────────────────────────────┘ silence: next step, then finished(expired)
//! ```
//!
//! Nothing here knows a clock, a socket, bytes or a store: time is an argument, a timer is what
//! [`State::wake_at`] answers, and what shall happen outside is returned as data in a [`Step`].

pub mod answer;
mod event;
#[cfg(test)]
mod laws;
mod operator;
mod own;
mod policy;
pub mod questionnaire;
mod sending;
mod state;
mod step;
mod turn;

pub use answer::Choice;
pub use event::{Event, Finish, Ignored, Refusal, Report, Send, SendOutcome, Step, Verdict, clamped};
pub use policy::{ArmOn, Capabilities, InDoubt, OnYes, Policy, StepRule};
pub use state::{Form, Outcome, Phase, Purpose, State};
pub use step::step;
