//! What a sabotage makes of a step of the machine, so that the checks of simulator and kill harness are checked.
//!
//! Not in any release: test builds alone have this.

use crate::conversation::{Event, Phase, Send, State, Step};
use crate::limits;
use crate::moment::Moment;

/// What the machine made of a state and an event, bent.
pub(crate) type Bend = fn(&State, &Event, Moment, Step) -> Step;

/// At its moment a follow-up goes out without being asked again.
pub(crate) fn trust_the_timer(before: &State, event: &Event, now: Moment, step: Step) -> Step {
    let armed = matches!(before.phase, Phase::Waiting | Phase::Retrying) || before.phase == Phase::Answering && before.wake.is_some();
    let due = before.wake.is_some_and(|wake| wake <= now) && before.skip.is_none();
    if *event != Event::Woke || !armed || !due || step.send.is_some() {
        return step;
    }
    let attempt = before.attempt + 1;
    let state = State { phase: Phase::Sending, attempt, wake: Some(now.plus(limits::DOUBT)), not_after: Moment::MAX, ..*before };
    let State { purpose, form, silence, step: number, not_after, .. } = state;
    let send = Some(Send { purpose, form, silence, step: number, attempt, not_after });
    Step { state, send, ended: None, ..step }
}
