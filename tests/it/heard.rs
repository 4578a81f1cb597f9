//! The engine on what providers tell: people by number and user id, taps, the bot seen to speak, statuses in any order, templates
//! that are paused. Not the wire (`readers.rs`), and not the machine's own table (its laws).

mod names;
mod order;
mod statuses;

use std::collections::BTreeMap;
use std::sync::Arc;

use reengaged::conversation::{Choice, Finish, Ignored, Phase, Policy, Verdict};
use reengaged::engine::Engine;
use reengaged::engine::book::{Book, Completion, Hook, Line};
use reengaged::engine::group::{Call, Released};
use reengaged::engine::heard::{Fate, Person, Status, Tap, TemplateNews, Trouble};
use reengaged::engine::ports::Store;
use reengaged::engine::record::Details;
use reengaged::engine::request::{Answer, Inbound, Rejected, View, What, Who};
use reengaged::id::{ConversationId, Keys, SendId};
use reengaged::moment::{HOUR, MINUTE, Moment, SECOND};
use reengaged::schedule::SkipReason;
use reengaged::shapes::story::read_policy;
use reengaged::store::MemoryStore;

/// A Monday, 15:00 UTC.
const T: Moment = Moment(1_772_463_600_000);
const ANA: &str = "573181230000";
const ANA_ID: &str = "CO.13491208655302741918";
const LINES: [&str; 2] = ["first", "second"];
/// The rules of a line with a messaging window and a template for when it is closed.
const RULES: &str = "45m; window 24h less 10m, template reengage/es; needs a number";

struct World {
    store: Arc<MemoryStore>,
    engine: Engine,
    now: Moment,
    told: usize,
}

fn book(rules: &str, correlation: bool) -> Book {
    let mut policy = read_policy(rules).expect("rules");
    policy.line.correlation = correlation;
    let line = Line {
        flow: Some(Arc::from("onboarding")),
        max_in_flight: 8,
        rate: None,
        pair_gap: 0,
        daily: None,
        catch_up_wait: 0,
        capabilities: policy.line,
    };
    let policies: BTreeMap<Arc<str>, Arc<Policy>> = BTreeMap::from([(Arc::from("onboarding"), Arc::new(policy))]);
    Book {
        lines: LINES.iter().map(|name| (Arc::from(*name), line.clone())).collect(),
        hooks: vec![Hook { name: Arc::from("crm"), events: Vec::new(), flows: Vec::new() }],
        flows: vec![Arc::from("onboarding")],
        policies: LINES.iter().map(|name| (Arc::from(*name), policies.clone())).collect(),
        ..Book::default()
    }
}

fn person(phone: &str, user: &str) -> Who {
    Who::Person(Person { phone: phone.to_owned(), user: user.to_owned() })
}

fn ana() -> Who {
    person(ANA, "")
}

fn text(text: &str) -> What {
    What::UserMessage(text.to_owned())
}

fn tap(send: Option<SendId>, choice: Option<Choice>, label: &str) -> What {
    What::Tapped(Tap { send, message: None, choice, pick: None, label: label.to_owned() })
}

impl World {
    fn new(correlation: bool) -> World {
        World::under(RULES, correlation)
    }

    fn under(rules: &str, correlation: bool) -> World {
        let store = Arc::new(MemoryStore::new(Keys::new(&[7; 32])));
        let engine = recover(&store, book(rules, correlation), T);
        World { store, engine, now: T, told: 0 }
    }

    /// The provider tells something of `who` on a line, now.
    fn hear_on(&mut self, line: &str, who: Who, what: What) -> Result<Answer, Rejected> {
        self.told += 1;
        let id = Some(format!("wamid.{}", self.told));
        self.engine.take_one(self.now, &Inbound { id, line: Some(line.to_owned()), ..Inbound::of(who, Some(self.now), what) })
    }

    fn hear(&mut self, who: Who, what: What) -> Answer {
        self.hear_on("first", who, what).expect("taken")
    }

    fn status(&mut self, message: &str, send: Option<SendId>, fate: Fate) -> Answer {
        self.try_status(message, send, fate).expect("taken")
    }

    /// As a provider identifies statuses: by message and status.
    fn try_status(&mut self, message: &str, send: Option<SendId>, fate: Fate) -> Result<Answer, Rejected> {
        let what = What::Status(Status { message: message.to_owned(), send, fate });
        let id = Some(format!("{message}/{fate:?}"));
        self.engine.take_one(self.now, &Inbound { id, line: Some("first".to_owned()), ..Inbound::of(ana(), Some(self.now), what) })
    }

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

    /// Time passes, and the one call that comes of it ends: taken, as this message.
    fn hand_over(&mut self, by: i64, message: &str) -> Call {
        let calls = self.pass(by);
        assert_eq!(calls.len(), 1, "one call after {by} ms");
        self.engine.settle_as(calls[0].id, Verdict::Accepted(self.now), Some(message), self.now);
        self.commit();
        calls[0]
    }

    fn view(&mut self, id: ConversationId) -> View {
        self.engine.show(&Who::Id(id)).expect("known")
    }

    fn details(&mut self, id: ConversationId) -> Details {
        self.view(id).details
    }

    fn phase(&mut self, id: ConversationId) -> Phase {
        self.view(id).stored.state.phase
    }

    fn hooks(&mut self) -> Vec<&'static str> {
        let told = self.commit().told;
        told.iter().filter_map(|told| self.store.hook(told.seq).ok().flatten()).map(|record| record.report.kind()).collect()
    }

    fn restart(&mut self) {
        self.commit();
        self.store.crash(|_| 0);
        self.engine = recover(&self.store, book(RULES, true), self.now);
    }
}

fn recover(store: &Arc<MemoryStore>, book: Book, now: Moment) -> Engine {
    let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    Engine::recover(store, Arc::new(book), now).expect("a store in memory recovers")
}

#[test]
fn a_tap_on_our_button_answers_the_send_it_stood_under() {
    let mut world = World::new(true);
    let id = world.hear(ana(), What::Spoke(Some("¿Su cédula?".to_owned()))).conversation;
    let first = world.hand_over(45 * MINUTE, "wamid.A");
    world.now = world.now.plus(MINUTE);
    assert_eq!(world.hear(ana(), tap(Some(first.id), Some(Choice::Yes), "Sí")).state, Phase::Waiting, "the question again");
    let asked = world.hand_over(0, "wamid.B");
    assert_eq!(asked.conversation, id);
    let second = world.hand_over(45 * MINUTE + SECOND, "wamid.C");
    world.now = world.now.plus(MINUTE);
    let old = world.hear(ana(), tap(Some(first.id), Some(Choice::No), "No"));
    assert_eq!(old.state, Phase::Quiet, "an old no is a sign of life and no refusal");
    assert_ne!(first.id, second.id);
    assert!(world.hear(ana(), What::Spoke(None)).outcome().is_none());
}

#[test]
fn a_tap_on_a_button_of_nobody_says_what_stands_on_it_while_a_follow_up_waits_for_its_answer() {
    let mut world = World::new(true);
    let id = world.hear(ana(), What::Spoke(Some("¿Su cédula?".to_owned()))).conversation;
    assert_eq!(world.hear(ana(), tap(None, None, "No")).state, Phase::Quiet, "the bot's own button");
    world.now = world.now.plus(MINUTE);
    world.hear(ana(), What::Spoke(Some("¿Su cédula?".to_owned())));
    world.hand_over(45 * MINUTE, "wamid.A");
    world.now = world.now.plus(MINUTE);
    assert!(world.hear(ana(), tap(None, None, "No")).outcome().is_some());
    assert!(matches!(world.phase(id), Phase::Finished(_)));
}

#[test]
fn a_tap_under_the_bots_own_message_is_no_answer_to_the_follow_up() {
    let mut world = World::new(true);
    let id = world.status("wamid.bot", None, Fate::Sent).conversation;
    world.hand_over(45 * MINUTE, "wamid.A");
    world.now = world.now.plus(MINUTE);
    let label = What::Tapped(Tap { send: None, message: Some("wamid.bot".to_owned()), choice: None, pick: None, label: "No".to_owned() });
    assert_eq!(world.hear(ana(), label).outcome(), None, "no to the bot's own question is a sign of life");
    assert_eq!(world.phase(id), Phase::Quiet);
}

#[test]
fn a_tap_is_known_by_the_message_it_stood_under() {
    let mut world = World::new(false);
    world.hear(ana(), What::Spoke(Some("¿Su cédula?".to_owned())));
    world.hand_over(45 * MINUTE, "SM1");
    world.now = world.now.plus(MINUTE);
    let label = What::Tapped(Tap { send: None, message: Some("SM1".to_owned()), choice: None, pick: None, label: "Sí".to_owned() });
    assert_eq!(world.hear(ana(), label).state, Phase::Waiting);
}

#[test]
fn who_blocked_the_business_has_opted_out() {
    let mut world = World::new(true);
    world.status("wamid.bot", None, Fate::Sent);
    let call = world.hand_over(45 * MINUTE, "wamid.A");
    world.status("wamid.A", Some(call.id), Fate::Failed(Trouble::OptOut));
    world.commit();
    let told = world.hear_on("second", ana(), What::Spoke(None)).expect("taken");
    assert_eq!(told.ignored, Some(Ignored::OptedOut), "on every line");
}

#[test]
fn a_paused_template_is_not_sent_and_is_again_when_it_may() {
    let mut world = World::new(true);
    let id = world.hear(ana(), What::Spoke(Some("¿Su cédula?".to_owned()))).conversation;
    let action = |world: &mut World| world.view(id).stored.state.skip;
    assert_eq!(action(&mut world), None, "who never wrote gets the template");
    let news = |usable| {
        vec![("first".to_owned(), TemplateNews { address: String::new(), template: "reengage/es".into(), usable, word: "X".into() })]
    };
    world.engine.hear_of_templates(&news(false)).expect("kept");
    world.engine.replan_some(world.now);
    assert_eq!(action(&mut world), Some(SkipReason::TemplateUnavailable));
    world.restart();
    world.engine.reload(Arc::new(book(RULES, true)));
    world.engine.replan_some(world.now);
    assert_eq!(action(&mut world), Some(SkipReason::TemplateUnavailable), "a restart and a reload forget nothing");
    world.engine.hear_of_templates(&news(true)).expect("kept");
    world.engine.replan_some(world.now);
    assert_eq!(action(&mut world), None);
    assert_eq!(world.pass(45 * MINUTE).len(), 1);
}

#[test]
fn where_the_text_comes_after_the_sight_of_it_it_is_taken_up() {
    let mut world = World::new(true);
    let id = world.status("wamid.bot", None, Fate::Sent).conversation;
    let question =
        reengaged::engine::record::Question { id: "q1".into(), text: "¿Su cédula?".into(), payload: String::new(), choices: Vec::new() };
    let late = Inbound { line: Some("first".into()), ..Inbound::of(Who::Id(id), Some(T.plus(-2 * SECOND)), What::Question(question)) };
    world.now = world.now.plus(SECOND);
    assert_eq!(world.engine.take_one(world.now, &late).expect("taken").ignored, Some(Ignored::Stale), "it moves nothing");
    assert_eq!(world.details(id).question.map(|question| question.text).as_deref(), Some("¿Su cédula?"));

    // A newer question takes the place of an older one that is still open, whichever way it is told first.
    world.now = world.now.plus(5 * MINUTE);
    world.status("wamid.bot2", None, Fate::Sent);
    let question =
        reengaged::engine::record::Question { id: "q2".into(), text: "¿Su correo?".into(), payload: String::new(), choices: Vec::new() };
    let late = Inbound { line: Some("first".into()), ..Inbound::of(Who::Id(id), Some(world.now.plus(-SECOND)), What::Question(question)) };
    world.engine.take_one(world.now, &late).expect("taken");
    assert_eq!(world.details(id).question.map(|question| question.text).as_deref(), Some("¿Su correo?"));
}

#[test]
fn what_the_bot_says_can_end_the_process() {
    let mut rules = book(RULES, true);
    let says = Completion::new("Gracias por completar", Finish::Succeeded);
    rules.completions = BTreeMap::from([(Arc::from("onboarding"), vec![says])]);
    let mut world = World::new(true);
    world.engine.reload(Arc::new(rules));
    world.hear(ana(), What::Spoke(Some("¿Su cédula?".to_owned())));
    world.now = world.now.plus(MINUTE);
    let ended = world.hear(ana(), What::Spoke(Some("¡GRACIAS POR COMPLETAR su registro!".to_owned())));
    assert_eq!(ended.outcome().map(|outcome| outcome.as_str()), Some("succeeded"));
    assert!(world.hooks().contains(&"conversation.succeeded"));
    assert!(world.pass(HOUR).is_empty());
}
