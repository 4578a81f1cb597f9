//! One turn of the machine while it is being made: the state as it becomes, and what goes out beside it.
//!
//! Not the table: which event does what is in `step.rs`; here are the moves that several of its rows share.

use crate::conversation::event::{Ignored, Report, Send, SendOutcome, Step};
use crate::conversation::policy::{OnYes, Policy};
use crate::conversation::state::{Form, Outcome, Phase, Purpose, State};
use crate::limits;
use crate::moment::Moment;
use crate::schedule::{self, Action, Reason, Silence, SkipReason, Slot, Trail};

pub(super) struct Turn<'a> {
    pub(super) policy: &'a Policy,
    pub(super) now: Moment,
    pub(super) state: State,
    pub(super) trail: Trail,
    pub(super) ignored: Option<Ignored>,
    send: Option<Send>,
    reports: [Option<Report>; 3],
    ended: Option<(Moment, u8, SendOutcome)>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(policy: &'a Policy, state: &State, now: Moment) -> Turn<'a> {
        let trail = Trail::default();
        Turn { policy, now, state: *state, trail, ignored: None, send: None, reports: [None; 3], ended: None }
    }

    pub(super) fn into_step(self) -> Step {
        let Turn { state, send, reports, ended, trail, ignored, .. } = self;
        Step { state, send, reports, ended, trail, ignored }
    }

    pub(super) fn because(&mut self, reason: Reason) {
        self.trail.push(reason);
    }

    pub(super) fn ignore(&mut self, why: Ignored) {
        self.ignored = Some(why);
    }

    pub(super) fn report(&mut self, report: Report) {
        // Three is the most that any row tells: a send that ended, the end of the conversation, a new beginning.
        if let Some(free) = self.reports.iter_mut().find(|r| r.is_none()) {
            *free = Some(report);
        }
    }

    /// The person said something at `at`: it opens the messaging window, unless a later word already did.
    pub(super) fn heard_from(&mut self, at: Moment) {
        if self.state.last_inbound < Some(at) {
            self.state.last_inbound = Some(at);
            self.state.shut = false;
        }
    }

    /// Whether a follow-up of this silence reached, or may have reached, the person by `at` (providers stamp whole seconds).
    pub(super) fn follow_up_is_out(&self, at: Moment) -> bool {
        self.state.out_since().is_some_and(|out| at.plus(999) >= out)
    }

    /// The phase of a conversation whose next follow-up is planned: with one out already, the person may answer that.
    pub(super) fn armed_phase(&self) -> Phase {
        if self.state.out_since().is_some() { Phase::Answering } else { Phase::Waiting }
    }

    /// Begins a new silence at `at` and arms its first follow-up, where the rules allow.
    pub(super) fn arm(&mut self, at: Moment) {
        let silence = self.new_silence(at);
        let state = &mut self.state;
        state.silence = silence;
        state.episode = state.episode.saturating_add(1);
        state.step = 0;
        state.attempt = 0;
        state.purpose = Purpose::FollowUp;
        state.sent = None;
        state.sent_in_episode = false;
        state.hurried = false;
        state.earliest = None;
        state.doubt = false;
        if !self.policy.rules.enabled {
            self.because(Reason::Disabled { at });
            self.rest(None);
            self.state.due = None;
            self.state.expires = Some(at.plus(self.policy.expires_after));
            return;
        }
        self.state.phase = Phase::Waiting;
        self.plan();
    }

    /// The beginning of a new silence at `at`. Providers stamp whole seconds and deliver out of order: a silence begins after the
    /// one before it, if only by a millisecond, because half of a send's identity is the silence it belongs to. (Where the one
    /// before lies far ahead, the clock was set back, and that one does not count; nor does a time that may have been used before.)
    pub(super) fn new_silence(&self, at: Moment) -> Moment {
        let before = self.state.silence;
        match before {
            _ if before < at => at,
            _ if before <= self.now.plus(limits::AHEAD) => before.plus(1),
            _ => at.max(self.now),
        }
    }

    /// Plans the follow-up in hand, from now on. In `Answering` it is the next step, and expiry stays as it is.
    pub(super) fn plan(&mut self) {
        let state = &self.state;
        let (anchor, wait) = self.anchor_and_wait();
        let silence = Silence {
            inactive_since: anchor,
            last_inbound_at: if state.shut { None } else { state.last_inbound },
            now: state.earliest.map_or(self.now, |e| e.max(self.now)),
            spread_key: (u64::from(state.salt) << 32) ^ (state.silence.0 as u64),
        };
        let plan = schedule::plan_after(&self.policy.rules, wait, &silence);
        for reason in plan.trail.iter() {
            self.trail.push(match *reason {
                // To the schedule a window that is closed for other reasons than time never was.
                Reason::NeverWrote { at } if state.shut => Reason::WindowShut { at },
                reason => reason,
            });
        }
        // When it would have been sent: a skip waits for that moment too.
        let target = anchor.plus(wait).max(silence.now);
        let moment = match (plan.action.slot(), plan.trail.last()) {
            (Some(slot), _) => slot.due,
            (None, Some(Reason::Skipped { at, .. })) => *at,
            (None, _) => target,
        };
        let line = self.policy.line;
        let skip = match (self.refusal(), plan.action) {
            (Some(reason), _) => reason,
            (None, Action::Message(_)) if state.shut => SkipReason::WindowClosed,
            (None, Action::Message(slot)) if line.free_text => return self.expect(slot, Form::Message),
            (None, Action::Template(_)) if self.policy.template_paused => SkipReason::TemplateUnavailable,
            (None, Action::Template(slot)) if line.template => return self.expect(slot, Form::Template),
            (None, Action::Message(_) | Action::Template(_)) => SkipReason::LineCannot,
            (None, Action::Skip(reason)) => reason,
            (None, Action::None) => SkipReason::FlowDisabled,
        };
        self.because_skipped(moment, skip);
        self.expect_skip(moment, skip);
    }

    /// Writes a skip down, once: the schedule may have done so already.
    fn because_skipped(&mut self, at: Moment, reason: SkipReason) {
        if !matches!(self.trail.last(), Some(Reason::Skipped { reason: known, .. }) if *known == reason) {
            self.because(Reason::Skipped { at, reason });
        }
    }

    fn anchor_and_wait(&self) -> (Moment, i64) {
        let state = &self.state;
        let (anchor, wait) = match state.step {
            0 => (state.silence, if state.later { limits::LATER } else { self.policy.rules.wait }),
            n => {
                let delay = self.policy.steps.get(usize::from(n) - 1).map_or(limits::STEP_CEILING, |s| s.delay);
                (state.handed_over.unwrap_or(state.silence), delay)
            }
        };
        (anchor, if state.hurried { limits::WAIT_FLOOR } else { wait })
    }

    /// Why this conversation may not be sent to at all, whatever the hour.
    fn refusal(&self) -> Option<SkipReason> {
        let state = &self.state;
        if state.opted_out {
            return Some(SkipReason::OptedOut);
        }
        if !self.policy.rules.enabled {
            return Some(SkipReason::FlowDisabled);
        }
        if state.episodes_sent >= limits::EPISODES_WITH_SENDS && !state.sent_in_episode {
            return Some(SkipReason::Capped);
        }
        state.obstacle
    }

    fn expect(&mut self, slot: Slot, form: Form) {
        // One brought forward may go out a little sooner than its moment, but not while the hours are closed.
        let hours = &self.policy.rules.hours;
        let sooner = slot.not_before < slot.due;
        let wake = if sooner { hours.next_open(slot.not_before, limits::HORIZON) } else { None };
        let state = &mut self.state;
        state.form = form;
        state.skip = None;
        state.wake = Some(wake.map_or(slot.due, |open| open.min(slot.due)));
        state.due = Some(slot.due);
        state.not_after = slot.not_after;
        self.expire_after_due(slot.due);
    }

    /// A skip that is known in advance still waits for its moment: the person may speak first, and then nothing was skipped.
    fn expect_skip(&mut self, moment: Moment, reason: SkipReason) {
        let state = &mut self.state;
        state.skip = Some(reason);
        state.wake = Some(moment);
        state.due = None;
        state.not_after = Moment::MAX;
        self.expire_after_due(moment);
    }

    fn expire_after_due(&mut self, due: Moment) {
        // From the last hand-over; if nothing was sent, from the moment it is due.
        if self.state.out_since().is_none() {
            self.state.expires = Some(due.plus(self.policy.expires_after));
        }
    }

    /// The follow-up in hand has come due: everything is asked again, and it is claimed, deferred or skipped.
    pub(super) fn attempt_follow_up(&mut self) {
        let (first, expires) = (self.state.due, self.state.expires);
        if self.too_late(first, self.now) {
            return self.skip(SkipReason::TooLate);
        }
        self.plan();
        if self.too_late(first, self.state.due.unwrap_or(self.now)) {
            self.state.expires = expires;
            return self.skip(SkipReason::TooLate);
        }
        let now_or_never = self.state.wake.is_some_and(|wake| wake <= self.now);
        match self.state.skip {
            Some(reason) if now_or_never => {
                self.state.expires = expires;
                self.skip(reason);
            }
            None if now_or_never => {
                // However often it is tried, it is late by its first moment.
                self.state.due = first.min(self.state.due).or(self.state.due);
                self.state.expires = expires;
                self.claim();
            }
            _ if self.state.phase == Phase::Retrying => self.state.phase = self.armed_phase(),
            _ => {}
        }
    }

    /// Whether going out at `at` is later than the flow allows, by the moment it was first due.
    fn too_late(&self, first: Option<Moment>, at: Moment) -> bool {
        let late = first.map_or(0, |due| at.since(due));
        self.policy.max_lateness.is_some_and(|most| late > most)
    }

    /// The claim: durable before the call is made.
    pub(super) fn claim(&mut self) {
        let state = &mut self.state;
        state.phase = Phase::Sending;
        state.attempt = state.attempt.saturating_add(1);
        state.doubt = false;
        state.wake = Some(self.now.plus(limits::DOUBT));
        if state.purpose == Purpose::FollowUp
            && let Some(closes) = self.policy.rules.hours.open_until(self.now)
        {
            state.not_after = state.not_after.min(closes);
        }
        self.send = Some(Send {
            purpose: state.purpose,
            form: state.form,
            silence: state.silence,
            step: state.step,
            attempt: state.attempt,
            not_after: state.not_after,
        });
    }

    /// The send in hand is over: how. Where the person may have got it, it counts for caps and gaps.
    pub(super) fn end_send(&mut self, outcome: SendOutcome) {
        if outcome.counts_as_sent() {
            self.count_as_sent();
        }
        if !matches!(outcome, SendOutcome::Skipped(_)) {
            self.because(Reason::Outcome { at: self.now, end: outcome.end() });
        }
        self.state.sent = Some(outcome);
        self.state.doubt = false;
        self.ended = Some((self.state.silence, self.state.step, outcome));
    }

    /// Counts this episode among those in which something was sent. A question asked again is an answer, not a follow-up.
    pub(super) fn count_as_sent(&mut self) {
        let state = &mut self.state;
        if !state.sent_in_episode && state.purpose == Purpose::FollowUp {
            state.sent_in_episode = true;
            // At the cap already, where the ledger knew of a send that a restored store had forgotten.
            state.episodes_sent = state.episodes_sent.saturating_add(1).min(limits::EPISODES_WITH_SENDS);
        }
    }

    /// The follow-up in hand is not sent; the conversation stays `answering`, so that a later word still finds the question.
    pub(super) fn skip(&mut self, reason: SkipReason) {
        self.because_skipped(self.now, reason);
        self.end_send(SendOutcome::Skipped(reason));
        self.report(Report::Skipped(reason));
        self.go_without();
    }

    /// Out of hand: nothing to send until `wake`.
    pub(super) fn rest(&mut self, wake: Option<Moment>) {
        let state = &mut self.state;
        state.phase = Phase::Answering;
        state.wake = wake;
        state.skip = None;
        state.not_after = Moment::MAX;
        if state.expires.is_none() {
            state.expires = Some(self.now.plus(self.policy.expires_after));
        }
    }

    /// Takes back whatever is armed. A call that has begun cannot be taken back: it counts as sent, and its outcome, when it
    /// comes, is kept with the send and moves nothing.
    pub(super) fn disarm(&mut self) {
        match self.state.phase {
            Phase::Waiting | Phase::Retrying => self.end_send(SendOutcome::Cancelled),
            Phase::Answering if self.state.wake.is_some() => self.end_send(SendOutcome::Cancelled),
            Phase::Sending if self.state.doubt => self.end_send(SendOutcome::Unknown),
            Phase::Sending => self.count_as_sent(),
            Phase::Quiet | Phase::Answering | Phase::Finished(_) => {}
        }
        let state = &mut self.state;
        state.phase = Phase::Quiet;
        state.wake = None;
        state.due = None;
        state.skip = None;
        state.expires = None;
        state.earliest = None;
        state.hurried = false;
        state.later = false;
        state.doubt = false;
        state.not_after = Moment::MAX;
    }

    /// The conversation is over.
    pub(super) fn finish(&mut self, outcome: Outcome, at: Moment) {
        let ended = self.ended;
        self.disarm();
        self.ended = ended.or(self.ended);
        self.state.phase = Phase::Finished(outcome);
        self.state.expires = Some(at);
    }

    /// The person is back. `ask`: the last unanswered question goes out again, where that is ours to do.
    pub(super) fn resume(&mut self, at: Moment, ask: bool, revived: bool) {
        // A flow that asks its own questions has one to ask, also where none has been asked yet.
        let question = self.state.question.or(self.policy.asks.then_some(at));
        self.disarm();
        self.report(Report::Resumed { revived });
        if revived {
            self.because(Reason::Revived { at });
        }
        self.state.question = None;
        let wanted = ask && (self.policy.asks || self.policy.on_yes == OnYes::Ask) && question.is_some();
        if !wanted || self.now.since(at) > limits::HISTORY {
            return;
        }
        self.state.question = question;
        self.take_the_word(at, Purpose::Ask);
    }

    /// When the messaging window closes; `None` where the line has none.
    pub(super) fn window_closes(&self) -> Option<Moment> {
        if self.state.shut {
            return Some(Moment::MIN);
        }
        let session = self.policy.rules.session.as_ref()?;
        Some(self.state.last_inbound.map_or(Moment::MIN, |inbound| session.closes(inbound)))
    }

    /// A new run of a conversation that was over.
    pub(super) fn begin_anew(&mut self, at: Moment) {
        let before = self.state;
        self.state = State {
            phase: Phase::Quiet,
            sent: None,
            obstacle: None,
            wake: None,
            due: None,
            skip: None,
            expires: None,
            handed_over: None,
            question: None,
            held: false,
            doubt: false,
            hurried: false,
            later: false,
            episodes_sent: 0,
            sent_in_episode: false,
            begun: at,
            started: false,
            ..before
        };
        self.start();
    }

    /// The first word of a run, from either side.
    pub(super) fn start(&mut self) {
        if !self.state.started {
            self.state.started = true;
            self.report(Report::Started);
        }
    }
}
