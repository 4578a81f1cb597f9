//! Lines as the engine paces them: stopped and started, throttled, a gap for each person, people a day; across restarts.
//! Not the pace as data (beside `pace.rs`), and not chance (`sim/`).

use std::collections::BTreeMap;
use std::sync::Arc;

use reengaged::conversation::{Choice, Phase, Policy, Purpose, Refusal, SendOutcome, Verdict};
use reengaged::engine::Engine;
use reengaged::engine::book::{Book, Line};
use reengaged::engine::group::Call;
use reengaged::engine::ports::Store;
use reengaged::engine::record::{NameId, Outgoing, Question};
use reengaged::engine::request::{Inbound, Invitation, Target, What, Who};
use reengaged::id::Keys;
use reengaged::limits;
use reengaged::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use reengaged::schedule::SkipReason;
use reengaged::shapes::story::read_policy;
use reengaged::store::MemoryStore;

/// A Monday, 15:00 UTC.
const T: Moment = Moment(1_772_463_600_000);

struct World {
    store: Arc<MemoryStore>,
    book: Arc<Book>,
    engine: Engine,
    now: Moment,
}

/// One line with one flow; `change` makes of the line what a test wants.
fn book(rules: &str, change: impl Fn(&mut Line)) -> Book {
    let policy: Arc<Policy> = Arc::new(read_policy(rules).expect("rules"));
    let mut line = Line {
        flow: Some(Arc::from("onboarding")),
        max_in_flight: 9,
        rate: None,
        pair_gap: 0,
        daily: None,
        catch_up_wait: 0,
        capabilities: policy.line,
    };
    change(&mut line);
    Book {
        lines: BTreeMap::from([(Arc::from("support"), line)]),
        hooks: Vec::new(),
        flows: vec![Arc::from("onboarding")],
        policies: BTreeMap::from([(Arc::from("support"), BTreeMap::from([(Arc::from("onboarding"), policy)]))]),
        ..Book::default()
    }
}

impl World {
    fn new(book: Book) -> World {
        let (store, book) = (Arc::new(MemoryStore::new(Keys::new(&[7; 32]))), Arc::new(book));
        World { engine: recover(&store, &book, T), store, book, now: T }
    }

    fn tell(&mut self, name: &str, what: What) {
        let who = Who::Caller(name.to_owned());
        let (vars, attributes) = (Vec::new(), Vec::new());
        let event = Inbound { id: None, who, at: Some(self.now), what, line: None, flow: None, to: None, vars, attributes };
        self.engine.take_one(self.now, &event).expect("taken");
    }

    fn ask(&mut self, names: &[&str]) {
        for name in names {
            self.tell(
                name,
                What::Question(Question {
                    id: String::new(), text: "¿Su cédula?".to_owned(), payload: String::new(), choices: Vec::new()
                }),
            );
        }
    }

    fn commit(&mut self) -> Vec<Call> {
        let Some(group) = self.engine.cut() else { return Vec::new() };
        let durable = self.store.flush().expect("memory flushes");
        let released = group.release(durable).expect("just flushed");
        released.calls
    }

    /// Time passes, and nobody looks in between; what may go is claimed.
    fn pass(&mut self, by: i64) -> Vec<Call> {
        self.now = self.now.plus(by);
        self.engine.fire(self.now);
        self.commit()
    }

    /// Time passes; whoever is claimed is called and taken. Who, and how long from now.
    fn live(&mut self, by: i64) -> Vec<(String, i64)> {
        let (from, until) = (self.now, self.now.plus(by));
        let mut went = Vec::new();
        loop {
            let next = self.engine.fire(self.now);
            for call in self.commit() {
                assert!(self.engine.door(call.id, self.now));
                went.push((self.name(&call), self.now.since(from)));
                self.engine.settle(call.id, Verdict::Accepted(self.now), self.now);
            }
            self.commit();
            match next.filter(|next| *next <= until) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
        }
        self.now = until;
        went
    }

    fn name(&mut self, call: &Call) -> String {
        self.engine.show(&Who::Id(call.conversation)).expect("known").details.caller
    }

    fn end(&mut self, call: &Call, verdict: Verdict) {
        assert!(self.engine.door(call.id, self.now), "the door is open");
        self.engine.settle(call.id, verdict, self.now);
        self.commit();
    }

    fn end_stopped(&mut self, call: &Call) {
        self.engine.settle(call.id, Verdict::Stopped, self.now);
        self.commit();
    }

    fn line(&self) -> NameId {
        self.engine.names().find("support").expect("it has a number")
    }

    fn restart(&mut self) {
        self.store.crash(|_| 0);
        self.engine = recover(&self.store, &self.book, self.now);
    }

    fn state(&mut self, name: &str) -> reengaged::conversation::State {
        self.engine.show(&Who::Caller(name.to_owned())).expect("known").stored.state
    }
}

fn recover(store: &Arc<MemoryStore>, book: &Arc<Book>, now: Moment) -> Engine {
    let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    Engine::recover(store, Arc::clone(book), now).expect("a store in memory recovers")
}

#[test]
fn a_line_that_stops_loses_nothing_and_starts_when_a_probe_succeeds() {
    let mut world = World::new(book("45m", |_| {}));
    world.ask(&["ana", "berta", "carla"]);
    let calls = world.pass(45 * MINUTE);
    assert_eq!(calls.len(), 3);
    let line = world.line();
    assert!(world.engine.stop_line(line, false, "401: token expired", world.now));
    assert!(!world.engine.stop_line(line, false, "401: token expired again", world.now), "told once");
    world.end_stopped(&calls[0]);
    // Two were claimed and not begun: the last look stops them, and that costs them nothing either.
    for call in &calls[1..] {
        assert!(!world.engine.door(call.id, world.now));
        world.engine.settle(call.id, Verdict::NotBegun, world.now);
    }
    for name in ["ana", "berta", "carla"] {
        assert_eq!((world.state(name).phase, world.state(name).attempt), (Phase::Retrying, 0), "{name}");
    }
    let told = world.engine.standing().stopped;
    assert_eq!((told.len(), &*told[0].line, &*told[0].why, told[0].since), (1, "support", "401: token expired again", world.now));
    assert!(world.engine.snapshot(world.now).lines["support"]);
    let mut probes = Vec::new();
    for _ in 0..7 {
        let probe = world.engine.next_probe().expect("it is asked about");
        probes.push(probe.since(world.now) / SECOND);
        world.now = probe.plus(-1);
        assert_eq!(world.engine.probe_due(world.now), []);
        assert_eq!(world.pass(1), []);
        assert_eq!(world.engine.probe_due(world.now), [line]);
        assert_eq!(world.engine.probe_due(world.now), [], "asked once at a time");
        assert!(!world.engine.probed(line, Err("401".to_owned()), world.now));
    }
    assert_eq!(probes, [15, 30, 60, 120, 240, 300, 300]);
    assert_eq!(world.pass(40 * MINUTE), []);
    assert!(world.engine.probed(line, Ok(()), world.now));
    assert!(!world.engine.probed(line, Ok(()), world.now), "it has started already");
    assert_eq!((world.engine.standing().stopped.len(), world.engine.next_probe()), (0, None));
    let went: Vec<u8> = world.pass(0).iter().map(|call| call.send.attempt).collect();
    assert_eq!(went, [1, 1, 1], "all of them, as if nothing had been");
}

#[test]
fn where_nobody_can_be_asked_one_send_at_a_time_tells() {
    let mut world = World::new(book("45m", |_| {}));
    world.ask(&["ana", "berta"]);
    let calls = world.pass(45 * MINUTE);
    let line = world.line();
    world.engine.stop_line(line, false, "403", world.now);
    calls.iter().for_each(|call| world.end_stopped(call));
    for round in 0..20 {
        world.now = world.engine.next_probe().expect("it is tried again");
        assert_eq!(world.engine.probe_due(world.now), [line]);
        assert_eq!(world.pass(0), [], "not before it is let through");
        world.engine.try_one(line);
        let tried = world.pass(0);
        assert_eq!((tried.len(), tried[0].send.attempt), (1, 1), "round {round}");
        assert_eq!(world.pass(MINUTE), [], "one at a time");
        assert!(world.engine.door(tried[0].id, world.now));
        world.engine.stop_line(line, false, "403", world.now);
        world.end_stopped(&tried[0]);
    }
    world.now = world.engine.next_probe().expect("it is tried again");
    world.engine.probe_due(world.now);
    world.engine.try_one(line);
    let tried = world.pass(0);
    world.end(&tried[0], Verdict::Refused(Refusal::Recipient));
    assert_eq!(world.engine.standing().stopped, [], "a message that was judged came from somebody known");
    assert_eq!(world.pass(0).len(), 1);
}

#[test]
fn a_send_refused_before_anybody_was_asked_tells_nothing_of_its_line() {
    let mut world = World::new(book("45m", |_| {}));
    world.ask(&["ana", "berta", "carla"]);
    let calls = world.pass(45 * MINUTE);
    let line = world.line();
    world.engine.stop_line(line, false, "403", world.now);
    calls.iter().for_each(|call| world.end_stopped(call));
    world.now = world.engine.next_probe().expect("it is tried again");
    world.engine.probe_due(world.now);
    world.engine.try_one(line);
    let tried = world.pass(0);
    world.engine.settle_unasked(tried[0].id, Refusal::Template, world.now);
    world.commit();
    assert_eq!(world.engine.standing().stopped.len(), 1, "a template that is missing here proves no credentials");
    let next = world.pass(0);
    assert_eq!(next.len(), 1, "the next one tries instead");
    world.end(&next[0], Verdict::Accepted(world.now));
    assert_eq!(world.engine.standing().stopped, []);
}

#[test]
fn a_provider_that_answers_nothing_is_left_alone_before_everybody_is_in_doubt() {
    let names: Vec<String> = (0..20).map(|i| format!("person-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(book("45m", |line| line.max_in_flight = 20));
    world.ask(&names);
    let calls = world.pass(45 * MINUTE);
    let (lost, rest) = calls.split_at(limits::DOUBTS_IN_A_ROW as usize);
    // An answer in between, and it is one bad moment more.
    world.end(&lost[0], Verdict::Unknown);
    world.end(&rest[0], Verdict::Accepted(world.now));
    for call in &lost[1..] {
        world.end(call, Verdict::Unknown);
    }
    assert_eq!(world.engine.standing().stopped, []);
    world.end(&rest[1], Verdict::Unknown);
    let told = world.engine.standing().stopped;
    assert!(told.len() == 1 && told[0].why.contains("without an answer"), "{told:?}");
    assert_eq!(world.engine.newly_stopped(), told, "told once");
    assert_eq!(world.engine.newly_stopped(), []);
    for call in &rest[2..] {
        assert!(!world.engine.door(call.id, world.now), "what was claimed stays here");
        world.engine.settle(call.id, Verdict::NotBegun, world.now);
    }
    // Its provider says that all is well, and takes nothing all the same: one person at a time finds out.
    let line = world.line();
    for verdict in [Verdict::Unknown, Verdict::Unknown, Verdict::Accepted(Moment(0))] {
        world.now = world.engine.next_probe().expect("it is asked about");
        assert_eq!(world.engine.probe_due(world.now), [line]);
        assert!(!world.engine.probed(line, Ok(()), world.now), "that proves nothing");
        let tried = world.pass(0);
        assert_eq!(tried.len(), 1);
        world.end(&tried[0], verdict);
    }
    assert_eq!(world.engine.standing().stopped, []);
    assert_eq!(world.pass(0).len(), rest.len() - 2 - 3, "everybody else, as if nothing had been");
}

#[test]
fn an_operator_or_a_restart_starts_a_line_at_once_and_new_rules_ask_at_once() {
    let mut world = World::new(book("45m", |_| {}));
    world.ask(&["ana"]);
    let call = world.pass(45 * MINUTE)[0];
    let line = world.line();
    for target in [Target::Line("support".to_owned()), Target::All] {
        world.engine.stop_line(line, false, "401", world.now);
        assert_eq!(world.engine.standing().stopped.len(), 1);
        assert_eq!(world.engine.pause(&target, false).expect("a line").stopped, []);
    }
    world.engine.stop_line(line, false, "401", world.now);
    world.end_stopped(&call);
    world.engine.reload(Arc::clone(&world.book));
    assert_eq!(world.engine.probe_due(world.now), [line]);
    assert_eq!(world.pass(MINUTE), []);
    world.restart();
    let again = world.pass(0);
    assert_eq!((again.len(), again[0].send.attempt), (1, 1), "the first call finds out again");
}

#[test]
fn a_send_that_met_a_stopped_line_goes_by_the_rules_when_it_starts() {
    // The day ends at 17:00, before the line starts.
    let mut world = World::new(book("45m; open Mo-Su 09:00-17:00 UTC", |_| {}));
    world.ask(&["ana"]);
    let call = world.pass(45 * MINUTE)[0];
    let line = world.line();
    world.engine.stop_line(line, false, "401", world.now);
    world.end_stopped(&call);
    world.pass(3 * HOUR);
    world.engine.start_line(line);
    assert_eq!(world.pass(0), []);
    assert_eq!(world.state("ana").phase, Phase::Waiting, "planned again, for the next opening");
}

#[test]
fn an_account_that_may_not_send_is_tried_by_one_send_and_asked_less_and_less_often() {
    let mut world = World::new(book("45m", |_| {}));
    world.ask(&["ana", "berta", "carla"]);
    let calls = world.pass(45 * MINUTE);
    let line = world.line();
    world.engine.stop_line(line, true, "131048", world.now);
    calls.iter().for_each(|call| world.end_stopped(call));
    let mut waits = Vec::new();
    for _ in 0..4 {
        let probe = world.engine.next_probe().expect("it is asked about");
        waits.push(probe.since(world.now) / SECOND);
        world.now = probe;
        assert_eq!(world.engine.probe_due(world.now), [line]);
        assert!(!world.engine.probed(line, Ok(()), world.now), "that the credentials are taken proves nothing");
        let trial = world.pass(0);
        assert_eq!(trial.len(), 1, "one send tells");
        world.engine.stop_line(line, true, "131048", world.now);
        world.end_stopped(&trial[0]);
    }
    assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "{waits:?}");
}

#[test]
fn a_line_that_stops_again_as_soon_as_it_has_started_is_asked_less_often() {
    let mut world = World::new(book("45m", |_| {}));
    world.ask(&["ana"]);
    let line = world.line();
    let mut waits = Vec::new();
    for _ in 0..4 {
        world.engine.stop_line(line, false, "401", world.now);
        let probe = world.engine.next_probe().expect("it is asked about");
        waits.push(probe.since(world.now) / SECOND);
        world.now = probe;
        assert!(world.engine.probed(line, Ok(()), world.now));
    }
    assert_eq!(waits, [15, 30, 60, 120]);
    world.engine.stop_line(line, false, "401", world.now);
    world.engine.start_line(line);
    world.engine.stop_line(line, false, "401", world.now);
    assert_eq!(world.engine.next_probe().map(|at| at.since(world.now) / SECOND), Some(15), "an operator's word begins anew");
}

#[test]
fn a_throttled_line_waits_and_the_others_of_its_calls_say_the_same() {
    let mut world = World::new(book("45m", |_| {}));
    world.ask(&["ana", "berta"]);
    let calls = world.pass(45 * MINUTE);
    let line = world.line();
    for call in &calls {
        world.engine.throttle(line, 30 * SECOND, world.now);
        world.end(call, Verdict::Busy(30 * SECOND));
    }
    world.ask(&["carla"]);
    // The wheel may want a look before that, whenever one of its buckets begins.
    let mut next = world.engine.fire(world.now.plus(SECOND));
    for _ in 0..2 {
        next = next.filter(|at| *at < world.now.plus(30 * SECOND)).map_or(next, |at| world.engine.fire(at));
    }
    assert_eq!(next, Some(world.now.plus(30 * SECOND)));
    assert_eq!(world.pass(30 * SECOND - 1), []);
    assert_eq!(world.pass(1).len(), 2);
    world.engine.throttle(line, i64::MAX, world.now);
    assert_eq!(world.pass(limits::RETRY_AFTER_CEILING - 1), []);
    assert_eq!(world.pass(1).len(), 1);
}

#[test]
fn a_gap_holds_one_person_and_nobody_else() {
    let mut world = World::new(book("45m", |line| line.pair_gap = 6 * SECOND));
    world.ask(&["ana", "berta"]);
    world.now = world.now.plus(45 * MINUTE);
    assert_eq!(world.live(0).len(), 2, "nobody waits for another's gap");
    world.now = world.now.plus(2 * SECOND);
    world.tell("ana", What::Answer(Choice::Yes));
    world.tell("berta", What::UserMessage("hola".to_owned()));
    world.commit();
    // The question again waits for the rest of the gap, over a restart as well: then it counts from there.
    assert_eq!(world.live(3 * SECOND), []);
    world.restart();
    assert_eq!(world.pass(6 * SECOND - 1), []);
    let asked = world.pass(1);
    assert_eq!((asked.len(), world.name(&asked[0]), asked[0].send.attempt), (1, "ana".to_owned(), 1), "waiting is no attempt");
}

#[test]
fn the_question_again_does_not_wait_behind_follow_ups() {
    let mut world = World::new(book("45m", |line| line.rate = Some(1)));
    world.ask(&["ana"]);
    world.now = world.now.plus(45 * MINUTE);
    world.live(0);
    let names: Vec<String> = (0..50).map(|n| format!("person {n}")).collect();
    world.ask(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world.now = world.now.plus(46 * MINUTE);
    assert_eq!(world.live(2 * SECOND - 1).len(), 2);
    world.tell("ana", What::Answer(Choice::Yes));
    let next = world.pass(1);
    assert_eq!((next.len(), next[0].send.purpose, world.name(&next[0])), (1, Purpose::Ask, "ana".to_owned()));
}

#[test]
fn so_many_people_a_day_by_template_and_everybody_else_at_once() {
    let mut world = World::new(book("45m; window 1d less 10m, template OTB1, skip", |line| line.daily = Some(2)));
    for name in ["ana", "berta", "carla", "dora"] {
        world.ask(&[name]);
        world.now = world.now.plus(SECOND);
    }
    // Elena wrote: what she gets is free text, and counts for nobody's place.
    world.tell("elena", What::UserMessage("hola".to_owned()));
    world.ask(&["elena"]);
    let went = |world: &mut World, by| world.live(by).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(went(&mut world, 46 * MINUTE), ["ana", "berta", "elena"]);
    let first = T.plus(45 * MINUTE);
    world.restart();
    world.now = first.plus(DAY - 1);
    assert_eq!(went(&mut world, 0), [""; 0], "a restart forgets nobody");
    assert_eq!(went(&mut world, 1), ["carla"], "a place is free: whoever waits longest has it");
    assert_eq!(went(&mut world, SECOND), ["dora"]);
}

#[test]
fn an_invitation_that_waits_for_a_place_in_the_day_hides_nobody_whose_time_is_over() {
    let rules = "45m; late by at most 20m; window 1d less 10m, template OTB1, skip";
    let mut world = World::new(book(rules, |line| line.daily = Some(1)));
    world.ask(&["ana"]);
    assert_eq!(world.live(46 * MINUTE).len(), 1, "the day is full");
    let outgoing = Outgoing { outbound: "OTB2".to_owned(), template: "start/es".to_owned(), yes: "Sí".to_owned(), ..Outgoing::default() };
    let (line, flow, phone) = ("support".to_owned(), Some("onboarding".to_owned()), "573181230000".to_owned());
    world.engine.invite(&Invitation { line, flow, phone, outgoing, id: None }, world.now).expect("taken");
    world.ask(&["berta"]);
    assert_eq!(world.live(66 * MINUTE).len(), 0);
    let berta = world.state("berta");
    let skipped = Some(SendOutcome::Skipped(SkipReason::TooLate));
    assert_eq!((berta.sent, berta.phase), (skipped, Phase::Answering), "{berta:?}");
}
