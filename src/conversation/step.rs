//! The table: what each event does in each state.
//!
//! Total and pure: every event has an answer in every state, and where nothing changes the answer says why.

use crate::conversation::answer::Choice;
use crate::conversation::event::{Event, Finish, Ignored, Report, SendOutcome, Step, clamped};
use crate::conversation::policy::{ArmOn, Policy};
use crate::conversation::state::{Outcome, Phase, Purpose, State};
use crate::conversation::turn::Turn;
use crate::limits;
use crate::moment::Moment;
use crate::schedule::{Reason, SkipReason};

/// Moves a conversation by one event. `now` is when the event is taken in; it may lie before an earlier `now`.
#[must_use]
pub fn step(policy: &Policy, state: &State, event: &Event, now: Moment) -> Step {
    let mut turn = Turn::new(policy, state, now);
    match *event {
        Event::Message { at, typed } => turn.message(clamped(at, now), typed),
        Event::Answer { at, choice, silence } => turn.answer(clamped(at, now), choice, silence),
        Event::Question { at, obstacle } => turn.question(clamped(at, now), obstacle),
        Event::Ask { at } => turn.ask(clamped(at, now)),
        Event::Invite { at } => turn.invite(clamped(at, now)),
        Event::Notify { at } => turn.notify(clamped(at, now)),
        Event::Close { at } => turn.close(clamped(at, now)),
        Event::Blocked { reason } => turn.blocked(reason),
        Event::Finish { at, how } => turn.finish_fact(clamped(at, now), how),
        Event::OptOut { at } => turn.opt_out(clamped(at, now)),
        Event::OptIn { .. } => turn.opt_in(),
        Event::Hold => turn.hold(),
        Event::Release => turn.release(),
        Event::Postpone { until } => turn.postpone(until),
        Event::SendNow => turn.send_now(),
        Event::Woke => turn.woke(),
        Event::Sent { silence, step, verdict } => turn.sent(silence, step, verdict),
        Event::Orphaned => turn.orphaned(),
        Event::Found { silence, step, verdict } => turn.found(silence, step, verdict),
        Event::Undelivered { silence, step, refusal } => turn.undelivered(silence, step, refusal),
        Event::Resend => turn.resend(),
        Event::PolicyChanged => turn.policy_changed(),
    }
    turn.into_step()
}

impl Turn<'_> {
    fn message(&mut self, at: Moment, typed: Option<Choice>) {
        if typed == Some(Choice::Stop) {
            self.heard_from(at);
            return self.opt_out(at);
        }
        if let Phase::Finished(outcome) = self.state.phase {
            return self.message_after_end(at, typed, outcome);
        }
        self.start();
        let known = self.state.last_inbound;
        self.heard_from(at);
        if self.is_on_its_way(at) {
            return self.changes_only_the_window(Ignored::NothingToDo, known);
        }
        if self.state.purpose == Purpose::Invite && self.state.phase != Phase::Quiet {
            self.reply_to_invitation(at, typed, known);
        } else if self.state.phase != Phase::Quiet {
            // Where messages arm, one that a later message overtook says nothing that the later one did not.
            let overtaken = self.policy.arm_on == ArmOn::AnyMessage && known.is_some_and(|k| k > at);
            if overtaken || at.plus(limits::DISORDER) < self.state.silence {
                return self.changes_only_the_window(Ignored::Stale, known);
            }
            if self.follow_up_is_out(at) {
                self.reply(at, typed);
            } else if matches!(self.state.sent, Some(SendOutcome::Skipped(_) | SendOutcome::Rejected(_))) {
                self.resume(at, false, false);
            } else {
                self.disarm();
                self.state.question = None;
            }
        }
        self.arm_on_message(at);
    }

    /// A word of the person that moves nothing, but for the messaging window that it opened.
    pub(super) fn changes_only_the_window(&mut self, why: Ignored, known: Option<Moment>) {
        self.ignore(why);
        if self.state.last_inbound != known && self.movable() && self.state.phase != Phase::Retrying {
            self.plan();
        }
    }

    /// What the person says to an invitation. Whatever is neither *continue* nor *cancel* leaves it open: it may be for the bot.
    fn reply_to_invitation(&mut self, at: Moment, typed: Option<Choice>, known: Option<Moment>) {
        let out = self.follow_up_is_out(at) || self.state.may_be_read(at);
        match typed.filter(|_| out) {
            Some(choice) => self.reply(at, Some(choice)),
            None => self.changes_only_the_window(Ignored::NothingToDo, known),
        }
    }

    fn arm_on_message(&mut self, at: Moment) {
        let latest = self.state.last_inbound == Some(at);
        if self.policy.arm_on == ArmOn::AnyMessage && self.state.phase == Phase::Quiet && latest && !self.state.opted_out {
            self.arm_or_remember(at);
        }
    }

    /// What the person says to a follow-up that is out.
    fn reply(&mut self, at: Moment, choice: Option<Choice>) {
        match choice {
            Some(Choice::Yes) => self.resume(at, true, false),
            Some(Choice::No) => self.decline(at),
            Some(Choice::Later) => self.later(at),
            Some(Choice::Stop) => self.opt_out(at),
            None => self.resume(at, false, false),
        }
    }

    fn decline(&mut self, at: Moment) {
        self.finish(Outcome::Declined, at);
        self.report(Report::Declined);
    }

    fn later(&mut self, at: Moment) {
        self.disarm();
        self.because(Reason::Later { at });
        self.state.later = true;
        self.arm_or_remember(at);
        self.state.later &= self.state.phase != Phase::Quiet;
    }

    fn message_after_end(&mut self, at: Moment, typed: Option<Choice>, outcome: Outcome) {
        let ended = self.state.expires.unwrap_or(self.now);
        self.heard_from(at);
        if self.state.opted_out {
            return self.ignore(Ignored::OptedOut);
        }
        // Without a follow-up to answer, the word was for the bot.
        let reply = self.follow_up_is_out(at) && self.revivable(at, outcome) && at.since(ended) <= limits::TYPED_REVIVAL;
        match typed {
            Some(Choice::Yes) if reply => return self.resume(at, true, true),
            Some(Choice::Later) if reply => return self.revive_later(at),
            Some(Choice::No) if reply => return self.no_after_end(at, outcome),
            _ => {}
        }
        if at > ended {
            self.begin_anew(at);
        } else if outcome == Outcome::Expired && self.revivable(at, outcome) {
            // Said in time, delivered late: the silence that ended it never was.
            self.resume(at, false, true);
        } else {
            return self.ignore(Ignored::Stale);
        }
        self.arm_on_message(at);
    }

    /// Whether what was said at `at` may revive a conversation that ended so: after expiry whatever answers its last silence, after
    /// "no" only a later word.
    pub(super) fn revivable(&self, at: Moment, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Expired => at.plus(limits::DISORDER) >= self.state.silence,
            Outcome::Declined => self.state.expires.is_none_or(|ended| at >= ended),
            Outcome::Succeeded | Outcome::Failed | Outcome::Cancelled | Outcome::OptedOut => false,
        }
    }

    fn revive_later(&mut self, at: Moment) {
        if self.now.since(at) > limits::HISTORY {
            return self.ignore(Ignored::Stale);
        }
        self.because(Reason::Revived { at });
        self.later(at);
    }

    /// "No" to a conversation that is over; said in time and delivered late, it is how the conversation ended.
    fn no_after_end(&mut self, at: Moment, outcome: Outcome) {
        if outcome == Outcome::Expired && self.state.expires.is_some_and(|ended| at <= ended) {
            return self.decline(at);
        }
        self.ignore(Ignored::Finished);
    }

    fn answer(&mut self, at: Moment, choice: Choice, silence: Option<Moment>) {
        if choice == Choice::Stop {
            self.heard_from(at);
            return self.opt_out(at);
        }
        let old = silence.is_some_and(|s| s != self.state.silence);
        if let Phase::Finished(outcome) = self.state.phase {
            return self.answer_after_end(at, choice, old, outcome);
        }
        let known = self.state.last_inbound;
        self.heard_from(at);
        if self.state.phase == Phase::Quiet {
            self.ignore(Ignored::NothingToDo);
            return self.arm_on_message(at);
        }
        if at.plus(limits::DISORDER) < self.state.silence {
            return self.changes_only_the_window(Ignored::Stale, known);
        }
        let invited = self.state.purpose == Purpose::Invite;
        if (invited && old && choice != Choice::Yes) || (!invited && self.is_on_its_way(at) && self.state.purpose != Purpose::Ask) {
            return self.changes_only_the_window(Ignored::NothingToDo, known);
        }
        if choice == Choice::Yes && self.asks_already(at) && (old || silence.is_none()) {
            return self.changes_only_the_window(Ignored::NothingToDo, known);
        }
        if self.state.phase == Phase::Sending && !old && silence.is_some() && !self.follow_up_is_out(at) {
            // Nobody taps a button that never arrived.
            self.state.handed_over = Some(at);
            self.end_send(SendOutcome::Accepted);
            if self.state.purpose == Purpose::FollowUp {
                self.report(Report::FollowUpSent { unknown: false });
            }
            self.rest(None);
        }
        match choice {
            Choice::Yes => self.resume(at, true, false),
            Choice::No if !old => self.decline(at),
            Choice::Later if !old => self.later(at),
            // An old button is a sign of life, no more.
            Choice::No | Choice::Later | Choice::Stop => {
                self.disarm();
                self.state.question = None;
            }
        }
        self.arm_on_message(at);
    }

    /// Whether the question is going out again at this moment, or has just done so: a second tap on "yes" asks for nothing more.
    fn asks_already(&self, at: Moment) -> bool {
        let state = &self.state;
        let going_out = state.purpose == Purpose::Ask && matches!(state.phase, Phase::Waiting | Phase::Sending | Phase::Retrying);
        let asked = state.handed_over.is_some_and(|at| (0..=1).contains(&state.silence.since(at)));
        let just_asked = state.phase == Phase::Waiting && asked;
        going_out || (just_asked && at.since(state.silence) <= limits::DISORDER)
    }

    fn answer_after_end(&mut self, at: Moment, choice: Choice, old: bool, outcome: Outcome) {
        self.heard_from(at);
        if self.state.opted_out {
            return self.ignore(Ignored::OptedOut);
        }
        let revivable = self.revivable(at, outcome) && !old;
        match choice {
            Choice::Yes if revivable => self.resume(at, true, true),
            Choice::Later if revivable => self.revive_later(at),
            Choice::No if revivable => self.no_after_end(at, outcome),
            _ => self.ignore(Ignored::Finished),
        }
    }

    fn question(&mut self, at: Moment, obstacle: Option<SkipReason>) {
        if let Some(why) = self.state.passes_over(at) {
            return self.ignore(why);
        }
        if self.is_on_its_way(at) {
            return self.ignore(Ignored::NothingToDo);
        }
        if self.state.outcome().is_some() {
            self.begin_anew(at);
        }
        self.start();
        self.disarm();
        self.state.question = Some(at);
        self.state.obstacle = obstacle;
        self.arm_or_remember(at);
    }

    /// Arms, unless the silence began so long ago that it is history: nothing imported or replayed sends by itself.
    fn arm_or_remember(&mut self, at: Moment) {
        if self.now.since(at) > limits::HISTORY {
            return self.ignore(Ignored::Stale);
        }
        self.arm(at);
    }

    fn finish_fact(&mut self, at: Moment, how: Finish) {
        let (outcome, report) = match how {
            Finish::Succeeded => (Outcome::Succeeded, Some(Report::Succeeded)),
            Finish::Failed => (Outcome::Failed, Some(Report::Failed)),
            Finish::Cancelled => (Outcome::Cancelled, None),
            Finish::Superseded => {
                self.because(Reason::Superseded { at });
                (Outcome::Cancelled, None)
            }
        };
        // A clock that was set back since may have this run begin later than now.
        if at < self.state.begun.min(self.now) {
            return self.ignore(Ignored::Stale);
        }
        if let Phase::Finished(before) = self.state.phase {
            let fact = matches!(before, Outcome::Succeeded | Outcome::Failed | Outcome::Cancelled);
            if before == outcome {
                // Told again of a later moment: what lies between belongs to the run that ended.
                self.state.expires = self.state.expires.max(Some(at));
                return self.ignore(Ignored::NothingToDo);
            }
            if fact && self.state.expires.is_some_and(|e| e > at) {
                return self.ignore(Ignored::Stale);
            }
        }
        self.finish(outcome, at);
        if let Some(report) = report {
            self.report(report);
        }
    }

    fn opt_out(&mut self, at: Moment) {
        if self.state.opted_out {
            return self.ignore(Ignored::NothingToDo);
        }
        self.because(Reason::OptedOut { at });
        if self.state.outcome().is_none() {
            self.finish(Outcome::OptedOut, at);
        }
        self.state.opted_out = true;
        self.report(Report::OptedOut);
    }

    fn opt_in(&mut self) {
        if !self.state.opted_out {
            return self.ignore(Ignored::NothingToDo);
        }
        self.state.opted_out = false;
    }

    fn woke(&mut self) {
        if self.state.wake_at().is_none_or(|wake| self.now < wake) {
            return self.ignore(Ignored::NothingToDo);
        }
        match self.state.phase {
            // If it was handed over, then when it was claimed.
            Phase::Sending => self.unknown(self.state.wake.map_or(self.now, |wake| wake.plus(-limits::DOUBT))),
            Phase::Waiting | Phase::Retrying | Phase::Answering => {
                if self.state.expires.is_some_and(|expires| self.now >= expires) {
                    self.expire();
                } else if self.state.purpose != Purpose::FollowUp && self.state.phase != Phase::Answering {
                    self.attempt_own();
                } else {
                    self.attempt_follow_up();
                }
            }
            Phase::Quiet | Phase::Finished(_) => self.ignore(Ignored::NothingToDo),
        }
    }

    fn expire(&mut self) {
        if matches!(self.state.phase, Phase::Waiting | Phase::Retrying) {
            // Down or held for so long that the answer could no longer come in time.
            self.skip(SkipReason::TooLate);
        }
        if self.state.outcome().is_some() {
            return;
        }
        self.finish(Outcome::Expired, self.now);
        self.report(Report::Expired);
    }
}
