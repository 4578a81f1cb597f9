//! The engine by its verbs, on a store in memory: names and numbers of people, flows and lines, pauses, doubts, new rules, restarts.
//! Not what stories tell (`scenarios.rs`), and not chance (`sim/`).

mod crashes;

use std::collections::BTreeMap;
use std::sync::Arc;

use reengaged::conversation::{Choice, Ignored, Phase, Policy, Verdict};
use reengaged::engine::Engine;
use reengaged::engine::book::{Book, Hook, Line};
use reengaged::engine::group::{Call, Released};
use reengaged::engine::heard::{Fate, Status};
use reengaged::engine::ports::Store;
use reengaged::engine::record::Question;
use reengaged::engine::request::{Action, Answer, Filter, Inbound, Rejected, Target, What, Who};
use reengaged::id::{ConversationId, Keys, SendId};
use reengaged::moment::{HOUR, MINUTE, Moment, SECOND};
use reengaged::shapes::story::read_policy;
use reengaged::store::MemoryStore;

/// A Monday, 15:00 UTC.
const T: Moment = Moment(1_772_463_600_000);
const ANA: &str = "ana";
const NUMBER: &str = "573001112233";

struct World {
    store: Arc<MemoryStore>,
    engine: Engine,
    now: Moment,
}

/// Lines by name with the flow of their own; flows by name with their rules. Every flow is on every line.
fn book(lines: &[(&str, Option<&str>)], flows: &[(&str, &str)]) -> Book {
    let policies: BTreeMap<Arc<str>, Arc<Policy>> =
        flows.iter().map(|(name, rules)| (Arc::from(*name), Arc::new(read_policy(rules).expect("rules")))).collect();
    let capabilities = policies.values().next().expect("a flow").line;
    let line = |flow: Option<&str>| Line {
        flow: flow.map(Arc::from),
        max_in_flight: 2,
        rate: None,
        pair_gap: 0,
        daily: None,
        catch_up_wait: MINUTE,
        capabilities,
    };
    Book {
        lines: lines.iter().map(|(name, flow)| (Arc::from(*name), line(*flow))).collect(),
        hooks: vec![Hook { name: Arc::from("crm"), events: Vec::new(), flows: Vec::new() }],
        flows: flows.iter().map(|(name, _)| Arc::from(*name)).collect(),
        policies: lines.iter().map(|(name, _)| (Arc::from(*name), policies.clone())).collect(),
        ..Book::default()
    }
}

fn plain() -> Book {
    book(&[("support", Some("onboarding"))], &[("onboarding", "45m")])
}

fn question(id: &str) -> What {
    What::Question(Question { id: id.to_owned(), text: "¿Cuál es su cédula?".to_owned(), payload: String::new(), choices: Vec::new() })
}

fn event(name: &str, at: Moment, what: What) -> Inbound {
    let who = Who::Caller(name.to_owned());
    Inbound { id: None, who, at: Some(at), what, line: None, flow: None, to: None, vars: Vec::new(), attributes: Vec::new() }
}

impl World {
    fn new(book: Book) -> World {
        let store = Arc::new(MemoryStore::new(Keys::new(&[7; 32])));
        World { engine: recover(&store, book, T), store, now: T }
    }

    fn take(&mut self, event: &Inbound) -> Result<Answer, Rejected> {
        self.engine.take_one(self.now, event)
    }

    fn tell(&mut self, name: &str, what: What) -> Answer {
        let event = event(name, self.now, what);
        self.take(&event).expect("taken")
    }

    /// The provider tells what became of a send.
    fn status(&mut self, send: SendId, fate: Fate) -> Result<Answer, Rejected> {
        let what = What::Status(Status { message: format!("m-{send}"), send: Some(send), fate });
        let id = Some(format!("m-{send}/{fate:?}"));
        self.take(&Inbound { id, line: Some("support".to_owned()), ..Inbound::of(Who::Message, Some(self.now), what) })
    }

    /// Everything decided so far becomes durable, and what waited for that comes out.
    fn commit(&mut self) -> Released {
        let Some(group) = self.engine.cut() else { return Released::default() };
        let durable = self.store.flush().expect("a store in memory flushes");
        group.release(durable).expect("just flushed")
    }

    /// Time passes; what comes due is claimed.
    fn pass(&mut self, by: i64) -> Vec<Call> {
        self.now = self.now.plus(by);
        self.engine.fire(self.now);
        self.commit().calls
    }

    fn restart(&mut self, book: Book) {
        self.store.crash(|_| 0);
        self.engine = recover(&self.store, book, self.now);
    }

    fn phase(&mut self, name: &str) -> Phase {
        self.engine.show(&Who::Caller(name.to_owned())).expect("known").stored.state.phase
    }
}

fn recover(store: &Arc<MemoryStore>, book: Book, now: Moment) -> Engine {
    let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    Engine::recover(store, Arc::new(book), now).expect("a store in memory recovers")
}

#[test]
fn the_first_event_finds_its_line_and_its_flow() {
    let two = [("support", Some("onboarding")), ("ventas", None)];
    let flows = [("onboarding", "45m"), ("sales", "2h")];
    let mut world = World::new(book(&two, &flows));
    let ask = |line: Option<&str>, flow: Option<&str>| {
        let (line, flow) = (line.map(str::to_owned), flow.map(str::to_owned));
        Inbound { line, flow, ..event(ANA, T, question("")) }
    };
    let both = || vec!["support".to_owned(), "ventas".to_owned()];
    for (first, wrong) in [
        (ask(None, None), Rejected::LineMissing(both())),
        (ask(Some("nowhere"), None), Rejected::UnknownLine("nowhere".to_owned(), both())),
        (ask(Some("ventas"), None), Rejected::FlowMissing("ventas".to_owned())),
        (ask(Some("support"), Some("none")), Rejected::UnknownFlow("none".to_owned(), vec!["onboarding".to_owned(), "sales".to_owned()])),
    ] {
        assert_eq!(world.take(&first).unwrap_err(), wrong);
    }
    for what in [What::Answer(Choice::Yes), What::Hold, What::Release, What::SendNow, What::Postpone(T)] {
        assert_eq!(world.take(&event(ANA, T, what)).unwrap_err(), Rejected::UnknownConversation(ANA.to_owned()));
    }
    assert!(world.engine.list(&Filter { limit: 10, ..Filter::default() }).expect("a list").conversations.is_empty(), "nothing was kept");
    let due = |answer: Answer| answer.due_at.map(|due| due.since(T));
    assert_eq!(due(world.take(&ask(Some("ventas"), Some("sales"))).expect("taken")), Some(2 * HOUR));
    let beto = Inbound { who: Who::Caller("beto".to_owned()), ..ask(Some("support"), None) };
    assert_eq!(due(world.take(&beto).expect("taken")), Some(45 * MINUTE));
    let mut one = World::new(book(&[("only", None)], &[("single", "1h")]));
    assert_eq!(due(one.tell(ANA, question(""))), Some(HOUR), "the only line and the only flow need no name");
}

#[test]
fn a_conversation_is_found_by_all_its_names_and_stays_on_its_line() {
    let mut world = World::new(book(&[("support", Some("onboarding")), ("ventas", Some("onboarding"))], &[("onboarding", "45m")]));
    let on = |name: &str, line: &str, to: &str, id: &str| Inbound {
        line: Some(line.to_owned()),
        to: Some(to.to_owned()),
        ..event(name, T, question(id))
    };
    let ana = world.take(&on(ANA, "support", NUMBER, "1")).expect("taken").conversation;
    let same = world.take(&on("proceso-77", "support", NUMBER, "2")).expect("taken").conversation;
    assert_eq!(same, ana, "one person on one line is one conversation");
    assert_eq!(world.take(&event("proceso-77", T, What::UserMessage("hola".to_owned()))).expect("taken").conversation, ana);
    let by_id = Inbound { who: Who::Id(ana), ..event("", T.plus(1), What::UserMessage("hola".to_owned())) };
    assert_eq!(world.take(&by_id).expect("taken").conversation, ana);
    let elsewhere = world.take(&on("beto", "ventas", NUMBER, "3")).expect("taken").conversation;
    assert_ne!(elsewhere, ana, "the same number on another line is another conversation");
    let carla = world.take(&on("carla", "support", "573009998877", "4")).expect("taken").conversation;
    assert_eq!(world.take(&on("carla", "support", NUMBER, "5")).unwrap_err(), Rejected::AliasTaken(ana));
    assert_eq!(world.take(&on(ANA, "ventas", NUMBER, "6")).unwrap_err(), Rejected::OtherLine("support".to_owned(), "ventas".to_owned()));
    let stranger = Inbound { who: Who::Id(ConversationId(1)), ..event("", T, question("7")) };
    assert!(matches!(world.take(&stranger), Err(Rejected::UnknownConversation(_))));
    world.commit();
    world.restart(book(&[("support", Some("onboarding")), ("ventas", Some("onboarding"))], &[("onboarding", "45m")]));
    for (name, id) in [(ANA, ana), ("proceso-77", ana), ("beto", elsewhere), ("carla", carla)] {
        assert_eq!(world.engine.show(&Who::Caller(name.to_owned())).expect("known").stored.id, id, "{name} after a restart");
    }
}

#[test]
fn the_same_event_is_known_again_also_after_a_restart() {
    let mut world = World::new(plain());
    let named = Inbound { id: Some("wamid.1".to_owned()), ..event(ANA, T, question("q1")) };
    let unnamed = event(ANA, T.plus(SECOND), question("q2"));
    let timeless = Inbound { at: None, ..event(ANA, T, question("q3")) };
    assert_eq!(world.take(&named).expect("taken").ignored, None);
    assert_eq!(world.take(&unnamed).expect("taken").ignored, None);
    let later = Inbound { at: Some(T.plus(HOUR)), ..named.clone() };
    world.commit();
    for _ in 0..2 {
        for again in [&named, &later, &unnamed] {
            let answer = world.take(again).expect("taken");
            assert_eq!((answer.ignored, answer.not_deduplicated), (Some(Ignored::Duplicate), false));
        }
        world.restart(plain());
    }
    let other = event(ANA, T.plus(SECOND), question("q4"));
    assert_eq!(world.take(&other).expect("taken").ignored, None, "another question of the same instant is another event");
    world.now = T.plus(2 * SECOND);
    let answer = world.take(&timeless).expect("taken");
    assert_eq!((answer.ignored, answer.not_deduplicated), (None, true));
}

#[test]
fn what_was_not_durable_is_taken_again_and_what_was_is_not_lost() {
    let mut world = World::new(plain());
    let first = event(ANA, T, question("q1"));
    world.take(&first).expect("taken");
    world.restart(plain());
    assert_eq!(world.take(&first).expect("taken").ignored, None, "a crash before the disk forgets the event and its identity together");
    world.commit();
    world.restart(plain());
    assert_eq!(world.phase(ANA), Phase::Waiting);
    assert_eq!(world.pass(45 * MINUTE).len(), 1);
}

#[test]
fn after_a_while_down_the_line_waits_for_answers_that_queued_at_its_provider() {
    for (down, waits) in [(30 * SECOND, false), (HOUR, true)] {
        let mut world = World::new(plain());
        world.tell(ANA, question(""));
        world.now = T.plus(45 * MINUTE - SECOND);
        world.engine.tick(world.now);
        world.commit();
        world.now = world.now.plus(down);
        world.restart(plain());
        assert_eq!(world.pass(0).is_empty(), waits, "down for {down} ms");
        if waits {
            world.tell(ANA, What::UserMessage("aquí estoy".to_owned()));
            assert!(world.pass(2 * MINUTE).is_empty(), "the answer came first");
        }
    }
}

#[test]
fn an_answer_says_what_is_planned() {
    let mut world = World::new(plain());
    let answer = world.tell(ANA, question(""));
    assert_eq!((answer.state, answer.due_at, answer.episode, answer.held), (Phase::Waiting, Some(T.plus(45 * MINUTE)), 1, false));
    assert!(matches!(answer.action, Action::Send(_)));
    let held = world.tell(ANA, What::Hold);
    assert!(held.held && held.due_at.is_some());
    let quiet = world.tell(ANA, What::UserMessage("hola".to_owned()));
    assert_eq!((quiet.state, quiet.action, quiet.due_at), (Phase::Quiet, Action::None, None));
    assert_eq!(world.tell(ANA, What::SendNow).ignored, Some(Ignored::NothingToDo));
}

#[test]
fn permits_bound_the_calls_and_are_taken_again_behind_the_outcome() {
    let mut world = World::new(plain());
    for name in ["a", "b", "c", "d"] {
        world.tell(name, question(""));
    }
    let calls = world.pass(45 * MINUTE);
    assert_eq!(calls.len(), 2, "two permits");
    assert!(calls.iter().all(|call| world.engine.door(call.id, world.now)));
    assert!(world.pass(SECOND).is_empty(), "both are out");
    world.engine.settle(calls[0].id, Verdict::Accepted(world.now), world.now);
    world.engine.fire(world.now);
    let group = world.engine.cut().expect("an outcome and a claim");
    // Whatever part of the one write a crash leaves, of the ledger as of the changes, there are two claims without an outcome.
    let changes = world.store.unflushed();
    let count = |left: MemoryStore| left.doubts(9).iter().filter(|doubt| doubt.end.is_none()).count();
    for kept in 0..=changes {
        for ahead in 0..=3 {
            let left = (*world.store).clone();
            let mut parts = [kept, ahead].into_iter();
            left.crash(|n| parts.next().unwrap_or_default().min(n));
            assert!((1..=2).contains(&count(left)), "{kept} of {changes} changes, and {ahead} entries of the ledger");
        }
    }
    let durable = world.store.flush().expect("a store in memory flushes");
    assert_eq!(group.release(durable).expect("just flushed").calls.len(), 1);
    assert_eq!((world.engine.calls_under_way(), count((*world.store).clone())), (2, 2));
}

#[test]
fn pauses_hold_survive_a_restart_and_close_the_door() {
    let lines = [("support", Some("onboarding")), ("ventas", Some("onboarding"))];
    let rules = || book(&lines, &[("onboarding", "45m"), ("sales", "45m")]);
    let mut world = World::new(rules());
    let on = |name: &str, line: &str, flow: &str| Inbound {
        line: Some(line.to_owned()),
        flow: Some(flow.to_owned()),
        ..event(name, T, question(""))
    };
    for (name, line, flow) in [("a", "support", "onboarding"), ("b", "ventas", "onboarding"), ("c", "ventas", "sales")] {
        world.take(&on(name, line, flow)).expect("taken");
    }
    world.engine.pause(&Target::Line("support".to_owned()), true).expect("a line");
    let standing = world.engine.pause(&Target::Flow("sales".to_owned()), true).expect("a flow");
    assert_eq!(standing.paused, ["line support", "flow sales"]);
    assert!(world.engine.pause(&Target::Line("nowhere".to_owned()), true).is_err());
    world.commit();
    world.restart(rules());
    assert_eq!(world.engine.standing().paused, ["line support", "flow sales"]);
    let calls = world.pass(HOUR);
    assert_eq!(calls.len(), 1, "only the flow and line that nobody paused");
    world.engine.pause(&Target::Line("ventas".to_owned()), true).expect("a line");
    assert!(!world.engine.door(calls[0].id, world.now), "paused after the claim: the last look sees it");
    world.engine.settle(calls[0].id, Verdict::NotBegun, world.now);
    world.engine.pause(&Target::Line("support".to_owned()), false).expect("a line");
    assert_eq!(world.pass(SECOND).len(), 1, "support goes on");
    world.engine.pause(&Target::Line("ventas".to_owned()), false).expect("a line");
    assert_eq!(world.pass(SECOND).len(), 1, "what never began is called after all");
    world.engine.pause(&Target::Flow("sales".to_owned()), false).expect("a flow");
    world.engine.settle(calls[0].id, Verdict::Accepted(world.now), world.now);
    world.commit();
    assert_eq!(world.pass(SECOND).len(), 1, "nothing is lost");
}

#[test]
fn a_doubt_is_listed_settled_by_its_status_and_then_no_doubt() {
    let mut world = World::new(book(&[("support", Some("onboarding"))], &[("onboarding", "45m; doubts are settled")]));
    for name in ["a", "b"] {
        world.tell(name, question(""));
    }
    let calls = world.pass(45 * MINUTE);
    for call in &calls {
        world.engine.settle(call.id, Verdict::Unknown, world.now);
    }
    world.commit();
    let doubts = world.engine.doubts().expect("doubts");
    assert_eq!((doubts.len(), doubts.iter().all(|doubt| doubt.open)), (2, true));
    let (stays, goes_on) = (&calls[0], &calls[1]);
    let name = |world: &mut World, call: &Call| world.engine.show(&Who::Id(call.conversation)).expect("known").details.caller;
    let gone = name(&mut world, goes_on);
    world.tell(&gone, What::UserMessage("hola".to_owned()));
    world.commit();
    assert_eq!(world.engine.doubts().expect("doubts").iter().filter(|doubt| doubt.open).count(), 1);
    for call in &calls {
        world.status(call.id, Fate::Sent).expect("ours");
    }
    world.commit();
    assert!(world.engine.doubts().expect("doubts").is_empty(), "also that of the conversation that went on");
    let (stays, gone) = (name(&mut world, stays), gone);
    assert_eq!((world.phase(&stays), world.phase(&gone)), (Phase::Answering, Phase::Quiet));
    assert!(world.status(SendId(1), Fate::Read).is_err());
    assert!(world.engine.cut().is_none(), "a status of a send that nobody made changes nothing");
}

#[test]
fn resend_takes_doubts_alone_and_leaves_the_ledger_in_peace() {
    let mut world = World::new(plain());
    world.tell(ANA, question(""));
    let call = world.pass(45 * MINUTE)[0];
    let refused = |world: &mut World| world.engine.resend(call.id, world.now).unwrap_err().to_string();
    assert!(refused(&mut world).contains("is not in doubt"), "a call under way is none");
    world.engine.settle(call.id, Verdict::Unknown, world.now);
    world.commit();
    world.tell(ANA, What::UserMessage("hola".to_owned()));
    world.commit();
    assert!(refused(&mut world).contains("has gone on since"));
    assert_eq!(world.engine.doubts().expect("doubts").len(), 1, "and it stays in doubt");
    assert!(world.engine.resend(SendId(1), world.now).is_err());
    let mut world = World::new(plain());
    world.tell(ANA, question(""));
    let call = world.pass(45 * MINUTE)[0];
    world.engine.settle(call.id, Verdict::Unknown, world.now);
    world.commit();
    world.engine.resend(call.id, world.now).expect("in doubt");
    world.commit();
    let again = world.pass(SECOND);
    assert_eq!((again.len(), again[0].id, again[0].send.attempt), (1, call.id, 2), "the same send, another call");
}

#[test]
fn erased_means_gone_but_for_the_opt_out() {
    let mut world = World::new(plain());
    let ask = Inbound { to: Some(NUMBER.to_owned()), ..event(ANA, T, question("")) };
    world.take(&ask).expect("taken");
    let call = world.pass(45 * MINUTE)[0];
    let who = Who::Caller(ANA.to_owned());
    assert!(world.engine.erase(&who).unwrap_err().to_string().contains("a call for it is under way"));
    world.engine.settle(call.id, Verdict::Accepted(world.now), world.now);
    world.tell(ANA, What::OptOut);
    world.engine.erase(&who).expect("erased");
    world.commit();
    assert!(matches!(world.engine.show(&who), Err(Rejected::UnknownConversation(_))));
    world.restart(plain());
    assert!(matches!(world.engine.erase(&who), Err(Rejected::UnknownConversation(_))));
    world.now = world.now.plus(HOUR);
    let anew = Inbound { to: Some(NUMBER.to_owned()), ..event("someone-else", world.now, question("")) };
    assert_eq!(world.take(&anew).expect("taken").ignored, Some(Ignored::OptedOut), "the number is remembered as a keyed hash");
    assert_eq!(world.tell(ANA, question("")).ignored, Some(Ignored::OptedOut), "and so is the name");
}

#[test]
fn new_rules_plan_again_what_waits_and_nothing_else() {
    let mut world = World::new(plain());
    world.tell("waits", question(""));
    world.tell("quiet", What::UserMessage("hola".to_owned()));
    world.commit();
    world.engine.reload(Arc::new(book(&[("support", Some("onboarding"))], &[("onboarding", "2h")])));
    while world.engine.replan_some(world.now) {}
    world.commit();
    let shown = |world: &mut World, name: &str| world.engine.show(&Who::Caller(name.to_owned())).expect("known");
    assert_eq!(shown(&mut world, "waits").stored.state.due, Some(T.plus(2 * HOUR)));
    assert_eq!(shown(&mut world, "quiet").details.decisions.len(), 1);
    let decided = shown(&mut world, "waits").details.decisions.len();
    world.engine.reload(Arc::new(book(&[("support", Some("onboarding"))], &[("onboarding", "2h; yes by hook")])));
    while world.engine.replan_some(world.now) {}
    assert_eq!(shown(&mut world, "waits").details.decisions.len(), decided, "the same plan is no decision");
}

#[test]
fn a_zone_whose_rule_has_moved_is_asked_anew_when_the_follow_up_is_due() {
    // A build has one edition of the zones; the neighbouring zone stands for the same one in the next edition.
    let rules = |zone: &str| book(&[("support", Some("onboarding"))], &[("onboarding", &format!("45m; open Mo-Su 09:00-16:00 {zone}"))]);
    let mut world = World::new(rules("Etc/GMT"));
    assert_eq!(world.tell(ANA, question("")).due_at, Some(T.plus(45 * MINUTE)));
    world.commit();
    world.restart(rules("Etc/GMT-1"));
    assert!(world.pass(45 * MINUTE).is_empty(), "closed by now");
    let due = world.engine.show(&Who::Caller(ANA.to_owned())).expect("known").stored.state.due;
    assert_eq!(due, Some(T.plus(17 * HOUR)), "the next opening");
    assert_eq!(world.pass(16 * HOUR + 15 * MINUTE).len(), 1);
}

#[test]
fn a_flow_in_use_is_counted_before_it_goes_and_called_off_when_it_does() {
    let mut world = World::new(book(&[("support", Some("onboarding"))], &[("onboarding", "45m"), ("sales", "45m")]));
    let on = Inbound { flow: Some("sales".to_owned()), ..event(ANA, T, question("")) };
    world.take(&on).expect("taken");
    world.tell("beto", question(""));
    let without = plain();
    assert_eq!(world.engine.orphaned_by(&without), BTreeMap::from([("flow sales".to_owned(), 1)]));
    world.engine.reload(Arc::new(without));
    assert_eq!(world.engine.drop_orphans(world.now), 1);
    world.commit();
    assert!(matches!(world.phase(ANA), Phase::Finished(_)));
    assert_eq!((world.phase("beto"), world.engine.drop_orphans(world.now)), (Phase::Waiting, 0));
}

#[test]
fn a_failed_store_refuses_everything_and_calls_nobody() {
    let mut world = World::new(plain());
    world.tell(ANA, question(""));
    world.store.fail_flush(true);
    let group = world.engine.cut().expect("something happened");
    let fault = world.store.flush().unwrap_err();
    world.engine.fail(&fault.to_string());
    group.refuse(&fault.to_string());
    let refused = world.take(&event(ANA, T.plus(1), What::UserMessage("hola".to_owned())));
    assert!(matches!(refused, Err(Rejected::Unavailable(_))));
    world.now = T.plus(HOUR);
    assert_eq!(world.engine.fire(world.now), None);
    assert!(world.engine.cut().is_none(), "nothing is claimed");
}
