//! The opening bell: two hundred thousand follow-ups due at seven on a line of eighty a second, lived through on virtual time by
//! the real engine on the store in memory.
//!
//! Not chance and no faults but one crash: `world.rs` has those. What should come of it is computed here by other means: a follow-up
//! is a deadline known from how it was made, and the most that any order could have sent in time is found backwards, from the last
//! second to the first.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};
use std::sync::Arc;

use super::dice::Dice;
use super::witness::Witness;
use crate::conversation::{ArmOn, Capabilities, Choice, Event, InDoubt, OnYes, Policy, Purpose, State, Verdict, step};
use crate::engine::Engine;
use crate::engine::book::{Book, Line};
use crate::engine::group::Call;
use crate::engine::ports::Store;
use crate::engine::record::{Change, Moved, NameId, Question, Stored};
use crate::engine::request::{Inbound, What, Who};
use crate::id::{ConversationId, Keys, SendId};
use crate::limits;
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use crate::schedule::{Daily, Hours, Otherwise, Rules, Session, WhenClosed};

const LINE: &str = "ventas";
/// 2026-03-05T07:00:00Z.
const SEVEN: Moment = Moment(1_772_668_800_000 + 7 * HOUR);
const CAPABILITIES: Capabilities = Capabilities { free_text: true, buttons: true, template: true, correlation: false, recipient: false };
/// The flows: when their day ends, and how late they may be. The first has a messaging window, and waits for almost all of it.
const FLOWS: [(&str, i64, Option<i64>); 5] = [
    ("ventana", 19 * HOUR, None),
    ("temprano", 7 * HOUR + 8 * MINUTE, None),
    ("pronto", 19 * HOUR, Some(15 * MINUTE)),
    ("mañana", 7 * HOUR + 41 * MINUTE, None),
    ("todo el día", 19 * HOUR, None),
];

fn policy(flow: usize) -> Policy {
    let (_, end, max_lateness) = FLOWS[flow];
    let session = Session { when_closed: WhenClosed::new(&[Otherwise::Skip]), ..Session::default() };
    let (session, wait) = if flow == 0 { (Some(session), 23 * HOUR) } else { (None, 45 * MINUTE) };
    let rules = Rules { enabled: true, wait, hours: Hours::Daily(Daily::new(7 * HOUR, end)), session, spread: 0 };
    let (arm_on, in_doubt) = (ArmOn::Question, InDoubt::Unknown);
    Policy { rules, max_lateness, on_yes: OnYes::Ask, expires_after: 2 * DAY, arm_on, in_doubt, line: CAPABILITIES, ..Policy::retired() }
}

fn book(rate: u32) -> Book {
    let line = Line {
        flow: None,
        max_in_flight: 1_000_000,
        rate: Some(rate),
        pair_gap: 0,
        daily: None,
        catch_up_wait: 0,
        capabilities: CAPABILITIES,
    };
    let policies = (0..FLOWS.len()).map(|flow| (Arc::from(FLOWS[flow].0), Arc::new(policy(flow)))).collect();
    Book {
        lines: BTreeMap::from([(Arc::from(LINE), line)]),
        hooks: Vec::new(),
        flows: FLOWS.iter().map(|(name, ..)| Arc::from(*name)).collect(),
        policies: BTreeMap::from([(Arc::from(LINE), policies)]),
        ..Book::default()
    }
}

/// A follow-up as the one who made it knows it: from when it may go out, and the last instant.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    from: Moment,
    until: Moment,
}

/// A follow-up of a flow, by when the question was asked. In the first flow the person wrote just before that.
fn wanted(flow: usize, asked: Moment) -> (State, Wanted) {
    let policy = policy(flow);
    let new = State::new(ConversationId(0), false);
    let said = step(&policy, &new, &Event::Message { at: asked.plus(-1), typed: None }, asked).state;
    let state = step(&policy, &said, &Event::Question { at: asked, obstacle: None }, asked).state;
    let (_, end, lateness) = FLOWS[flow];
    let from = SEVEN.max(asked.plus(policy.rules.wait));
    let closing = SEVEN.plus(end - 7 * HOUR - 1);
    let window = if flow == 0 { asked.plus(-1 + DAY - 10 * MINUTE) } else { Moment::MAX };
    (state, Wanted { from, until: closing.min(window).min(from.plus(lateness.unwrap_or(DAY))) })
}

/// When a question of this flow was asked whose follow-up is due at seven or a little later.
fn asked(dice: &mut Dice, flow: usize) -> Moment {
    let minute = |dice: &mut Dice, from, to| SEVEN.plus(dice.between(from, to) * MINUTE);
    match (flow, dice.below(10)) {
        (0, 0..8) => minute(dice, -24 * 60 + 11, -23 * 60),
        (0, _) => minute(dice, -23 * 60, -23 * 60 + 30),
        // The second flow's day ends before any later one would be due.
        (1, _) | (_, 0..8) => minute(dice, -9 * 60, -45),
        (_, _) => minute(dice, -45, -30),
    }
}

struct Bell {
    store: Arc<Witness>,
    book: Arc<Book>,
    engine: Engine,
    line: NameId,
    now: Moment,
    wanted: BTreeMap<ConversationId, Wanted>,
    /// Calls in the order of their claims.
    calls: Vec<(Moment, Call)>,
    begun: HashSet<SendId>,
}

impl Bell {
    fn new(rate: u32, people: u32, seed: u64) -> Bell {
        let keys = Keys::new(&[9; 32]);
        let mut store = Witness::new(keys.clone());
        // What `explain` reads is of no use here, and half a gigabyte.
        store.tamper = Some(|change| match change {
            Change::Moved(moved) => Some(Change::Moved(Box::new(Moved { deltas: Vec::new(), ..*moved }))),
            other => Some(other),
        });
        let mut dice = Dice::new(seed);
        let mut changes = vec![Change::Named(NameId(0), Arc::from(LINE))];
        changes.extend((0..FLOWS.len()).map(|flow| Change::Named(NameId(1 + flow as u16), Arc::from(FLOWS[flow].0))));
        let mut made: BTreeMap<(usize, Moment), (State, Wanted)> = BTreeMap::new();
        let mut everybody = BTreeMap::new();
        for person in 0..people {
            let id = keys.conversation(&person.to_string());
            // The longest day is everybody's who has no other: the line gets them all done before it ends.
            let flow = *dice.pick(&[0, 0, 1, 1, 2, 3, 4, 4]);
            let asked = asked(&mut dice, flow);
            let (state, wanted) = *made.entry((flow, asked)).or_insert_with(|| self::wanted(flow, asked));
            let stored = Stored { id, line: NameId(0), flow: NameId(1 + flow as u16), state: State { salt: State::salt_of(id), ..state } };
            everybody.insert(id, wanted);
            let (deltas, aliases, hooks) = (Vec::new(), Vec::new(), Vec::new());
            changes.push(Change::Moved(Box::new(Moved { stored, identity: None, now: asked, deltas, aliases, hooks, ledger: None })));
        }
        let store = Arc::new(store);
        store.apply(changes);
        store.flush().expect("memory does not fail");
        store.keep(store.seq());
        let (book, now) = (Arc::new(book(rate)), SEVEN.plus(-SECOND));
        let engine = recover(&store, &book, now);
        let line = engine.names().find(LINE).expect("it was named");
        Bell { store, book, engine, line, now, wanted: everybody, calls: Vec::new(), begun: HashSet::new() }
    }

    /// Lives until then: whatever is claimed is called and taken in the same millisecond.
    fn live(&mut self, until: Moment) {
        loop {
            let next = self.engine.fire(self.now);
            self.settle();
            match next.filter(|next| *next <= until) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
        }
        self.now = until;
    }

    fn settle(&mut self) {
        for call in self.commit() {
            assert!(self.engine.door(call.id, self.now), "{call:?} at {}", self.now);
            self.engine.settle(call.id, Verdict::Accepted(self.now), self.now);
        }
        assert!(self.commit().is_empty());
    }

    fn commit(&mut self) -> Vec<Call> {
        let Some(group) = self.engine.cut() else { return Vec::new() };
        let durable = self.store.flush().expect("memory does not fail");
        self.store.keep(self.store.seq());
        let released = group.release(durable).expect("just flushed");
        for call in &released.calls {
            assert!(self.begun.insert(call.id), "{call:?} is made again");
            self.calls.push((self.now, *call));
        }
        released.calls
    }

    /// The claims of this moment are durable and their calls begun, and the process dies. It starts again after so long.
    fn crash(&mut self, down: i64) -> usize {
        self.engine.fire(self.now);
        let begun = self.commit().len();
        self.store.inner().crash(|_| 0);
        self.store.survive(0);
        self.now = self.now.plus(down);
        self.engine = recover(&self.store, &self.book, self.now);
        begun
    }

    fn named(&self) -> BTreeSet<ConversationId> {
        self.engine.infeasible(self.line, self.now).into_iter().collect()
    }

    /// The follow-ups that did not go out in time.
    fn missed(&self) -> BTreeSet<ConversationId> {
        let follow_ups = self.calls.iter().filter(|(_, call)| call.send.purpose == Purpose::FollowUp);
        let in_time: BTreeSet<ConversationId> =
            follow_ups.filter(|(at, call)| *at <= self.wanted[&call.conversation].until).map(|(_, call)| call.conversation).collect();
        self.wanted.keys().filter(|id| !in_time.contains(id)).copied().collect()
    }

    /// In no second, wherever it begins, more than the rate.
    fn never_faster(&self, rate: usize) {
        for (i, pair) in self.calls.windows(rate + 1).enumerate() {
            assert!(pair[rate].0.since(pair[0].0) >= SECOND, "calls {i} to {}: {} to {}", i + rate, pair[0].0, pair[rate].0);
        }
    }
}

fn recover(store: &Arc<Witness>, book: &Arc<Book>, now: Moment) -> Engine {
    let port: Arc<dyn Store> = Arc::<Witness>::clone(store);
    Engine::recover(port, Arc::clone(book), now).expect("memory does not fail")
}

/// The most follow-ups that can go out in time, where each whole second from seven on has room for `free(second)`: filled from the
/// last second to the first, each with those of all that close after it which could begin last.
fn optimum<'a>(all: impl Iterator<Item = &'a Wanted>, seconds: i64, free: impl Fn(i64) -> usize) -> usize {
    let mut closing: Vec<&Wanted> = all.collect();
    closing.sort_unstable_by_key(|wanted| wanted.until);
    let (mut open, mut sent) = (BinaryHeap::new(), 0);
    for second in (0..seconds).rev() {
        let at = SEVEN.plus(second * SECOND);
        while closing.last().is_some_and(|wanted| wanted.until >= at) {
            open.extend(closing.pop().map(|wanted| wanted.from));
        }
        let mut room = free(second);
        while room > 0
            && let Some(from) = open.pop()
        {
            // Whoever could not begin by now cannot begin earlier either.
            if from <= at {
                room -= 1;
                sent += 1;
            }
        }
    }
    sent
}

#[test]
fn two_hundred_thousand_at_the_opening_bell() {
    let (rate, people) = (80, 200_000);
    let mut bell = Bell::new(rate, people, 1);
    let named = bell.named();
    bell.live(SEVEN.plus(13 * MINUTE + 20 * SECOND - 1));
    bell.now = bell.now.plus(1);
    let at = bell.now;
    assert_eq!(bell.crash(350), 80, "the calls of this second are in doubt");
    bell.live(SEVEN.plus(2 * HOUR));
    bell.never_faster(rate as usize);
    let after = bell.calls.iter().find(|(then, _)| *then > at).map(|(then, _)| then.since(at));
    assert_eq!(after, Some(SECOND), "what was claimed before the crash counts, and no more than that");
    let first = bell.calls.partition_point(|(at, _)| *at < SEVEN.plus(30 * MINUTE));
    assert_eq!(first, 30 * 60 * 80, "the line is never idle while somebody waits");
    let missed = bell.missed();
    same(&bell, &missed, &named);
    let most = optimum(bell.wanted.values(), 2 * 3_600, |_| rate as usize);
    assert_eq!(bell.wanted.len() - missed.len(), most, "as many as any order could have sent in time");
    assert!(missed.len() > 1_000 && missed.len() < people as usize / 2, "{} of {people}", missed.len());
}

#[test]
fn replies_and_newcomers_while_the_bell_rings() {
    let (rate, people) = (8, 16_000);
    let mut bell = Bell::new(rate, people, 2);
    let mut dice = Dice::new(3);
    let (mut asked, mut late_before) = (BTreeMap::new(), BTreeSet::new());
    for newcomer in 0..600u32 {
        let then = bell.now.plus(dice.between(1_000, 2_000));
        bell.live(then);
        if dice.percent(50) {
            // Somebody says yes to what they got: the question goes out again, at once.
            let (_, call) = bell.calls[dice.below(bell.calls.len())];
            if let Entry::Vacant(unasked) = asked.entry(call.conversation) {
                unasked.insert(bell.now);
                say(&mut bell, Who::Id(call.conversation), What::Answer(Choice::Yes), None);
            }
        } else {
            let name = format!("new {newcomer}");
            let id = bell.store.keys().conversation(&name);
            say(&mut bell, Who::Caller(name), What::Question(Question::default()), Some(FLOWS[4].0));
            let from = bell.now.plus(45 * MINUTE);
            bell.wanted.insert(id, Wanted { from, until: SEVEN.plus(12 * HOUR - 1) });
        }
    }
    let in_time_or_open = bell.now;
    late_before.extend(bell.missed().into_iter().filter(|id| bell.wanted[id].until < in_time_or_open));
    let named = bell.named();
    bell.live(SEVEN.plus(3 * HOUR));
    bell.never_faster(rate as usize);
    let replies: Vec<&(Moment, Call)> = bell.calls.iter().filter(|(_, call)| call.send.purpose == Purpose::Ask).collect();
    assert!(replies.len() > 200, "{} replies", replies.len());
    for (at, call) in &replies {
        let waited = at.since(asked[&call.conversation]);
        assert!((0..=SECOND).contains(&waited), "a reply waits {waited} ms behind {people} follow-ups");
    }
    let missed = bell.missed();
    same(&bell, &missed, &late_before.union(&named).copied().collect());
    let answered = |second| {
        let in_second = |at: Moment| at.since(SEVEN.plus(second * SECOND)) == 0;
        replies.iter().filter(|(at, _)| in_second(*at)).count()
    };
    let free: Vec<usize> = (0..3 * 3_600).map(|second| rate as usize - answered(second)).collect();
    let most = optimum(bell.wanted.values(), 3 * 3_600, |second| free[second as usize]);
    assert_eq!(bell.wanted.len() - missed.len(), most);
    assert!(!missed.is_empty() && limits::ASK > SECOND);
}

/// Named in advance: exactly those that were missed.
fn same(bell: &Bell, missed: &BTreeSet<ConversationId>, named: &BTreeSet<ConversationId>) {
    let wanted = |id: &ConversationId| bell.wanted[id];
    let (unnamed, met): (Vec<_>, Vec<_>) = (missed.difference(named).map(wanted).collect(), named.difference(missed).map(wanted).collect());
    let some = |all: &[Wanted]| all.iter().take(3).copied().collect::<Vec<_>>();
    assert!(unnamed.is_empty(), "{} of {} missed were not named: {:?}", unnamed.len(), missed.len(), some(&unnamed));
    assert!(met.is_empty(), "{} of {} named were not missed: {:?}", met.len(), named.len(), some(&met));
}

fn say(bell: &mut Bell, who: Who, what: What, flow: Option<&str>) {
    let event = Inbound {
        id: None,
        who,
        at: Some(bell.now),
        what,
        line: Some(LINE.to_owned()),
        flow: flow.map(str::to_owned),
        to: None,
        vars: Vec::new(),
        attributes: Vec::new(),
    };
    bell.engine.take_one(bell.now, &event).expect("taken");
    bell.settle();
}
