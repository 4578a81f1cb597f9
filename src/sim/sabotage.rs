//! Ways to break the product on purpose, each of which the checks must notice: the checks are checked.
//!
//! Not in any release: test builds alone have these, and the two seams they use.

use super::process::Process;
use super::world::World;
use crate::conversation::{Event, Phase, Send, State, Step, Verdict};
use crate::engine::ports::{Durable, Store};
use crate::engine::record::Change;
use crate::limits;
use crate::moment::Moment;

/// One way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sabotage {
    /// A flush now and then says "durable" and keeps nothing.
    SkipAFlush,
    /// Answers and calls leave with the group, before the flush.
    AnswerBeforeFlush,
    /// A call of unknown outcome is made again.
    RetryAnUnknown,
    /// The last look before a call is not taken.
    SkipTheDoor,
    /// The ledger is not written.
    SkipTheLedger,
    /// A permit comes back when the call begins.
    EarlyPermit,
    /// Identities of events are not kept.
    ForgetIdentities,
    /// Opt-outs are not kept.
    LoseOptOuts,
    /// At its moment a follow-up goes out without being asked again, and without a last look.
    TrustTheTimer,
    /// The person speaks, and what was armed stays armed.
    KeepTheOldTimer,
    /// Holds hold nothing.
    IgnoreHolds,
    /// Episodes with sends are not counted.
    ForgetTheCap,
    /// How a send ended is not told.
    LoseOutcomes,
    /// A claim that a crash left behind is planned again.
    ForgiveOrphans,
    /// Hook records are not kept.
    LoseHookRecords,
    /// The rate of a line is not kept.
    IgnoreTheRate,
    /// What is imported is taken for news.
    ArmFromHistory,
}

impl Sabotage {
    pub(super) const ALL: [Sabotage; 17] = [
        Sabotage::SkipAFlush,
        Sabotage::AnswerBeforeFlush,
        Sabotage::RetryAnUnknown,
        Sabotage::SkipTheDoor,
        Sabotage::SkipTheLedger,
        Sabotage::EarlyPermit,
        Sabotage::ForgetIdentities,
        Sabotage::LoseOptOuts,
        Sabotage::TrustTheTimer,
        Sabotage::KeepTheOldTimer,
        Sabotage::IgnoreHolds,
        Sabotage::ForgetTheCap,
        Sabotage::LoseOutcomes,
        Sabotage::ForgiveOrphans,
        Sabotage::LoseHookRecords,
        Sabotage::IgnoreTheRate,
        Sabotage::ArmFromHistory,
    ];
}

/// What the driver makes of a verdict.
pub(super) fn bend_verdict(sabotage: Option<Sabotage>, verdict: Verdict) -> Verdict {
    match (sabotage, verdict) {
        (Some(Sabotage::RetryAnUnknown), Verdict::Unknown) => Verdict::Busy(0),
        (_, verdict) => verdict,
    }
}

impl World {
    /// Sabotages the store from the beginning.
    pub(super) fn sabotage(&mut self, sabotage: Sabotage) {
        self.sabotage = Some(sabotage);
        let store = std::sync::Arc::get_mut(&mut self.store).expect("nobody has it yet");
        match sabotage {
            Sabotage::SkipTheLedger => store.inner().skip_ledger(true),
            Sabotage::ForgetIdentities => store.tamper = Some(without_identity),
            Sabotage::LoseOptOuts => store.tamper = Some(|change| (!matches!(change, Change::OptedOut(..))).then_some(change)),
            Sabotage::LoseHookRecords => store.tamper = Some(without_hooks),
            _ => {}
        }
    }

    pub(super) fn sabotage_at_start(&mut self, process: &mut Process) {
        process.engine.bend = match self.sabotage {
            Some(Sabotage::TrustTheTimer) => Some(trust_the_timer),
            Some(Sabotage::KeepTheOldTimer) => Some(keep_the_old_timer),
            Some(Sabotage::IgnoreHolds) => Some(|_, _, _, step| Step { state: State { held: false, ..step.state }, ..step }),
            Some(Sabotage::ForgetTheCap) => Some(|_, _, _, step| Step { state: State { episodes_sent: 0, ..step.state }, ..step }),
            Some(Sabotage::LoseOutcomes) => Some(|_, _, _, step| Step { ended: None, ..step }),
            _ => None,
        };
    }

    /// A flush that is none.
    pub(super) fn sabotaged_flush(&mut self) -> Option<(Durable, u64)> {
        let upto = self.store.seq();
        if self.sabotage == Some(Sabotage::SkipAFlush) && self.dice.percent(25) {
            self.store.inner().skip_flush(true);
            // It says yes to everything.
            let _ = self.store.flush();
            self.store.inner().skip_flush(false);
            return Some((Durable::upto(upto), upto));
        }
        None
    }
}

fn without_identity(change: Change) -> Option<Change> {
    Some(match change {
        Change::Moved(mut moved) => {
            moved.identity = None;
            Change::Moved(moved)
        }
        other => other,
    })
}

fn without_hooks(change: Change) -> Option<Change> {
    Some(match change {
        Change::Moved(mut moved) => {
            moved.hooks.clear();
            Change::Moved(moved)
        }
        other => other,
    })
}

fn trust_the_timer(before: &State, event: &Event, now: Moment, step: Step) -> Step {
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

fn keep_the_old_timer(before: &State, event: &Event, _: Moment, step: Step) -> Step {
    match event {
        Event::Message { at, .. } if before.phase == Phase::Waiting => {
            Step { state: State { last_inbound: before.last_inbound.max(Some(*at)), ..*before }, ended: None, ..step }
        }
        _ => step,
    }
}
