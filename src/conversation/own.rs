//! Rows of the table for what goes out at once and is no follow-up: questions, a flow's last word, invitations, notifications.
//!
//! Not follow-ups: the hours of those do not bind here. The messaging window does, where the form is free text.

use crate::conversation::event::{Ignored, Report};
use crate::conversation::state::{Form, Outcome, Phase, Purpose};
use crate::conversation::turn::Turn;
use crate::limits;
use crate::moment::Moment;
use crate::schedule::{Reason, SkipReason};

impl Turn<'_> {
    /// A question of a flow that asks its own, in reply to a word of the person.
    pub(super) fn ask(&mut self, at: Moment) {
        if self.takes_up(at) {
            self.state.question = Some(at);
            self.take_the_word(at, Purpose::Ask);
        }
    }

    /// The last word of a flow whose questions are all answered.
    pub(super) fn close(&mut self, at: Moment) {
        if self.takes_up(at) {
            self.take_the_word(at, Purpose::Close);
        }
    }

    /// The person said something at `at` that a flow which asks its own questions has something to say to: whether it does now.
    fn takes_up(&mut self, at: Moment) -> bool {
        self.heard_from(at);
        if self.state.opted_out {
            self.ignore(Ignored::OptedOut);
            return false;
        }
        match self.state.outcome() {
            None if self.follow_up_is_out(at) => self.report(Report::Resumed { revived: false }),
            None => {}
            Some(_) if self.state.expires.is_none_or(|ended| at > ended) => self.begin_anew(at),
            // Said in time, delivered late: the silence that ended it never was.
            Some(Outcome::Expired) if self.revivable(at, Outcome::Expired) => {
                self.report(Report::Resumed { revived: true });
                self.because(Reason::Revived { at });
            }
            Some(_) => {
                self.ignore(Ignored::Stale);
                return false;
            }
        }
        self.start();
        self.disarm();
        self.state.question = None;
        if self.now.since(at) > limits::HISTORY {
            self.ignore(Ignored::Stale);
            return false;
        }
        true
    }

    /// An invitation: a run of the conversation begins with it.
    pub(super) fn invite(&mut self, at: Moment) {
        self.speak_first(at, Purpose::Invite);
    }

    /// A notification.
    pub(super) fn notify(&mut self, at: Moment) {
        self.speak_first(at, Purpose::Notify);
    }

    fn speak_first(&mut self, at: Moment, purpose: Purpose) {
        if self.state.opted_out {
            return self.ignore(Ignored::OptedOut);
        }
        if self.state.outcome().is_some() {
            self.begin_anew(at);
        }
        self.start();
        self.disarm();
        self.state.question = None;
        self.take_the_word(at, purpose);
    }

    /// What is to be said goes out from now on.
    pub(super) fn take_the_word(&mut self, at: Moment, purpose: Purpose) {
        let silence = self.new_silence(at);
        let state = &mut self.state;
        state.silence = silence;
        state.purpose = purpose;
        state.step = purpose.step().unwrap_or(0);
        state.form = if matches!(purpose, Purpose::Invite | Purpose::Notify) { Form::Template } else { Form::Message };
        state.attempt = 0;
        state.sent = None;
        self.arm_own();
    }

    /// What is in hand goes out from now on, and soon or not at all.
    pub(super) fn arm_own(&mut self) {
        let within = |most: i64| self.now.plus(most);
        let not_after = match self.state.purpose {
            Purpose::Invite => within(limits::INVITE),
            Purpose::Notify => within(limits::NOTIFY),
            Purpose::FollowUp | Purpose::Ask | Purpose::Close => self.window_closes().unwrap_or(Moment::MAX).min(within(limits::ASK)),
        };
        // A question that could not be sent still waits for its answer; anything else is then over.
        let expires = if self.state.purpose == Purpose::Ask { within(self.policy.expires_after) } else { not_after.max(self.now).plus(1) };
        let state = &mut self.state;
        state.phase = Phase::Waiting;
        state.wake = Some(self.now);
        state.due = Some(self.now);
        state.not_after = not_after;
        state.expires = Some(expires);
    }

    /// What is in hand has come due, and is no follow-up: the hours of those do not bind it.
    pub(super) fn attempt_own(&mut self) {
        if let Some(closes) = self.window_closes().filter(|_| self.state.form == Form::Message) {
            // The rules may have changed since it was armed, or the window turned out to be closed.
            self.state.not_after = self.state.not_after.min(closes);
        }
        let state = &self.state;
        if state.opted_out {
            self.skip(SkipReason::OptedOut);
        } else if let Some(obstacle) = state.obstacle {
            self.skip(obstacle);
        } else if state.form == Form::Template && !self.policy.line.template {
            self.skip(SkipReason::LineCannot);
        } else if self.now > state.not_after {
            let closed = state.form == Form::Message && self.window_closes().is_some_and(|closes| self.now > closes);
            self.skip(if closed { SkipReason::WindowClosed } else { SkipReason::TooLate });
        } else {
            self.claim();
        }
    }

    /// What was to go out of our own accord cannot.
    pub(super) fn blocked(&mut self, reason: SkipReason) {
        let planned = matches!(self.state.phase, Phase::Waiting | Phase::Retrying);
        if !planned || !matches!(self.state.purpose, Purpose::Invite | Purpose::Notify) {
            return self.ignore(Ignored::NothingToDo);
        }
        self.skip(reason);
    }

    /// What was to go out did not, for good. A follow-up or a question leaves the conversation `answering`, so that a later word
    /// still finds the question; what nobody owes an answer to is over.
    pub(super) fn go_without(&mut self) {
        self.rest(None);
        match self.state.purpose {
            Purpose::FollowUp | Purpose::Ask => {}
            Purpose::Invite | Purpose::Notify => self.end_of_run(Outcome::Failed, self.now),
            // Everything was answered: that was the good end.
            Purpose::Close => self.end_of_run(Outcome::Succeeded, self.now),
        }
    }

    /// What goes out of our own accord is out, or may be.
    pub(super) fn own_handed_over(&mut self, at: Moment, unknown: bool) {
        self.rest(None);
        match self.state.purpose {
            Purpose::FollowUp | Purpose::Ask => {}
            Purpose::Invite => self.state.expires = Some(at.plus(self.policy.expires_after)),
            Purpose::Notify if unknown => self.end_of_run(Outcome::Failed, at),
            Purpose::Notify | Purpose::Close => self.end_of_run(Outcome::Succeeded, at),
        }
    }

    fn end_of_run(&mut self, outcome: Outcome, at: Moment) {
        self.finish(outcome, at);
        self.report(if outcome == Outcome::Succeeded { Report::Succeeded } else { Report::Failed });
    }

    /// Whether what is in hand goes on its way whatever is said at `at`, as `State::goes_on` has it, questions of our own included.
    pub(super) fn is_on_its_way(&self, at: Moment) -> bool {
        let state = &self.state;
        let going = matches!(state.phase, Phase::Waiting | Phase::Sending | Phase::Retrying);
        state.goes_on(at) || (going && state.purpose == Purpose::Ask && self.policy.asks && !state.may_be_read(at))
    }
}
