//! Rows of the table for operators and upkeep: hold, release, postpone, send now, send again, new rules.
//!
//! Not a way around the rules: hours, window and the floor of 30 minutes bind operators too.

use crate::conversation::event::{Ignored, SendOutcome};
use crate::conversation::state::{Phase, Purpose};
use crate::conversation::turn::Turn;
use crate::moment::Moment;
use crate::schedule::{Reason, SkipReason};

impl Turn<'_> {
    pub(super) fn hold(&mut self) {
        if self.state.held || self.state.outcome().is_some() {
            return self.ignore(Ignored::NothingToDo);
        }
        self.because(Reason::Held { at: self.now });
        self.state.held = true;
    }

    pub(super) fn release(&mut self) {
        if !self.state.held {
            return self.ignore(Ignored::NothingToDo);
        }
        self.because(Reason::Released { at: self.now });
        self.state.held = false;
        if self.state.phase == Phase::Waiting && self.state.purpose == Purpose::FollowUp {
            self.plan();
        }
    }

    /// Whether a follow-up is planned that an operator can still move.
    pub(super) fn movable(&self) -> bool {
        match self.state.phase {
            Phase::Waiting | Phase::Retrying => self.state.purpose == Purpose::FollowUp,
            Phase::Answering => self.state.wake.is_some(),
            _ => false,
        }
    }

    pub(super) fn postpone(&mut self, until: Moment) {
        if !self.movable() {
            return self.ignore(Ignored::NothingToDo);
        }
        self.because(Reason::Postponed { at: until });
        self.state.earliest = Some(until);
        self.replan();
    }

    pub(super) fn send_now(&mut self) {
        if !self.movable() {
            return self.ignore(Ignored::NothingToDo);
        }
        self.because(Reason::SentNow { at: self.now });
        self.state.earliest = None;
        self.state.hurried = true;
        self.replan();
    }

    /// Made again on an operator's word: planned from now on, as if the call in doubt had been refused.
    pub(super) fn resend(&mut self) {
        let in_doubt = match self.state.phase {
            Phase::Sending => self.state.doubt,
            Phase::Answering => self.state.sent == Some(SendOutcome::Unknown),
            _ => false,
        };
        if !in_doubt {
            return self.ignore(Ignored::NothingToDo);
        }
        self.because(Reason::SentNow { at: self.now });
        if self.state.phase == Phase::Answering && self.state.wake.is_some() {
            self.state.step = self.state.step.saturating_sub(1);
        }
        self.state.phase = self.armed_phase();
        self.state.doubt = false;
        self.state.sent = None;
        if self.state.purpose != Purpose::FollowUp {
            return self.arm_own();
        }
        // The wait of its step was over when it was claimed; only the floor still counts.
        self.state.hurried = true;
        self.plan();
    }
    fn replan(&mut self) {
        if self.state.phase == Phase::Retrying {
            self.state.phase = self.armed_phase();
        }
        self.plan();
    }

    pub(super) fn policy_changed(&mut self) {
        if !self.movable() || self.state.phase == Phase::Retrying {
            return self.ignore(Ignored::NothingToDo);
        }
        self.because(Reason::PolicyChanged { at: self.now });
        if !self.policy.rules.enabled {
            return self.skip(SkipReason::FlowDisabled);
        }
        if self.state.phase == Phase::Answering && self.state.step >= self.policy.ladder() {
            return self.skip(SkipReason::PolicyChanged);
        }
        self.plan();
    }
}
