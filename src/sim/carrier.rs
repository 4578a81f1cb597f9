//! The provider of the simulated lines: takes what is handed over, answers late, wrongly or never, and carries it to people.
//!
//! Not a mock of the engine's: it stands behind the same message, and its own book is the truth about what arrived.

use super::broken::Broken;
use super::checks::{self, Circumstances};
use super::facts::Handed;
use super::people::People;
use super::world::{Happening, World};
use crate::conversation::{Purpose, Refusal, State, Verdict};
use crate::engine::compose::compose;
use crate::engine::group::Call;
use crate::engine::heard::{Fate, Status, Trouble};
use crate::engine::ports::Store;
use crate::engine::request::{Inbound, What, Who};
use crate::id::{ConversationId, SendId};
use crate::moment::{HOUR, MINUTE, SECOND};

/// A call under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    call: Call,
    ending: Ending,
    /// It tries a line that has stopped.
    trial: bool,
}

/// How a call ends: what the provider did, and what we hear of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    Accepted,
    Busy,
    Refused,
    /// Not taken because the line's credentials are not.
    Stopped,
    /// Not taken because the line sends too fast.
    Throttled,
    /// Taken, and the answer is lost.
    LostAnswer,
    /// Not taken, and no answer either.
    LostCall,
}

impl World {
    /// A call whose claim is durable is begun, if the last look lets it.
    pub(super) fn begin_call(&mut self) -> Result<(), Broken> {
        let wall = self.wall();
        let Some(process) = &mut self.process else { return Ok(()) };
        let ready: Vec<usize> = (0..process.calls.len()).filter(|i| process.calls[*i].0 <= self.now).collect();
        let (_, call) = process.calls.swap_remove(*self.dice.pick(&ready));
        process.touched();
        let (line, flow) = (self.facts.name(call.line).to_owned(), self.facts.name(call.flow).to_owned());
        let policy = self.book.policy(&line, &flow).cloned();
        let loaded = self.store.load(call.conversation).ok().flatten();
        let message = policy.as_ref().zip(loaded).ok_or(Refusal::Line).and_then(|(policy, (stored, details))| {
            compose(&call, &details, policy, (line.as_str().into(), flow.as_str().into()), stored.state.episode, wall)
        });
        if let Err(refusal) = message {
            process.engine.settle_unasked(call.id, refusal, wall);
            return Ok(());
        }
        if !self.door(&call) {
            self.tally.count("stopped at the door");
            self.note(|| format!("{} of {} is stopped at the door", call.id, call.conversation));
            return Ok(());
        }
        let around = Circumstances {
            policy: policy.as_deref(),
            wall,
            steady: !self.stepped,
            paused: ["all".to_owned(), format!("line {line}"), format!("flow {flow}")].iter().any(|what| self.paused.contains(what)),
            clock_held: self.process.as_ref().is_some_and(|process| process.clock_held),
            family: self.family(call.conversation),
            numbered: self.facts.known.get(&call.conversation).is_some_and(|known| known.number.is_some()),
        };
        checks::hand_over(&self.facts, &call, &around)?;
        let trial = self.hand_over_is_paced(&call)?;
        self.take(call, trial);
        Ok(())
    }

    fn door(&mut self, call: &Call) -> bool {
        let wall = self.wall();
        let Some(process) = &mut self.process else { return false };
        let open = process.engine.door(call.id, wall);
        #[cfg(test)]
        if matches!(self.sabotage, Some(super::sabotage::Sabotage::SkipTheDoor | super::sabotage::Sabotage::TrustTheTimer)) {
            return true;
        }
        if !open {
            process.engine.settle(call.id, Verdict::NotBegun, wall);
        }
        open
    }

    /// Other conversations of the same person.
    fn family(&self, id: ConversationId) -> Vec<ConversationId> {
        let Some(person) = self.talk_of.get(&id).map(|talk| self.people.talks[*talk].person) else { return Vec::new() };
        let same = self.talk_of.iter().filter(|(_, talk)| self.people.talks[**talk].person == person);
        same.map(|(other, _)| *other).filter(|other| *other != id).collect()
    }

    /// The provider has the call. From here on nobody can take it back.
    fn take(&mut self, call: Call, trial: bool) {
        let ending = if self.is_dead(call.line) { Ending::Stopped } else { self.ending() };
        self.note(|| format!("{} of {}: call {} begins, will be {ending:?}", call.id, call.conversation, call.send.attempt));
        self.strike(match ending {
            Ending::Accepted => "accepted",
            Ending::Busy => "busy",
            Ending::Refused => "refused",
            Ending::Stopped => "stopped",
            Ending::Throttled => "throttled",
            Ending::LostAnswer => "lost answer",
            Ending::LostCall => "lost call",
        });
        #[cfg(test)]
        self.sabotaged_permit(call.line);
        let refused = matches!(ending, Ending::Busy | Ending::Refused | Ending::Stopped | Ending::Throttled);
        if !refused {
            self.handed_to(call.conversation);
        }
        let facts = self.facts.send(call.conversation, call.send.silence, call.send.step);
        facts.handed.push(if refused { Handed::Refused } else { Handed::Open });
        if matches!(ending, Ending::Accepted | Ending::LostAnswer) {
            self.arrived(&call);
        }
        let takes =
            if self.dice.per_mille(self.weather.slow) { self.dice.stretch(MINUTE, HOUR) } else { self.dice.stretch(10, 9 * SECOND) };
        let number = self.flights.last_key_value().map_or(0, |(last, _)| last + 1) + (self.life << 32);
        self.flights.insert(number, Flight { call, ending, trial });
        self.later(takes, Happening::Answered(number));
    }

    fn ending(&mut self) -> Ending {
        let endings = [
            (self.weather.lost_answers, Ending::LostAnswer),
            (self.weather.lost_calls, Ending::LostCall),
            (self.weather.busy, Ending::Busy),
            (self.weather.throttles, Ending::Throttled),
            (self.weather.refuse, Ending::Refused),
        ];
        endings.into_iter().find(|(rate, _)| self.dice.per_mille(*rate)).map_or(Ending::Accepted, |(_, ending)| ending)
    }

    /// Something of ours reaches a person, who may do something about it.
    fn arrived(&mut self, call: &Call) {
        if call.send.purpose == Purpose::FollowUp
            && let Some(known) = self.facts.known.get_mut(&call.conversation)
            && let Some(stored) = known.stored
        {
            known.sent.insert((stored.state.begun, call.send.silence));
        }
        self.tally.count("arrived");
        if self.calm {
            return;
        }
        if let Some(talk) = self.talk_of.get(&call.conversation).copied() {
            let asks = self.people.asked && call.send.purpose == Purpose::Ask;
            let deed = if asks { People::answer(&mut self.dice, talk) } else { People::react(&mut self.dice, talk) };
            if let Some(deed) = deed {
                self.later(deed.after, Happening::Deed(deed));
            }
        }
    }

    /// The answer to a call arrives, if the process that made it still runs.
    pub(super) fn answered(&mut self, number: u64) {
        let wall = self.wall();
        let Some(Flight { call, ending, trial }) = self.flights.remove(&number) else { return };
        if self.process.is_none() {
            return;
        }
        let verdict = match ending {
            Ending::Accepted => Verdict::Accepted(wall),
            Ending::Stopped => {
                self.line_stops(call.line);
                Verdict::Stopped
            }
            Ending::Throttled => {
                let wait = *self.dice.pick(&[SECOND, MINUTE, HOUR]);
                self.line_is_throttled(call.line, wait);
                Verdict::Busy(wait)
            }
            Ending::Busy => Verdict::Busy(*self.dice.pick(&[0, SECOND, HOUR])),
            Ending::Refused => {
                Verdict::Refused(*self.dice.pick(&[Refusal::WindowClosed, Refusal::Template, Refusal::Recipient, Refusal::Line]))
            }
            Ending::LostAnswer | Ending::LostCall => Verdict::Unknown,
        };
        #[cfg(test)]
        let verdict = super::sabotage::bend_verdict(self.sabotage, verdict);
        let Some(process) = &mut self.process else { return };
        process.engine.settle(call.id, verdict, wall);
        process.touched();
        if trial
            && matches!(verdict, Verdict::Accepted(_) | Verdict::Refused(Refusal::WindowClosed | Refusal::Template | Refusal::Recipient))
        {
            self.line_starts(call.line);
        }
        self.note(|| format!("{} of {}: {verdict:?}", call.id, call.conversation));
        if verdict == Verdict::Unknown && self.dice.percent(50) {
            let after = self.dice.stretch(SECOND, 30 * HOUR);
            self.later(after, Happening::Status(call.id, ending == Ending::LostAnswer));
        }
    }

    /// The provider tells later what became of a send.
    pub(super) fn status(&mut self, send: SendId, taken: bool) {
        let wall = self.wall();
        let (Some(process), Some(facts)) = (&mut self.process, self.facts.sends.get_mut(&send)) else { return };
        let in_hand = |state: State| state.doubt && (state.silence, state.step) == (facts.silence, facts.step);
        let conversation = facts.conversation;
        if process.engine.state_of(conversation).is_some_and(in_hand) {
            if let (false, Some(last)) = (taken, facts.handed.last_mut()) {
                *last = Handed::Refused;
            }
            let fate = if taken { Fate::Sent } else { Fate::Failed(Trouble::Permanent) };
            let what = What::Status(Status { message: format!("m-{send}"), send: Some(send), fate });
            let line = process.engine.hot().find(|hot| hot.id == conversation).map(|hot| self.facts.name(hot.line).to_owned());
            let told = process.engine.take_one(wall, &Inbound { line, ..Inbound::of(Who::Message, Some(wall), what) });
            debug_assert!(told.is_ok(), "a status of a send that was made: {told:?}");
            process.touched();
            self.tally.count("doubt settled by status");
        }
    }
}
