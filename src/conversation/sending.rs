//! Rows of the table for calls: how one ended, that nobody will ever know, that the ledger knows of one.
//!
//! Not the call: providers make those, and say what it meant.

use crate::conversation::event::{Ignored, Refusal, Report, SendOutcome, Verdict};
use crate::conversation::policy::InDoubt;
use crate::conversation::state::{Form, Phase, Purpose, State};
use crate::conversation::turn::Turn;
use crate::limits;
use crate::moment::Moment;
use crate::schedule::{Reason, SkipReason};

impl Turn<'_> {
    pub(super) fn sent(&mut self, silence: Moment, step: u8, verdict: Verdict) {
        let state = &self.state;
        if state.phase != Phase::Sending || state.silence != silence || state.step != step {
            return self.ignore(Ignored::NotInHand);
        }
        match verdict {
            Verdict::Accepted(at) => self.handed_over(at, SendOutcome::Accepted),
            Verdict::Refused(refusal) => self.not_taken(refusal),
            Verdict::Busy(after) => self.retry(after),
            Verdict::Stopped => self.wait_for_the_line(),
            Verdict::NotBegun if state.attempt >= limits::ATTEMPTS => self.skip(SkipReason::TooLate),
            Verdict::NotBegun => {
                self.state.phase = self.armed_phase();
                self.attempt_again(self.now);
            }
            Verdict::Unknown if self.policy.in_doubt == InDoubt::Resend && state.attempt < limits::ATTEMPTS => {
                // It may have arrived, whatever comes of the next call.
                self.count_as_sent();
                self.retry(0);
            }
            Verdict::Unknown => self.doubt(),
        }
    }

    /// Nobody knows how the call ended. Where a status can still tell, the send stays in hand for as long as one may come.
    fn doubt(&mut self) {
        if self.policy.line.correlation {
            self.count_as_sent();
            self.state.doubt = true;
        } else {
            self.unknown(self.now);
        }
    }

    /// Nobody will ever know; if it was handed over, then at `at`.
    pub(super) fn unknown(&mut self, at: Moment) {
        self.handed_over(at, SendOutcome::Unknown);
    }

    /// Handed over, or so it must be assumed.
    fn handed_over(&mut self, at: Moment, outcome: SendOutcome) {
        let purpose = self.state.purpose;
        self.state.handed_over = Some(at);
        self.end_send(outcome);
        if purpose == Purpose::Ask {
            // We have just spoken for the bot: a new silence begins.
            self.state.question = Some(at);
            self.state.phase = Phase::Quiet;
            self.state.later = false;
            return self.arm(at);
        }
        if purpose != Purpose::FollowUp {
            return self.own_handed_over(at, outcome == SendOutcome::Unknown);
        }
        self.report(Report::FollowUpSent { unknown: outcome == SendOutcome::Unknown });
        self.state.expires = Some(at.plus(self.policy.expires_after));
        self.rest(None);
        if self.state.step.saturating_add(1) < self.policy.ladder() {
            self.state.step += 1;
            self.state.attempt = 0;
            self.state.hurried = false;
            self.state.earliest = None;
            self.plan();
        }
    }

    /// Refused for good; where the window turns out to be closed, the template goes in the place of the free text, once.
    fn not_taken(&mut self, refusal: Refusal) {
        if !self.falls_back(refusal) {
            self.refused(refusal.reason());
        }
    }

    /// The provider knows better when the window closed: from here on it is closed for us too, and the follow-up is planned
    /// again. Whether another way is left.
    fn falls_back(&mut self, refusal: Refusal) -> bool {
        let state = &self.state;
        let free_text = state.form == Form::Message && state.purpose == Purpose::FollowUp && !state.shut;
        if refusal != Refusal::WindowClosed || !free_text || state.attempt >= limits::ATTEMPTS {
            return false;
        }
        let before = self.state;
        self.state.shut = true;
        // A refusal ends the doubt, where there was one.
        self.state.doubt = false;
        self.state.phase = self.armed_phase();
        self.plan();
        if self.state.skip.is_some() {
            self.state = State { shut: true, ..before };
            return false;
        }
        true
    }

    /// A message that the provider had taken will not arrive. Where the conversation still waits for its answer, the send is
    /// rejected after all, or the template goes in its place; where it has gone on, nothing moves.
    pub(super) fn undelivered(&mut self, silence: Moment, step: u8, refusal: Refusal) {
        let state = &self.state;
        let invitation =
            state.phase == Phase::Answering && state.purpose == Purpose::Invite && state.sent.is_some_and(SendOutcome::counts_as_sent);
        if invitation && (state.silence, state.step) == (silence, step) {
            return self.refused(refusal.reason());
        }
        // With the next step of the ladder planned, the one that is out is the one before it.
        let out = if state.wake.is_some() { state.step.checked_sub(1) } else { Some(state.step) };
        let waits = state.phase == Phase::Answering && state.purpose == Purpose::FollowUp && state.silence == silence;
        if !waits || out != Some(step) || !state.sent.is_some_and(SendOutcome::counts_as_sent) {
            return self.ignore(Ignored::NotInHand);
        }
        let before = self.state;
        self.take_back(step);
        if !self.falls_back(refusal) {
            let shut = self.state.shut;
            self.state = State { shut, ..before };
            self.state.step = step;
            self.refused(refusal.reason());
        }
    }

    /// As if the send of `step` had not been handed over.
    fn take_back(&mut self, step: u8) {
        let policy = self.policy;
        let state = &mut self.state;
        // The hand-over before it was earlier by the step's delay, or earlier still.
        let delay = step.checked_sub(1).and_then(|before| policy.steps.get(usize::from(before))).map(|rule| rule.delay);
        state.handed_over = state.handed_over.zip(delay).map(|(at, delay)| at.plus(-delay));
        if step == 0 && state.sent_in_episode {
            state.sent_in_episode = false;
            state.episodes_sent = state.episodes_sent.saturating_sub(1);
        }
        state.step = step;
        state.attempt = state.attempt.max(1);
        state.form = Form::Message;
        state.sent = None;
        state.wake = None;
    }

    fn refused(&mut self, reason: SkipReason) {
        self.end_send(SendOutcome::Rejected(reason));
        self.report(Report::Skipped(reason));
        self.go_without();
    }

    fn retry(&mut self, after: i64) {
        let attempt = self.state.attempt;
        if attempt >= limits::ATTEMPTS {
            return self.refused(SkipReason::LineCannot);
        }
        let doubled = limits::BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        let backoff = doubled.min(limits::BACKOFF_CEILING).max(after.min(limits::RETRY_AFTER_CEILING));
        self.because(Reason::Retry { at: self.now.plus(backoff), attempt: attempt + 1 });
        self.state.phase = Phase::Retrying;
        self.attempt_again(self.now.plus(backoff));
    }

    /// The line has stopped: due at once, but it is the line that says when. The call is given back.
    fn wait_for_the_line(&mut self) {
        self.because(Reason::Retry { at: self.now, attempt: self.state.attempt });
        self.state.attempt = self.state.attempt.saturating_sub(1);
        self.state.phase = Phase::Retrying;
        self.attempt_again(self.now);
    }

    fn attempt_again(&mut self, wake: Moment) {
        self.state.wake = Some(wake);
        self.state.doubt = false;
        if self.state.expires.is_none() {
            self.state.expires = Some(self.now.plus(self.policy.expires_after));
        }
    }

    pub(super) fn found(&mut self, silence: Moment, step: u8, verdict: Verdict) {
        let planned = match self.state.phase {
            Phase::Waiting | Phase::Retrying => true,
            Phase::Answering => self.state.wake.is_some(),
            _ => false,
        };
        if !planned || self.state.silence != silence || self.state.step != step {
            return self.ignore(Ignored::NotInHand);
        }
        self.state.phase = Phase::Sending;
        self.state.attempt = self.state.attempt.max(1);
        self.state.wake = Some(self.now.plus(limits::DOUBT));
        match verdict {
            // What stands in the ledger is not made again, whatever the line does with doubts of its own.
            Verdict::Unknown => self.doubt(),
            known => self.sent(silence, step, known),
        }
    }

    /// The process that made the call is gone: nobody will tell how it ended.
    pub(super) fn orphaned(&mut self) {
        if self.state.phase != Phase::Sending || self.state.doubt {
            return self.ignore(Ignored::NothingToDo);
        }
        self.sent(self.state.silence, self.state.step, Verdict::Unknown);
    }
}
