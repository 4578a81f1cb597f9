//! Events on their way: late, out of order, twice, and again until their source has seen them acknowledged.
//!
//! Not the words themselves: `people.rs` has them.

use tokio::sync::oneshot;

use super::broken::Broken;
use super::facts::{Activity, Kind, planned};
use super::people::{Deed, Post};
use super::world::{Happening, World};
use crate::conversation::{ArmOn, Choice, Ignored, Phase, Purpose, State};
use crate::engine::desk::Request;
use crate::engine::group::Answers;
use crate::engine::request::{Answer, Rejected, Standing, What};
use crate::id::ConversationId;
use crate::limits;
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};

/// Tries before a source gives up on an event that is refused for what it says.
const TRIES: u32 = 4;

/// A request whose answer is waited for.
pub(super) enum Reply {
    /// An event, by number of its post.
    Event(usize, oneshot::Receiver<Answers>),
    /// A pause (`true`) or the end of one, by its words, and the place of its change.
    Pause(String, bool, u64, oneshot::Receiver<Result<Standing, Rejected>>),
    /// An erasure, and the place of its change.
    Erase(u64, oneshot::Receiver<Result<ConversationId, Rejected>>),
    /// A message of our own accord, and the place of its change.
    Invite(u64, oneshot::Receiver<Result<Answer, Rejected>>),
    /// A send made again, and the place of its change.
    Resend(u64, oneshot::Receiver<Result<Answer, Rejected>>),
}

impl World {
    /// Somebody says something: it is on its way.
    pub(super) fn speak(&mut self, deed: &Deed) {
        let person_speaks = matches!(deed.what, What::UserMessage(_) | What::Answer(_));
        let at = if deed.after < 0 { self.now.plus(deed.after) } else { self.now };
        let post = self.people.say(&mut self.dice, deed.talk, deed.what.clone(), at);
        self.posts.push(post);
        let number = self.posts.len() - 1;
        let delay = if self.dice.per_mille(self.weather.late) {
            self.tally.count("late");
            self.dice.stretch(HOUR, 5 * DAY)
        } else if self.dice.per_mille(self.weather.disorder) {
            self.tally.count("disorder");
            self.dice.stretch(SECOND, 2 * MINUTE)
        } else {
            self.dice.stretch(5, SECOND)
        };
        self.later(delay, Happening::Arrive(number));
        if self.dice.per_mille(self.weather.duplicates) {
            let again = delay + self.dice.stretch(1, 6 * DAY);
            self.later(again, Happening::Arrive(number));
        }
        if person_speaks
            && !self.calm
            && deed.after >= 0
            && let Some(deed) = self.people.bot(&mut self.dice, deed.talk)
        {
            self.later(deed.after, Happening::Deed(deed));
        }
    }

    /// An event arrives at the door of the process, or finds nobody there.
    pub(super) fn arrive(&mut self, number: usize) -> Result<(), Broken> {
        let wall = self.wall();
        let Some(process) = &mut self.process else {
            self.again(number);
            return Ok(());
        };
        let post = self.posts[number].clone();
        let id = self.keys.conversation(&self.people.talks[post.talk].name);
        let before = process.engine.state_of(id);
        let position = process.position(&self.store);
        let (reply, answer) = oneshot::channel();
        process.engine.serve(Request::Events(vec![post.event.clone()], reply), wall);
        process.touched();
        let order = process.position(&self.store);
        let moved = process.moved_since(&self.store, position);
        self.replies.push(Reply::Event(number, answer));
        self.note(|| format!("{id} hears {:?} at {:?} (post {number})", post.event.what, post.event.at));
        if !moved {
            return Ok(());
        }
        if post.event.id.is_some() && self.facts.processed.contains_key(&number) {
            self.strike("duplicate");
            return Err(Broken::new("The same event changes nothing a second time.", format!("{id}: {:?}", post.event)));
        }
        self.facts.processed.insert(number, order);
        self.remember(id, &post, number, order, before.as_ref(), wall);
        Ok(())
    }

    /// What an event that was taken in says for certain.
    fn remember(&mut self, id: ConversationId, post: &Post, number: usize, order: u64, before: Option<&State>, wall: Moment) {
        let at = post.event.at.unwrap_or(wall);
        let at = if at.since(wall) > limits::AHEAD { wall } else { at };
        let known = self.facts.known.entry(id).or_default();
        let what = &post.event.what;
        if matches!(what, What::UserMessage(_) | What::Answer(_)) {
            known.inbounds.push((order, at));
        }
        if wall.since(at) <= limits::HISTORY {
            known.live.push(order);
        }
        if post.event.to.is_some() {
            known.number.get_or_insert(order);
        }
        let any_message = self.book.policies.get(post.event.line.as_deref().unwrap_or_default()).is_some_and(|flows| {
            // What arms is the line's, so any of its flows will tell.
            flows.values().any(|policy| policy.arm_on == ArmOn::AnyMessage)
        });
        // What was said before a question of the flow's own was out says nothing to it.
        let disorder = if self.people.asked { limits::CALL_BUDGET } else { limits::DISORDER };
        let old = before.is_some_and(|state| {
            let overtaken = any_message && matches!(what, What::UserMessage(_)) && state.last_inbound.is_some_and(|last| last > at);
            planned(state).is_some() && (overtaken || at.plus(disorder) < state.silence || asks_already(state, what, at))
        });
        let past = before.is_some_and(|state| at < state.begun.min(wall));
        let kind = match what {
            What::UserMessage(text) if crate::conversation::answer::read(text) == Some(Choice::Stop) => Kind::OptOut,
            What::OptOut | What::Answer(Choice::Stop) => Kind::OptOut,
            What::UserMessage(_) | What::Answer(_) if old => Kind::OldWord,
            What::UserMessage(_) | What::Answer(_) => Kind::Word,
            What::Succeeded | What::Failed | What::Cancelled if past => Kind::OldWord,
            What::Succeeded | What::Failed | What::Cancelled => Kind::Word,
            What::OptIn => Kind::OptIn,
            What::Hold => Kind::Hold,
            What::Release => Kind::Release,
            What::Question(_) | What::Postpone(_) | What::SendNow => return,
            What::Media { .. } | What::Tapped(_) | What::Spoke(_) | What::Status(_) | What::Moved(_) => return,
        };
        known.activities.push(Activity { order, acked: false, post: number, kind, numbered: known.number.is_some() });
    }

    /// Whoever waits for an answer looks whether it has come.
    pub(super) fn collect_replies(&mut self) -> Result<(), Broken> {
        let mut waiting = Vec::with_capacity(self.replies.len());
        for reply in std::mem::take(&mut self.replies) {
            match reply {
                Reply::Event(number, mut answer) => match answer.try_recv() {
                    Ok(mut answers) => self.answered_event(number, answers.pop())?,
                    Err(oneshot::error::TryRecvError::Empty) => waiting.push(Reply::Event(number, answer)),
                    Err(oneshot::error::TryRecvError::Closed) => self.again(number),
                },
                Reply::Pause(what, on, order, mut answer) => match answer.try_recv() {
                    Ok(answer) => {
                        self.is_durable("a pause", order, answer.is_ok())?;
                        if on && answer.is_ok() {
                            self.paused.insert(what);
                        }
                    }
                    Err(oneshot::error::TryRecvError::Empty) => waiting.push(Reply::Pause(what, on, order, answer)),
                    Err(oneshot::error::TryRecvError::Closed) => {}
                },
                Reply::Erase(order, mut answer) => match answer.try_recv() {
                    Ok(answer) => self.is_durable("an erasure", order, answer.is_ok())?,
                    Err(oneshot::error::TryRecvError::Empty) => waiting.push(Reply::Erase(order, answer)),
                    Err(oneshot::error::TryRecvError::Closed) => {}
                },
                Reply::Invite(order, mut answer) => match answer.try_recv() {
                    Ok(answer) => {
                        self.tally.count(if answer.is_ok() { "invitation answered" } else { "invitation refused" });
                        self.is_durable("an invitation", order, answer.is_ok())?;
                    }
                    Err(oneshot::error::TryRecvError::Empty) => waiting.push(Reply::Invite(order, answer)),
                    Err(oneshot::error::TryRecvError::Closed) => {}
                },
                Reply::Resend(order, mut answer) => match answer.try_recv() {
                    Ok(answer) => {
                        self.tally.count(if answer.is_ok() { "resend answered" } else { "resend refused" });
                        self.is_durable("a send made again", order, answer.is_ok())?;
                    }
                    Err(oneshot::error::TryRecvError::Empty) => waiting.push(Reply::Resend(order, answer)),
                    Err(oneshot::error::TryRecvError::Closed) => {}
                },
            }
        }
        self.replies = waiting;
        Ok(())
    }

    fn answered_event(&mut self, number: usize, answer: Option<Result<Answer, Rejected>>) -> Result<(), Broken> {
        match answer {
            Some(Ok(answer)) => self.acknowledged(number, &answer)?,
            Some(Err(Rejected::Unavailable(_))) | None => {
                self.again(number);
                return Ok(());
            }
            Some(Err(why)) => {
                self.note(|| format!("post {number} is refused: {why}"));
                self.posts[number].tries += 1;
                self.tally.count("event refused");
                if self.posts[number].tries < TRIES {
                    self.again(number);
                }
                return Ok(());
            }
        }
        if self.dice.per_mille(self.weather.lost_acks) {
            self.tally.count("lost ack");
            self.again(number);
        }
        Ok(())
    }

    /// Somebody was told that an event is taken in: from now on it has to be so.
    fn acknowledged(&mut self, number: usize, answer: &Answer) -> Result<(), Broken> {
        self.posts[number].acked = true;
        let (id, duplicate) = (answer.conversation, answer.ignored == Some(Ignored::Duplicate));
        if duplicate {
            self.strike("duplicate answered");
        }
        let post = &self.posts[number];
        let Some(order) = self.facts.processed.get(&number).copied() else {
            // Two events without an identity that agree in type, conversation and time are one event.
            if duplicate && post.event.id.is_none() {
                return Ok(());
            }
            let seen = format!("{id}: {:?} was answered {answer:?} and is not known", post.event);
            return Err(Broken::new("What was acknowledged is kept.", seen));
        };
        if order > self.facts.upto {
            let seen = format!("{id}: {:?} is change {order}, durable up to {}", post.event, self.facts.upto);
            return Err(Broken::new("What is acknowledged is durable.", seen));
        }
        for known in self.facts.known.values_mut() {
            known.activities.iter_mut().filter(|a| a.post == number).for_each(|a| a.acked = true);
        }
        Ok(())
    }

    /// What an operator was told is done has to be so after a crash as well.
    fn is_durable(&self, what: &str, order: u64, told: bool) -> Result<(), Broken> {
        if told && order > self.facts.upto {
            let seen = format!("{what} is change {order}, durable up to {}", self.facts.upto);
            return Err(Broken::new("What is acknowledged is durable.", seen));
        }
        Ok(())
    }

    /// A source that saw no answer sends its event again.
    fn again(&mut self, number: usize) {
        let wait = self.dice.stretch(SECOND, if self.calm { MINUTE } else { HOUR });
        self.later(wait, Happening::Arrive(number));
    }

    /// The process is gone: whoever waited for an answer gets none.
    pub(super) fn hang_up(&mut self) {
        for reply in std::mem::take(&mut self.replies) {
            if let Reply::Event(number, _) = reply {
                self.again(number);
            }
        }
    }
}

/// Whether a "yes" is a second tap: the question is going out again already, or has just done so.
fn asks_already(state: &State, what: &What, at: Moment) -> bool {
    let going_out = state.purpose == Purpose::Ask;
    let asked = state.handed_over.is_some_and(|asked| state.silence.since(asked) <= 1 && asked <= state.silence);
    let just_asked = state.phase == Phase::Waiting && asked && at.since(state.silence) <= limits::DISORDER;
    *what == What::Answer(Choice::Yes) && (going_out || just_asked)
}
