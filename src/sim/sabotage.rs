//! Ways to break the product on purpose, each of which the checks must notice: the checks are checked.
//!
//! Not in any release: test builds alone have these, and the two seams they use.

use std::sync::Arc;

use super::process::Process;
use super::world::World;
use crate::conversation::{Event, Phase, State, Step, Verdict};
use crate::engine::bend::trust_the_timer;
use crate::engine::book::Book;
use crate::engine::ports::{Durable, Store};
use crate::engine::record::{Change, Delta, NameId};
use crate::limits;
use crate::moment::{MINUTE, Moment};

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
    /// A claim is no state: what is being sent stays armed, and there is no ledger.
    ForgetTheClaim,
    /// Hook records are not kept.
    LoseHookRecords,
    /// The rate of a line is not kept.
    IgnoreTheRate,
    /// Permits are without number.
    IgnoreThePermits,
    /// After downtime, nobody waits for what providers have queued.
    IgnoreTheWait,
    /// What is imported is taken for news.
    ArmFromHistory,
    /// The gap between two sends to one person is not kept.
    IgnoreTheGap,
    /// Whom the line wrote to within the day is forgotten at a restart.
    ForgetTheDay,
    /// A line whose credentials are not taken goes on.
    IgnoreTheStop,
    /// A call that met a stopped line counts.
    LoseAnAttemptPerStop,
    /// A line that is told to wait does not.
    IgnoreTheThrottle,
    /// A question of a flow that asks is not asked.
    LeaveOutAQuestion,
    /// Answers to a flow that asks are not kept.
    LoseAnswers,
}

impl Sabotage {
    pub(super) const ALL: [Sabotage; 26] = [
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
        Sabotage::ForgetTheClaim,
        Sabotage::LoseHookRecords,
        Sabotage::IgnoreTheRate,
        Sabotage::IgnoreThePermits,
        Sabotage::IgnoreTheWait,
        Sabotage::ArmFromHistory,
        Sabotage::IgnoreTheGap,
        Sabotage::ForgetTheDay,
        Sabotage::IgnoreTheStop,
        Sabotage::LoseAnAttemptPerStop,
        Sabotage::IgnoreTheThrottle,
        Sabotage::LeaveOutAQuestion,
        Sabotage::LoseAnswers,
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
        let store = Arc::get_mut(&mut self.store).expect("nobody has it yet");
        match sabotage {
            Sabotage::SkipTheLedger | Sabotage::ForgetTheClaim => store.inner().skip_ledger(true),
            Sabotage::ForgetTheDay => store.forgetful = true,
            Sabotage::ForgetIdentities => store.tamper = Some(without_identity),
            Sabotage::LoseOptOuts => store.tamper = Some(|change| (!matches!(change, Change::OptedOut(..))).then_some(change)),
            Sabotage::LoseHookRecords => store.tamper = Some(without_hooks),
            Sabotage::LoseAnswers => store.tamper = Some(without_answers),
            _ => {}
        }
    }

    pub(super) fn sabotage_at_start(&mut self, process: &mut Process) {
        process.engine.bend = match self.sabotage {
            Some(Sabotage::TrustTheTimer) => Some(trust_the_timer),
            Some(Sabotage::KeepTheOldTimer) => Some(keep_the_old_timer),
            Some(Sabotage::IgnoreHolds) => Some(|_, _, _, step| Step { state: State { held: false, ..step.state }, ..step }),
            Some(Sabotage::ForgetTheCap) => Some(|_, _, _, step| Step { state: State { episodes_sent: 0, ..step.state }, ..step }),
            Some(Sabotage::ForgetTheClaim) => Some(forget_the_claim),
            Some(Sabotage::ArmFromHistory) => Some(arm_from_history),
            Some(Sabotage::LoseAnAttemptPerStop) => Some(lose_an_attempt),
            Some(Sabotage::LoseOutcomes) => Some(|_, _, _, step| Step { ended: None, ..step }),
            _ => None,
        };
    }

    /// The rules as the process reads them.
    pub(super) fn rules(&self) -> Arc<Book> {
        let mut book = Book::clone(&self.book);
        match self.sabotage {
            Some(Sabotage::IgnoreTheRate) => book.lines.values_mut().for_each(|line| line.rate = None),
            Some(Sabotage::IgnoreTheGap) => book.lines.values_mut().for_each(|line| line.pair_gap = 0),
            Some(Sabotage::IgnoreThePermits) => book.lines.values_mut().for_each(|line| line.max_in_flight = 1_000),
            Some(Sabotage::IgnoreTheWait) => book.lines.values_mut().for_each(|line| line.catch_up_wait = 0),
            Some(Sabotage::LeaveOutAQuestion) => {
                book.questions.values_mut().for_each(|asked| *asked = [&asked[..1], &asked[2..]].concat().into())
            }
            _ => return Arc::clone(&self.book),
        }
        Arc::new(book)
    }

    /// A permit that comes back too soon.
    pub(super) fn sabotaged_permit(&mut self, line: NameId) {
        if let (Some(Sabotage::EarlyPermit), Some(process)) = (self.sabotage, &mut self.process) {
            process.engine.return_permit(line);
            process.dirty = true;
        }
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

fn without_answers(change: Change) -> Option<Change> {
    Some(match change {
        Change::Moved(mut moved) => {
            moved.deltas.retain(|delta| !matches!(delta, Delta::Answered(..)));
            Change::Moved(moved)
        }
        other => other,
    })
}

fn forget_the_claim(_: &State, _: &Event, now: Moment, step: Step) -> Step {
    if step.send.is_none() {
        return step;
    }
    let state = State { phase: Phase::Retrying, wake: Some(now.plus(MINUTE)), ..step.state };
    Step { state: State { expires: state.expires.or(Some(now.plus(limits::DOUBT))), ..state }, ..step }
}

fn arm_from_history(before: &State, event: &Event, now: Moment, step: Step) -> Step {
    let Event::Question { at, .. } = *event else { return step };
    if now.since(at) <= limits::HISTORY || step.state.question != Some(at) || step.state.opted_out {
        return step;
    }
    let (wake, expires) = (Some(now), Some(now.plus(limits::DOUBT)));
    let state = State { phase: Phase::Waiting, silence: at, episode: before.episode + 1, step: 0, attempt: 0, wake, expires, ..step.state };
    Step { state, ignored: None, ..step }
}

fn lose_an_attempt(_: &State, event: &Event, _: Moment, step: Step) -> Step {
    let met = matches!(event, Event::Sent { verdict: Verdict::Stopped, .. }) && step.state.phase == Phase::Retrying;
    let attempt = step.state.attempt + u8::from(met);
    Step { state: State { attempt, ..step.state }, ..step }
}

fn keep_the_old_timer(before: &State, event: &Event, _: Moment, step: Step) -> Step {
    match event {
        Event::Message { at, .. } if before.phase == Phase::Waiting => {
            Step { state: State { last_inbound: before.last_inbound.max(Some(*at)), ..*before }, ended: None, ..step }
        }
        _ => step,
    }
}
