//! Flows that ask their own questions: what a person's word is to one, and what is said to it. Here we are the bot.
//!
//! Not the asking itself, which is a send like any other, and not what answers a question: `conversation/questionnaire.rs` knows.
//!
//! Crash story: an answer, the question after it and the event's identity are one change. Answered twice by a redelivery, the
//! second is known.

use std::sync::Arc;

use crate::conversation::questionnaire::{Question as Asked, Said, open};
use crate::conversation::{Choice, Event, Finish, Ignored, Outcome, Phase, Policy, Purpose, SendOutcome, State};
use crate::engine::core::{Engine, InHand};
use crate::engine::heard::Tap;
use crate::engine::record::{Delta, Details, Question};
use crate::engine::request::{Inbound, Rejected, What};
use crate::engine::template;
use crate::id::SendId;
use crate::limits;
use crate::moment::Moment;

/// What a word of a person is to the flow that it is said to.
pub(super) enum Word {
    /// The machine's to take in as it stands; with it the details learn this.
    Plain(Vec<Delta>),
    /// Something that we have something to say to.
    Moves(Event, Vec<Delta>),
    /// Nothing moves by it.
    Beside(Ignored),
}

/// A flow that asks, at one word of a person.
struct Talk<'a> {
    questions: &'a [Asked],
    policy: &'a Policy,
    state: &'a State,
    details: Details,
    at: Moment,
    /// The word is one that starts the flow.
    starts: bool,
    /// On this line a flow starts by a message of its own, and by no other.
    waits: bool,
}

impl Engine {
    /// What an event is to the flow of its conversation, where that asks its own questions; `learnt` comes with it.
    pub(super) fn word(&mut self, in_hand: &InHand, event: &Inbound, at: Moment, learnt: &[Delta]) -> Result<Word, Rejected> {
        let (line, flow) = (self.names.name(in_hand.line), self.names.name(in_hand.flow));
        let asking = self.book.questions.get(&flow).cloned().zip(self.policy(in_hand.line, in_hand.flow).filter(|policy| policy.asks));
        let Some((questions, policy)) = asking else { return Ok(Word::Plain(Vec::new())) };
        if let What::Question(_) = event.what {
            return Err(Rejected::Impossible(format!("flow {flow:?} asks its own questions; leave them to it, or name another flow")));
        }
        let mut details = self.details(in_hand.id)?;
        let typed = match &event.what {
            What::UserMessage(text) | What::Tapped(Tap { label: text, .. }) => self.typed(in_hand, text),
            _ => None,
        };
        learnt.iter().for_each(|delta| details.apply(delta));
        let starts = event.flow.is_some() && matches!(event.what, What::UserMessage(_));
        let waits = self.inbounds.any_on(&line);
        let talk = Talk { questions: &questions, policy: &policy, state: &in_hand.state, details, at, starts, waits };
        Ok(match &event.what {
            What::UserMessage(text) => talk.hears(Said::Text(text), typed, false),
            What::Media { kind, reference } => talk.hears(Said::Media(*kind, reference), None, false),
            What::Tapped(tap) => self.tap_on(&talk, in_hand, tap, typed),
            What::Answer(choice) => Word::Plain(talk.before(Some(*choice))),
            // A human at the business's phone, or a message of ours that is not known as such: the questions go on.
            What::Spoke(_) => Word::Beside(Ignored::NothingToDo),
            _ => Word::Plain(Vec::new()),
        })
    }

    /// A tap: under a question of ours it answers that question and no other; under a follow-up or an invitation it is the
    /// machine's; under anything else it says what stands on it.
    fn tap_on(&self, talk: &Talk<'_>, in_hand: &InHand, tap: &Tap, typed: Option<Choice>) -> Word {
        let by_message = || tap.message.as_ref().map(|message| self.message_key(&self.names.name(in_hand.line), message));
        let send = tap.send.or_else(|| talk.details.send_of(by_message()?).map(|record| record.send));
        let Some(send) = send else { return talk.hears(Said::Text(&tap.label), typed, false) };
        let step = self.step_in_hand(in_hand, send).or_else(|| talk.details.send(send).map(|record| record.step));
        match step.map(Purpose::of_step) {
            Some(Purpose::Ask) if self.is_asked_by(talk, in_hand, send) => {
                let said = tap.pick.map_or(Said::Text(&tap.label), Said::Pick);
                talk.hears(said, None, true)
            }
            Some(Purpose::Ask) => Word::Beside(Ignored::Stale),
            _ => Word::Plain(talk.before(tap.choice.or(typed))),
        }
    }

    /// Whether it is this send that has asked, or is asking, the question that waits for its answer.
    fn is_asked_by(&self, talk: &Talk<'_>, in_hand: &InHand, send: SendId) -> bool {
        let in_call = in_hand.state.purpose == Purpose::Ask && self.step_in_hand(in_hand, send) == Some(limits::ASK_STEP);
        let last = talk.details.sends.iter().rev().find(|record| record.step == limits::ASK_STEP);
        in_call || (in_hand.state.purpose != Purpose::Ask && last.is_some_and(|record| record.send == send))
    }
}

impl Talk<'_> {
    /// What the details learn before the machine takes in an answer to a follow-up or an invitation: "yes" continues at the first
    /// question that has no answer, in its own words.
    fn before(&self, choice: Option<Choice>) -> Vec<Delta> {
        let question = open(self.questions, &self.details.answers).filter(|_| choice == Some(Choice::Yes));
        question.map(|question| self.asked(question, false, &[])).into_iter().collect()
    }

    /// A word of the person. `proved`: it was said under the question that waits for it.
    fn hears(&self, said: Said<'_>, typed: Option<Choice>, proved: bool) -> Word {
        let (state, at) = (self.state, self.at);
        if typed == Some(Choice::Stop) || state.opted_out {
            return Word::Plain(Vec::new());
        }
        if self.is_a_reply(typed) {
            return Word::Plain(self.before(typed));
        }
        match state.outcome() {
            Some(outcome) if state.expires.is_none_or(|ended| at > ended) => self.after_the_end(outcome),
            Some(Outcome::Expired) if self.is_asked() => self.answers(said),
            Some(_) => Word::Plain(Vec::new()),
            None if self.starts => self.opens(),
            // It was said to the invitation, or to the bot that was there before.
            None if state.purpose == Purpose::Invite && state.phase != Phase::Quiet => Word::Plain(Vec::new()),
            None if self.is_going_out() && !proved && !state.may_be_read(at) => Word::Plain(Vec::new()),
            None if state.purpose == Purpose::Close && state.phase != Phase::Quiet => Word::Plain(Vec::new()),
            None if self.is_asked() && !proved && at.plus(limits::CALL_BUDGET) < state.silence => Word::Beside(Ignored::Stale),
            None if self.is_asked() => self.answers(said),
            None if self.waits && !state.started => Word::Beside(Ignored::NothingToDo),
            None => self.opens(),
        }
    }

    /// Whether a typed answer is one to the follow-up or the invitation that is out, or was when the conversation ended.
    fn is_a_reply(&self, typed: Option<Choice>) -> bool {
        let (state, at) = (self.state, self.at);
        let out = state.out_since().is_some_and(|out| at.plus(999) >= out);
        let read = state.purpose == Purpose::Invite && state.may_be_read(at);
        let revives = match (state.outcome(), state.expires) {
            (None, _) => true,
            (Some(Outcome::Expired | Outcome::Declined), Some(ended)) => at.since(ended) <= limits::TYPED_REVIVAL,
            _ => false,
        };
        typed.is_some() && (out || read) && revives
    }

    /// A question, or the last word, is on its way.
    fn is_going_out(&self) -> bool {
        matches!(self.state.phase, Phase::Waiting | Phase::Sending | Phase::Retrying) && self.state.purpose == Purpose::Ask
    }

    /// The first question without an answer has been asked, as far as anybody knows.
    fn is_asked(&self) -> bool {
        let unsent = matches!(self.state.sent, Some(SendOutcome::Skipped(_) | SendOutcome::Rejected(_)));
        let lost = self.state.purpose == Purpose::Ask && self.state.phase == Phase::Answering && unsent;
        let question = open(self.questions, &self.details.answers);
        let last = self.details.question.as_ref().map(|question| question.id.as_str());
        self.state.question.is_some() && !lost && question.is_some_and(|question| last == Some(&*question.id))
    }

    /// A word after the end begins anew, where any word does; but not the word of thanks right after it.
    fn after_the_end(&self, outcome: Outcome) -> Word {
        let since = self.state.expires.map_or(i64::MAX, |ended| self.at.since(ended));
        let courtesy = outcome != Outcome::Expired && since <= limits::COURTESY;
        if !self.starts && (self.waits || courtesy) {
            return Word::Beside(Ignored::Finished);
        }
        match self.questions.first() {
            Some(first) => {
                let anew = Talk { details: Details { answers: Vec::new(), ..self.details.clone() }, ..*self };
                Word::Moves(Event::Ask { at: self.at }, vec![Delta::AnswersCleared, anew.asked(first, false, &[])])
            }
            None => Word::Plain(Vec::new()),
        }
    }

    /// The first question without an answer is asked, or asked again.
    fn opens(&self) -> Word {
        match open(self.questions, &self.details.answers) {
            Some(question) => Word::Moves(Event::Ask { at: self.at }, vec![self.asked(question, false, &[])]),
            None => self.completes(Vec::new()),
        }
    }

    /// Something was said to the question that waits: the next one, the last word, or the same one again.
    fn answers(&self, said: Said<'_>) -> Word {
        let Some(question) = open(self.questions, &self.details.answers) else { return self.completes(Vec::new()) };
        let Some(answer) = question.answer(said) else {
            return Word::Moves(Event::Ask { at: self.at }, vec![self.asked(question, true, &[])]);
        };
        let given = (question.id.to_string(), answer);
        let mut answers = self.details.answers.clone();
        answers.push(given.clone());
        let learnt = Delta::Answered(given.0, given.1);
        match open(self.questions, &answers) {
            Some(next) => Word::Moves(Event::Ask { at: self.at }, vec![learnt, self.asked(next, false, &answers)]),
            None => self.completes(vec![learnt]),
        }
    }

    fn completes(&self, learnt: Vec<Delta>) -> Word {
        // Whoever answers the last question ends the run that asked it, whatever the clock was set to meanwhile.
        let at = self.at.max(self.state.begun);
        let event = if self.policy.closing.is_some() { Event::Close { at } } else { Event::Finish { at, how: Finish::Succeeded } };
        Word::Moves(event, learnt)
    }

    /// The question as it is asked; a variable that is missing leaves it empty, and what is empty is not sent.
    fn asked(&self, question: &Asked, again: bool, answers: &[(String, String)]) -> Delta {
        let text: &Arc<str> = question.retry.as_ref().filter(|_| again).unwrap_or(&question.prompt);
        let known = Details { vars: self.details.known(), answers: answers.to_vec(), ..Details::default() }.known();
        let text = template::fill(text, &known).unwrap_or_default();
        Delta::Asked(Question { id: question.id.to_string(), text, payload: String::new(), choices: question.choices() })
    }
}
