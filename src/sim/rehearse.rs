//! A rehearsal: the flows of a configuration, lived through on a virtual clock before they reach anyone.
//!
//! Not a proof, and no faults: this is the real engine on fair weather, with people who drop off and come back. What proves the
//! engine is `world.rs`. How people behave is an assumption, stated in [`Rehearsal`]'s figures and nowhere hidden.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::conversation::{Form, Purpose, Verdict};
use crate::engine::Engine;
use crate::engine::book::Book;
use crate::engine::compose::compose;
use crate::engine::group::Call;
use crate::engine::ports::{Fault, Provider, Store};
use crate::engine::record::Question;
use crate::engine::request::{Inbound, What, Who};
use crate::id::Keys;
use crate::moment::{DAY, HOUR, MINUTE, Moment};
use crate::sim::Dice;
use crate::store::MemoryStore;

/// After the last conversation began, time runs on for so long at most: until everybody has answered or expired.
const AFTERWARDS: i64 = 90 * DAY;
/// A follow-up this much after the wait was over has been put off.
const AT_ONCE: i64 = MINUTE;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    /// Conversations begun.
    pub conversations: u64,
    /// People who answered the bot before any follow-up: a third, by assumption.
    pub answered_unprompted: u64,
    /// Follow-ups handed over when the wait was over.
    pub at_once: u64,
    /// Handed over at a later opening.
    pub deferred: u64,
    /// Handed over before the wait was over, to fit the messaging window.
    pub advanced: u64,
    /// Of all these, sent as templates.
    pub templates: u64,
    /// Questions asked again after "yes".
    pub asked_again: u64,
    /// Hand-overs by hour of the day, UTC.
    pub by_hour: [u64; 24],
    /// Most hand-overs within one second.
    pub busiest_second: u64,
    /// Sends by how they ended, with the reason where there is one.
    pub sends: BTreeMap<String, u64>,
    /// Conversations by how they ended.
    pub ends: BTreeMap<String, u64>,
}

/// Lives `days` from `start` on with `conversations` conversations, all lines and flows of `book` in turn; messages go to `provider`.
///
/// # Errors
/// A [`Fault`] of the store in memory: none is expected.
pub fn rehearse(
    book: Arc<Book>,
    provider: &dyn Provider,
    seed: u64,
    start: Moment,
    days: u32,
    conversations: u32,
) -> Result<Rehearsal, Fault> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Keys::new(&[0; 32])));
    let engine = Engine::recover(Arc::clone(&store), Arc::clone(&book), start)?;
    let mut stage =
        Stage { engine, store, book, provider, dice: Dice::new(seed), acts: BinaryHeap::new(), told: Rehearsal::default(), second: (0, 0) };
    stage.cast(start, days, conversations);
    stage.play(start, start.plus(i64::from(days) * DAY + AFTERWARDS))?;
    Ok(stage.count())
}

/// Something that happens to a conversation at its time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Act {
    Asked { line: String, flow: String },
    Says(&'static str),
    Done,
}

struct Stage<'a> {
    engine: Engine,
    store: Arc<dyn Store>,
    book: Arc<Book>,
    provider: &'a dyn Provider,
    dice: Dice,
    acts: BinaryHeap<Reverse<(Moment, u32, Act)>>,
    told: Rehearsal,
    second: (i64, u64),
}

impl Stage<'_> {
    /// Who begins when: three of four between 7 and 23 UTC, the others at any hour.
    fn cast(&mut self, start: Moment, days: u32, conversations: u32) {
        let pairs: Vec<(String, String)> =
            self.book.policies.iter().flat_map(|(line, flows)| flows.keys().map(|flow| (line.to_string(), flow.to_string()))).collect();
        if pairs.is_empty() {
            return;
        }
        for who in 0..conversations {
            let day = self.dice.between(0, i64::from(days) - 1) * DAY;
            let hour = if self.dice.percent(75) { self.dice.between(7 * HOUR, 23 * HOUR) } else { self.dice.between(0, DAY - 1) };
            let (line, flow) = pairs[who as usize % pairs.len()].clone();
            self.acts.push(Reverse((start.plus(day + hour), who, Act::Asked { line, flow })));
        }
    }

    fn play(&mut self, start: Moment, end: Moment) -> Result<(), Fault> {
        let mut now = start;
        loop {
            let wake = self.engine.fire(now);
            self.settle(now)?;
            let act = self.acts.peek().map(|Reverse((at, _, _))| *at);
            let next = match (act, wake) {
                (Some(a), Some(b)) => a.min(b),
                (Some(a), None) => a,
                (None, Some(b)) => b,
                (None, None) => return Ok(()),
            };
            now = now.max(next);
            if now > end {
                return Ok(());
            }
            while self.acts.peek().is_some_and(|Reverse((at, _, _))| *at <= now) {
                if let Some(Reverse((_, who, act))) = self.acts.pop() {
                    self.act(now, who, act);
                }
            }
        }
    }

    /// Everything decided becomes durable, calls are made, and their outcomes become durable in turn.
    fn settle(&mut self, now: Moment) -> Result<(), Fault> {
        while let Some(group) = self.engine.cut() {
            let durable = self.store.flush()?;
            let Ok(released) = group.release(durable) else { return Ok(()) };
            for call in released.calls {
                let verdict = if self.engine.door(call.id, now) { self.call(&call, now)? } else { Verdict::NotBegun };
                self.engine.settle(call.id, verdict, now);
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &Call, now: Moment) -> Result<Verdict, Fault> {
        let names = self.engine.names();
        let (line, flow) = (names.name(call.line), names.name(call.flow));
        let Some((stored, details)) = self.store.load(call.conversation)? else { return Ok(Verdict::NotBegun) };
        let Some(policy) = self.book.policy(&line, &flow).cloned() else { return Ok(Verdict::NotBegun) };
        let message = match compose(call, &details, &policy, (line, flow), stored.state.episode, now) {
            Ok(message) => message,
            Err(refusal) => return Ok(Verdict::Refused(refusal)),
        };
        let called = pin!(self.provider.send(&message)).poll(&mut Context::from_waker(Waker::noop()));
        debug_assert!(matches!(called, Poll::Ready(_)), "a rehearsal's provider does not wait");
        let who = details.caller.parse().unwrap_or_default();
        self.note(call, now, policy.rules.wait);
        self.answer_later(call.send.purpose, who, now);
        Ok(Verdict::Accepted(now))
    }

    fn note(&mut self, call: &Call, now: Moment, wait: i64) {
        let second = now.0.div_euclid(1_000);
        self.second = if self.second.0 == second { (second, self.second.1 + 1) } else { (second, 1) };
        self.told.busiest_second = self.told.busiest_second.max(self.second.1);
        self.told.by_hour[(now.0.rem_euclid(DAY) / HOUR) as usize] += 1;
        if call.send.purpose == Purpose::Ask {
            self.told.asked_again += 1;
            return;
        }
        if call.send.form == Form::Template {
            self.told.templates += 1;
        }
        match now.since(call.send.silence.plus(wait)) {
            late if call.send.step > 0 || late.abs() <= AT_ONCE => self.told.at_once += 1,
            late if late < 0 => self.told.advanced += 1,
            _ => self.told.deferred += 1,
        }
    }

    /// Of those who get a follow-up four in ten say yes, one no, one something else, one later or stop, and the others nothing.
    fn answer_later(&mut self, purpose: Purpose, who: u32, now: Moment) {
        let at = now.plus(self.dice.stretch(MINUTE, 6 * HOUR));
        let says = match (purpose, self.dice.below(100)) {
            (Purpose::Ask, 0..90) => "here it is",
            (Purpose::Ask, _) => return,
            (_, 0..40) => "yes",
            (_, 40..50) => "no",
            (_, 50..60) => "one moment please",
            (_, 60..65) => "later",
            (_, 65..68) => "stop",
            _ => return,
        };
        self.acts.push(Reverse((at, who, Act::Says(says))));
    }

    fn act(&mut self, now: Moment, who: u32, act: Act) {
        match act {
            Act::Asked { line, flow } => {
                self.told.conversations += 1;
                let question =
                    Question { id: "q".to_owned(), text: "What is your name?".to_owned(), payload: String::new(), choices: Vec::new() };
                self.tell(now.plus(-1), who, What::UserMessage("hello".to_owned()), Some((&line, &flow)));
                self.tell(now, who, What::Question(question), Some((&line, &flow)));
                if self.dice.percent(33) {
                    self.told.answered_unprompted += 1;
                    let at = now.plus(self.dice.stretch(MINUTE, 25 * MINUTE));
                    self.acts.push(Reverse((at, who, Act::Says("here it is"))));
                }
            }
            Act::Says(text) => {
                self.tell(now, who, What::UserMessage(text.to_owned()), None);
                if text == "here it is" || text == "one moment please" {
                    self.acts.push(Reverse((now.plus(5 * MINUTE), who, Act::Done)));
                }
            }
            Act::Done => self.tell(now, who, What::Succeeded, None),
        }
    }

    fn tell(&mut self, at: Moment, who: u32, what: What, place: Option<(&str, &str)>) {
        let event = Inbound {
            id: None,
            who: Who::Caller(who.to_string()),
            at: Some(at),
            what,
            line: place.map(|(line, _)| line.to_owned()),
            flow: place.map(|(_, flow)| flow.to_owned()),
            // Everybody has a number, so that lines which need one can send.
            to: place.map(|_| format!("999{who:08}")),
            vars: Vec::new(),
            attributes: Vec::new(),
        };
        let taken = self.engine.take_one(at, &event);
        debug_assert!(taken.is_ok(), "{event:?}: {taken:?}");
    }

    fn count(mut self) -> Rehearsal {
        for ((outcome, reason), count) in &self.engine.snapshot(Moment(0)).counters.sends {
            let name = if reason.is_empty() { (*outcome).to_owned() } else { format!("{outcome}: {reason}") };
            self.told.sends.insert(name, *count);
        }
        let mut after = None;
        while let Ok(ids) = self.store.page(after, crate::limits::PAGE)
            && let Some(last) = ids.last().copied()
        {
            after = Some(last);
            for id in ids {
                let Ok(Some((stored, _))) = self.store.load(id) else { continue };
                let end = stored.state.outcome().map_or(stored.state.phase.as_str(), |outcome| outcome.as_str());
                *self.told.ends.entry(end.to_owned()).or_default() += 1;
            }
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Withheld};
    use crate::provider::console::Console;
    use std::sync::Mutex;

    #[test]
    fn a_week_of_the_example_is_lived_the_same_way_twice() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml.example")).expect("the example is there");
        let config = config::parse(&text, "config.toml.example", &Withheld).expect("the example is fine");
        let live = |seed| {
            let console = Console::new(Arc::new(Mutex::new(std::io::sink())), false, false);
            let start = Moment::parse("2026-03-02T00:00:00Z").expect("an instant");
            rehearse(Arc::new(config.book.clone()), &console, seed, start, 7, 300).expect("memory does not fail")
        };
        let told = live(1);
        assert_eq!(format!("{told:?}"), format!("{:?}", live(1)));
        assert_ne!(format!("{told:?}"), format!("{:?}", live(2)));
        assert_eq!(told.conversations, 300);
        assert!(told.at_once > 0 && told.deferred > 0 && told.asked_again > 0, "{told:?}");
        assert_eq!(told.ends.values().sum::<u64>(), 300);
        assert!(!told.ends.contains_key("waiting"), "everybody comes to rest: {told:?}");
    }
}
