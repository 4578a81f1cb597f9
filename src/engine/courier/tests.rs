//! The laws of deliveries: order, nothing lost, hooks and conversations apart. Not HTTP.

use super::*;
use crate::limits;
use crate::moment::{HOUR, MINUTE, SECOND};
use proptest::prelude::*;
use std::collections::BTreeSet;

const CRM: NameId = NameId(1);
const LOG: NameId = NameId(2);
const A: ConversationId = ConversationId(1);
const B: ConversationId = ConversationId(2);

fn deliveries(courier: &mut Courier, now: i64) -> Vec<(u16, u128, u64)> {
    let orders = courier.next(Moment(now)).into_iter();
    orders
        .map(|order| match order {
            Order::Deliver(d) => (d.hook.0, d.conversation.0, d.seq),
            other => panic!("not a delivery: {other:?}"),
        })
        .collect()
}

fn delivery(hook: NameId, conversation: ConversationId, seq: u64) -> Delivery {
    Delivery { hook, conversation, seq, attempt: 1 }
}

fn failed() -> Outcome {
    Outcome::Failed { after: 0 }
}

fn ready(records: &[(NameId, ConversationId, u64)]) -> Courier {
    let mut courier = Courier::new(16, 1_000);
    courier.configure(&[CRM, LOG]);
    for (hook, conversation, seq) in records {
        courier.offer(*hook, *conversation, *seq, Moment(0));
    }
    courier
}

#[test]
fn a_conversation_waits_for_its_first_record_and_no_other_does() {
    let mut courier = ready(&[(CRM, A, 1), (CRM, A, 2), (CRM, B, 3), (LOG, A, 1)]);
    assert_eq!(deliveries(&mut courier, 0), [(1, 1, 1), (1, 2, 3), (2, 1, 1)]);
    assert_eq!(deliveries(&mut courier, 0), []);
    assert_eq!(courier.settle(&delivery(CRM, A, 1), failed(), Moment(0)), Settled::Again);
    assert_eq!(courier.settle(&delivery(CRM, B, 3), Outcome::Taken, Moment(0)), Settled::Done);
    assert_eq!(courier.settle(&delivery(LOG, A, 1), Outcome::Gone, Moment(0)), Settled::Dead);
    assert_eq!(courier.wake(), Some(Moment(5 * SECOND)));
    assert_eq!(deliveries(&mut courier, 4_999), []);
    assert_eq!(deliveries(&mut courier, 5_000), [(1, 1, 1)]);
    assert_eq!(courier.settle(&delivery(CRM, A, 1), Outcome::Taken, Moment(5_000)), Settled::Done);
    assert_eq!(deliveries(&mut courier, 5_000), [(1, 1, 2)]);
}

#[test]
fn a_record_is_tried_for_three_days_and_then_given_up() {
    let mut courier = ready(&[(CRM, A, 1), (CRM, A, 2)]);
    let (mut now, mut waits, mut attempt) = (0, Vec::new(), 0);
    loop {
        let orders = courier.next(Moment(now));
        if orders == [Order::Dead(CRM, 1), Order::Dead(CRM, 2)] {
            break;
        }
        attempt += 1;
        assert_eq!(orders, [Order::Deliver(Delivery { attempt, ..delivery(CRM, A, 1) })]);
        assert_eq!(courier.settle(&delivery(CRM, A, 1), failed(), Moment(now)), Settled::Again);
        let wake = courier.wake().unwrap().0;
        waits.push((wake - now) / SECOND);
        now = wake;
    }
    assert_eq!(waits[..11], [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600]);
    assert!(waits[11..].iter().all(|w| *w == 3_600));
    assert!((limits::HOOK_AGE..limits::HOOK_AGE + HOUR).contains(&now), "{now}");
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_for_all_conversations() {
    let mut courier = ready(&[(CRM, A, 1), (LOG, B, 2)]);
    assert_eq!(deliveries(&mut courier, 0).len(), 2);
    courier.settle(&delivery(CRM, A, 1), Outcome::Failed { after: 10 * MINUTE }, Moment(0));
    courier.offer(CRM, B, 3, Moment(0));
    assert_eq!(deliveries(&mut courier, MINUTE), []);
    assert_eq!(courier.wake(), Some(Moment(10 * MINUTE)));
    assert_eq!(deliveries(&mut courier, 10 * MINUTE), [(1, 2, 3), (1, 1, 1)]);
    courier.settle(&delivery(CRM, A, 1), Outcome::Failed { after: i64::MAX }, Moment(10 * MINUTE));
    assert_eq!(courier.wake(), Some(Moment(10 * MINUTE + limits::HOOK_BACKOFF_CEILING)));
}

#[test]
fn a_hook_that_takes_nothing_is_probed_by_one_and_comes_back_at_once() {
    let records: Vec<_> = (0..100).map(|n| (CRM, ConversationId(n), n as u64)).collect();
    let mut courier = ready(&records);
    let first = courier.next(Moment(0));
    assert_eq!(first.len(), 16);
    for order in &first {
        let Order::Deliver(d) = order else { panic!("{order:?}") };
        courier.settle(d, failed(), Moment(0));
    }
    let (mut now, mut pauses) = (0, Vec::new());
    for _ in 0..8 {
        let wake = courier.wake().unwrap().0;
        pauses.push((wake - now) / SECOND);
        now = wake;
        let probes = courier.next(Moment(now));
        let [Order::Deliver(d)] = &probes[..] else { panic!("{probes:?}") };
        assert_eq!(courier.next(Moment(now)), []);
        courier.settle(d, failed(), Moment(now));
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60, 60, 60]);
    now += MINUTE;
    let Some(Order::Deliver(probe)) = courier.next(Moment(now)).into_iter().next() else { panic!("no probe") };
    courier.settle(&probe, Outcome::Taken, Moment(now));
    let mut taken = 1;
    while let orders @ [_, ..] = &courier.next(Moment(now))[..] {
        assert!(orders.len() <= 16);
        for order in orders {
            let Order::Deliver(d) = order else { panic!("{order:?}") };
            courier.settle(d, Outcome::Taken, Moment(now));
            taken += 1;
        }
    }
    assert_eq!(taken, 100);
}

#[test]
fn what_is_too_old_is_given_up_together_once_the_hook_is_found_down() {
    let records: Vec<_> = (0..100).map(|n| (CRM, ConversationId(n), n as u64)).collect();
    let mut courier = ready(&records);
    let old = Moment(limits::HOOK_AGE);
    let (mut dead, mut tried) = (0, 0);
    for _ in 0..20 {
        for order in courier.next(old) {
            match order {
                Order::Deliver(d) => {
                    tried += 1;
                    assert_eq!(courier.settle(&d, failed(), old), Settled::Dead);
                }
                Order::Dead(CRM, _) => dead += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((tried, dead), (16, 84));
}

#[test]
fn the_records_of_a_hook_that_is_gone_from_the_configuration_become_dead_letters() {
    let mut courier = ready(&[(CRM, A, 1), (CRM, A, 2), (CRM, B, 3), (LOG, A, 1)]);
    assert_eq!(courier.next(Moment(0)).len(), 3);
    courier.configure(&[LOG]);
    assert_eq!(courier.next(Moment(0)), [Order::Dead(CRM, 2)]);
    assert_eq!(courier.settle(&delivery(CRM, A, 1), failed(), Moment(0)), Settled::Dead);
    assert_eq!(courier.settle(&delivery(CRM, B, 3), Outcome::Taken, Moment(0)), Settled::Done);
    assert_eq!(courier.next(Moment(0)), []);
    assert_eq!(courier.figures().map(|(hook, _)| hook).collect::<Vec<_>>(), [LOG]);
    courier.offer(NameId(9), A, 4, Moment(0));
    assert_eq!(courier.next(Moment(0)), [Order::Dead(NameId(9), 4)]);
}

#[test]
fn a_replayed_record_goes_next_and_nothing_goes_twice() {
    let mut courier = ready(&[(CRM, A, 10), (CRM, A, 20), (CRM, A, 10)]);
    assert_eq!(deliveries(&mut courier, 0), [(1, 1, 10)]);
    for seq in [5, 10, 20, 5, 7] {
        courier.offer(CRM, A, seq, Moment(0));
    }
    let mut order = Vec::new();
    for seq in [10, 5, 7, 20] {
        assert_eq!(courier.settle(&delivery(CRM, A, seq), Outcome::Taken, Moment(0)), Settled::Done);
        order.extend(deliveries(&mut courier, 0));
    }
    assert_eq!(order, [(1, 1, 5), (1, 1, 7), (1, 1, 20)]);
    assert_eq!(courier.figures().next().unwrap().1, Figures::default());
    // An outcome of what is not on its way changes nothing.
    assert_eq!(courier.settle(&delivery(CRM, A, 20), failed(), Moment(0)), Settled::Again);
    assert_eq!(courier.next(Moment(HOUR)), []);
}

#[derive(Clone, Debug)]
enum Op {
    /// A conversation gets a record, for these hooks.
    Emit(u8, bool, bool),
    /// Time passes, in seconds.
    Pass(u16),
    /// The n-th delivery under way ends.
    End(u8),
    /// A conversation's records fail from now on, on both hooks; or no more.
    Mood(u8, bool),
    /// The process ends and starts again.
    Restart,
    /// A dead letter of any hook is replayed.
    Replay(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..6u8, any::<bool>(), any::<bool>()).prop_map(|(c, a, b)| Op::Emit(c, a, b)),
        2 => (0..2_000u16).prop_map(Op::Pass),
        8 => any::<u8>().prop_map(Op::End),
        1 => (0..6u8, any::<bool>()).prop_map(|(c, fails)| Op::Mood(c, fails)),
        1 => Just(Op::Restart),
        1 => any::<u8>().prop_map(Op::Replay),
    ]
}

/// A store, two hooks, and what they have seen.
struct World {
    courier: Courier,
    backlog: usize,
    now: Moment,
    next_seq: u64,
    /// What each hook still has to get: hook, number → conversation.
    owed: BTreeMap<(NameId, u64), ConversationId>,
    dead: BTreeMap<(NameId, u64), ConversationId>,
    replayed: BTreeSet<(NameId, u64)>,
    done: usize,
    emitted: usize,
    under_way: Vec<Delivery>,
    failing: BTreeSet<ConversationId>,
}

const MOST: usize = 3;

impl World {
    fn new(backlog: usize) -> World {
        let mut world = World {
            courier: Courier::new(MOST, backlog),
            backlog,
            now: Moment(0),
            next_seq: 1,
            owed: BTreeMap::new(),
            dead: BTreeMap::new(),
            replayed: BTreeSet::new(),
            done: 0,
            emitted: 0,
            under_way: Vec::new(),
            failing: BTreeSet::new(),
        };
        world.courier.configure(&[CRM, LOG]);
        world
    }

    fn obey(&mut self, op: &Op) {
        match op {
            Op::Emit(c, crm, log) => {
                let conversation = ConversationId(u128::from(*c));
                for hook in [(*crm, CRM), (*log, LOG)].into_iter().filter_map(|(wants, hook)| wants.then_some(hook)) {
                    self.owed.insert((hook, self.next_seq), conversation);
                    self.emitted += 1;
                    self.courier.offer(hook, conversation, self.next_seq, self.now);
                }
                self.next_seq += 1;
            }
            Op::Pass(seconds) => self.now = self.now.plus(i64::from(*seconds) * SECOND),
            Op::End(n) if !self.under_way.is_empty() => {
                let delivery = self.under_way.remove(usize::from(*n) % self.under_way.len());
                self.end(&delivery);
            }
            Op::Mood(c, true) => drop(self.failing.insert(ConversationId(u128::from(*c)))),
            Op::Mood(c, false) => drop(self.failing.remove(&ConversationId(u128::from(*c)))),
            Op::Restart => {
                self.courier = Courier::new(MOST, self.backlog);
                self.under_way.clear();
                self.replayed.clear();
                self.courier.configure(&[CRM, LOG]);
                for ((hook, seq), conversation) in &self.owed {
                    self.courier.offer(*hook, *conversation, *seq, self.now);
                }
            }
            Op::Replay(n) if !self.dead.is_empty() => {
                let key = *self.dead.keys().nth(usize::from(*n) % self.dead.len()).unwrap();
                let conversation = self.dead.remove(&key).unwrap();
                self.owed.insert(key, conversation);
                self.replayed.insert(key);
                self.courier.offer(key.0, conversation, key.1, self.now);
            }
            Op::End(_) | Op::Replay(_) => {}
        }
        self.run();
    }

    fn end(&mut self, delivery: &Delivery) {
        let fails = self.failing.contains(&delivery.conversation);
        // One in seven is refused for good.
        let outcome = match (fails, delivery.seq % 7) {
            (true, _) => failed(),
            (false, 0) if !self.replayed.contains(&(delivery.hook, delivery.seq)) => Outcome::Gone,
            (false, _) => Outcome::Taken,
        };
        let key = (delivery.hook, delivery.seq);
        match self.courier.settle(delivery, outcome, self.now) {
            Settled::Again => assert!(fails),
            Settled::Done => {
                assert_eq!(self.owed.remove(&key), Some(delivery.conversation));
                self.done += 1;
            }
            Settled::Dead => drop(self.dead.insert(key, self.owed.remove(&key).unwrap())),
        }
    }

    fn run(&mut self) {
        loop {
            let orders = self.courier.next(self.now);
            if orders.is_empty() {
                break;
            }
            for order in orders {
                match order {
                    Order::Deliver(delivery) => self.begin(delivery),
                    Order::Dead(hook, seq) => drop(self.dead.insert((hook, seq), self.owed.remove(&(hook, seq)).unwrap())),
                    Order::Refill { hook, from, upto } => {
                        let found: Vec<_> = self
                            .owed
                            .range((hook, from)..=(hook, upto))
                            .map(|((_, seq), conversation)| (*conversation, *seq, self.now))
                            .collect();
                        self.courier.refilled(hook, from, upto, &found);
                    }
                }
            }
        }
        for (_, figures) in self.courier.figures() {
            assert!(figures.in_flight <= MOST && figures.pending <= self.backlog + 256);
        }
    }

    fn begin(&mut self, delivery: Delivery) {
        let Delivery { hook, conversation, seq, .. } = delivery;
        assert_eq!(self.owed.get(&(hook, seq)), Some(&conversation), "{delivery:?} is owed to nobody");
        let twice = self.under_way.iter().any(|d| (d.hook, d.conversation) == (hook, conversation));
        assert!(!twice, "{delivery:?} while another of its conversation is under way");
        let older =
            self.owed.iter().find(|((h, s), c)| *h == hook && **c == conversation && *s < seq && !self.replayed.contains(&(*h, *s)));
        assert!(older.is_none() || self.replayed.contains(&(hook, seq)), "{delivery:?} before {older:?}");
        self.under_way.push(delivery);
    }
}

proptest! {
    /// In order per conversation and hook, nothing lost, at least once, whatever fails and however often the process dies.
    #[test]
    fn every_record_is_delivered_or_a_dead_letter_and_in_order(ops in prop::collection::vec(op(), 1..300)) {
        let mut world = World::new(4);
        for op in &ops {
            world.obey(op);
        }
        world.failing.clear();
        for _ in 0..20_000 {
            if world.owed.is_empty() {
                break;
            }
            world.obey(&Op::End(0));
            if world.under_way.is_empty() && !world.owed.is_empty() {
                let wake = world.courier.wake();
                prop_assert!(wake.is_some(), "{} records wait for nothing", world.owed.len());
                world.now = world.now.max(wake.unwrap());
                world.run();
            }
        }
        prop_assert!(world.owed.is_empty());
        prop_assert_eq!(world.done + world.dead.len(), world.emitted);
    }

    /// Conversations that fail for ever hold up no other: fewer of them than a hook has calls.
    #[test]
    fn others_go_on_while_some_fail(bad in prop::collection::btree_set(0..40u128, 0..3), n in 50..200u64) {
        let mut world = World::new(1_000);
        world.failing = bad.iter().map(|c| ConversationId(*c)).collect();
        for seq in 0..n {
            world.obey(&Op::Emit((seq % 40) as u8, true, false));
        }
        // Less than the first retry of anything: the others do not wait for it.
        for _ in 0..n {
            world.obey(&Op::End(0));
        }
        let waiting: BTreeSet<_> = world.owed.values().copied().collect();
        prop_assert!(waiting.is_subset(&world.failing), "{waiting:?} wait beside {bad:?}");
    }
}
