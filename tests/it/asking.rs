//! The engine on flows that ask their own questions: what starts them, taps on choices, other flows, restarts; and on messages of our
//! own accord that turn out not to be wanted. Not the plain courses, which are stories, and not what answers a question.

use std::collections::BTreeMap;
use std::sync::Arc;

use reengaged::conversation::questionnaire::{Kind, Question};
use reengaged::conversation::{Ignored, Outcome, Phase, Policy, Purpose, Verdict};
use reengaged::engine::Engine;
use reengaged::engine::book::{Book, Hook, Line};
use reengaged::engine::compose::compose;
use reengaged::engine::group::Call;
use reengaged::engine::heard::{Person, Tap, TemplateNews};
use reengaged::engine::inbounds::Inbounds;
use reengaged::engine::ports::{Message, Store};
use reengaged::engine::record::Outgoing;
use reengaged::engine::request::{Answer, Inbound, Invitation, Rejected, View, What, Who};
use reengaged::id::{ConversationId, Keys};
use reengaged::moment::{DAY, MINUTE, Moment, SECOND};
use reengaged::shapes::story::read_policy;
use reengaged::store::MemoryStore;

/// A Monday, 15:00 UTC.
const T: Moment = Moment(1_772_463_600_000);
const ANA: &str = "573181230000";

/// A hook's kind, the flow it is of, and the answers it carries.
type Told = (&'static str, String, Vec<(String, String)>);

struct World {
    store: Arc<MemoryStore>,
    engine: Engine,
    book: Arc<Book>,
    now: Moment,
    heard: usize,
}

fn question(id: &str, kind: Kind) -> Question {
    Question { id: id.into(), prompt: format!("{id}?").into(), kind, retry: Some(format!("{id}!").into()) }
}

/// Two flows that ask, and one whose bot talks.
fn book() -> Book {
    let policy = |asks: bool| Arc::new(Policy { asks, ..read_policy("45m; doubts are settled; needs a number").expect("rules") });
    let flows = ["bot", "credit", "onboarding"].map(Arc::<str>::from);
    let policies: BTreeMap<Arc<str>, Arc<Policy>> = flows.iter().map(|flow| (Arc::clone(flow), policy(**flow != *"bot"))).collect();
    let line = Line {
        flow: Some(Arc::from("onboarding")),
        max_in_flight: 8,
        rate: None,
        pair_gap: 0,
        daily: None,
        catch_up_wait: 0,
        capabilities: policies["bot"].line,
    };
    let color = Kind::Choice(vec!["Rojo".into(), "Verde".into()]);
    let onboarding = vec![question("name", Kind::Text), question("color", color.clone()), question("shade", color)];
    Book {
        lines: BTreeMap::from([(Arc::from("line"), line)]),
        hooks: vec![Hook { name: Arc::from("crm"), events: Vec::new(), flows: Vec::new() }],
        flows: flows.to_vec(),
        policies: BTreeMap::from([(Arc::from("line"), policies)]),
        questions: BTreeMap::from([
            (Arc::from("onboarding"), Arc::from(onboarding)),
            (Arc::from("credit"), Arc::from(vec![question("amount", Kind::Number { min: None, max: None })])),
        ]),
        ..Book::default()
    }
}

fn outgoing() -> Outgoing {
    let (template, yes, no) = ("start/es".to_owned(), "Empezar".to_owned(), "Ahora no".to_owned());
    Outgoing { outbound: "OTB1".to_owned(), template, yes, no, ..Outgoing::default() }
}

fn invitation(flow: Option<&str>, id: &str) -> Invitation {
    let id = Some(id.to_owned());
    Invitation { line: "line".to_owned(), flow: flow.map(str::to_owned), phone: ANA.to_owned(), outgoing: outgoing(), id }
}

impl World {
    fn new() -> World {
        let store = Arc::new(MemoryStore::new(Keys::new(&[7; 32])));
        let book = Arc::new(book());
        let engine = Engine::recover(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&book), T).expect("a store in memory");
        World { store, engine, book, now: T, heard: 0 }
    }

    fn hear(&mut self, what: What) -> Answer {
        self.heard += 1;
        let who = Who::Person(Person { phone: ANA.to_owned(), user: String::new() });
        let event =
            Inbound { id: Some(format!("wamid.{}", self.heard)), line: Some("line".to_owned()), ..Inbound::of(who, Some(self.now), what) };
        self.engine.take_one(self.now, &event).expect("taken")
    }

    fn says(&mut self, text: &str) -> Answer {
        self.hear(What::UserMessage(text.to_owned()))
    }

    fn taps(&mut self, message: &Message, place: u8) -> Answer {
        let tap = Tap { send: Some(message.send), message: None, choice: None, pick: Some(place), label: "whatever".to_owned() };
        self.hear(What::Tapped(tap))
    }

    fn commit(&mut self) -> Vec<Call> {
        let Some(group) = self.engine.cut() else { return Vec::new() };
        let released = group.release(self.store.flush().expect("a store in memory")).expect("just flushed");
        released.calls
    }

    /// Time passes; what comes due is claimed and put together, and its calls begin.
    fn begin(&mut self, by: i64) -> Vec<Message> {
        self.now = self.now.plus(by);
        self.engine.fire(self.now);
        let mut begun = Vec::new();
        for call in self.commit() {
            let names = self.engine.names();
            let (line, flow) = (names.name(call.line), names.name(call.flow));
            let policy = Arc::clone(self.book.policy(&line, &flow).expect("rules"));
            let details = self.view(call.conversation).details;
            begun.push(compose(&call, &details, &policy, (line, flow), 0, self.now).expect("a message"));
            assert!(self.engine.door(call.id, self.now));
        }
        begun
    }

    /// The same, and the one call is taken.
    fn sent(&mut self) -> Message {
        let mut begun = self.begin(SECOND);
        assert_eq!(begun.len(), 1, "{begun:?}");
        let message = begun.remove(0);
        self.engine.settle_as(message.send, Verdict::Accepted(self.now), Some(&format!("m.{}", message.send)), self.now);
        self.commit();
        self.now = self.now.plus(MINUTE);
        message
    }

    fn view(&mut self, id: ConversationId) -> View {
        self.engine.show(&Who::Id(id)).expect("known")
    }

    fn hooks(&mut self) -> Vec<Told> {
        let Some(group) = self.engine.cut() else { return Vec::new() };
        let told = group.release(self.store.flush().expect("a store in memory")).expect("just flushed").told;
        let names = self.engine.names();
        let records: Vec<_> = told.iter().filter_map(|told| self.store.hook(told.seq).ok().flatten()).collect();
        records
            .into_iter()
            .map(|record| {
                let flow = self.view(record.conversation).stored.flow;
                (record.report.kind(), names.name(flow).to_string(), record.answers)
            })
            .collect()
    }
}

#[test]
fn taps_answer_the_question_they_stand_under_and_no_other() {
    let mut world = World::new();
    world.says("hola");
    assert_eq!(world.sent().text, "name?");
    world.says("Ana");
    let color = world.sent();
    let titles: Vec<&str> = color.choices.iter().map(|(_, title)| title.as_str()).collect();
    assert_eq!((color.text.as_str(), titles), ("color?", vec!["Rojo", "Verde"]));
    let id = world.taps(&color, 1).conversation;
    let shade = world.sent();
    assert_eq!(world.view(id).details.answers, [("name".to_owned(), "Ana".to_owned()), ("color".to_owned(), "Verde".to_owned())]);
    assert_eq!(world.taps(&color, 0).ignored, Some(Ignored::Stale), "the question before");
    assert_eq!(world.view(id).details.answers.len(), 2);
    assert_eq!(world.taps(&shade, 7).ignored, None, "no such choice: asked again");
    let again = world.sent();
    assert_eq!((again.text.as_str(), again.choices.len()), ("shade!", 2));
    assert_eq!(world.taps(&shade, 0).ignored, Some(Ignored::Stale), "the same question, asked before");
    world.taps(&again, 0);
    let told = world.hooks().pop().expect("an end");
    assert_eq!((told.0, told.2.len()), ("conversation.succeeded", 3));
}

#[test]
fn the_last_answer_ends_a_run_that_began_before_the_clock_was_set_back() {
    let mut world = World::new();
    world.says("hola");
    world.sent();
    world.says("Ana");
    let color = world.sent();
    world.now = world.now.plus(-55 * MINUTE);
    world.taps(&color, 1);
    let shade = world.sent();
    let id = world.taps(&shade, 0).conversation;
    assert_eq!(world.view(id).stored.state.outcome(), Some(Outcome::Succeeded));
    assert_eq!(world.hooks().pop().map(|told| told.0), Some("conversation.succeeded"));
    assert_eq!(world.begin(DAY), []);
}

#[test]
fn a_tap_before_the_call_has_ended_proves_that_the_question_arrived() {
    let mut world = World::new();
    world.says("hola");
    world.sent();
    world.says("Ana");
    let color = world.begin(SECOND).remove(0);
    let id = world.taps(&color, 0).conversation;
    assert_eq!(world.view(id).details.answers.len(), 2);
    assert_eq!(world.sent().text, "shade?");
    world.engine.settle(color.send, Verdict::Unknown, world.now);
    world.commit();
    assert_eq!(world.view(id).stored.state.phase, Phase::Waiting, "late outcomes move nothing");
}

#[test]
fn an_inbound_starts_its_flow_and_other_words_start_nothing() {
    let mut world = World::new();
    let mut inbounds = Inbounds::default();
    inbounds.insert("line", "Quiero empezar", "onboarding");
    inbounds.insert("line", "Quiero un crédito", "credit");
    world.engine.start_by(inbounds);
    let id = world.says("hola").conversation;
    assert_eq!((world.begin(SECOND), world.hooks()), (Vec::new(), Vec::new()));
    world.says("quiero EMPEZAR");
    assert_eq!(world.sent().text, "name?");
    world.says("Quiero empezar");
    assert_eq!(world.sent().text, "name?", "asked again, not answered");
    world.says("Ana");
    assert_eq!(world.sent().text, "color?");
    world.says("quiero un credito");
    assert_eq!(world.sent().text, "amount?");
    let view = world.view(id);
    assert_eq!((&*view.flow, view.details.answers.len()), ("credit", 0), "answers were to the other flow");
    world.says("1.500.000");
    let told = world.hooks().pop().expect("an end");
    assert_eq!(told, ("conversation.succeeded", "credit".to_owned(), vec![("amount".to_owned(), "1500000".to_owned())]));
    world.now = world.now.plus(DAY);
    assert_eq!(world.says("otra cosa").ignored, Some(Ignored::Finished));
    world.says("quiero un crédito");
    assert_eq!(world.sent().text, "amount?");
}

#[test]
fn an_invitation_ends_what_was_and_its_own_labels_answer_it() {
    let mut world = World::new();
    world.says("hola");
    world.sent();
    world.says("Ana");
    world.sent();
    let id = world.engine.invite(&invitation(Some("credit"), "1"), world.now).expect("taken").conversation;
    assert_eq!(world.view(id).details.answers, Vec::new());
    let invited = world.sent();
    assert_eq!((invited.purpose, invited.template.as_deref()), (Purpose::Invite, Some("start/es")));
    assert_eq!(world.says("¿quién es?").ignored, Some(Ignored::NothingToDo));
    // A provider that tells nothing but the label.
    world.hear(What::Tapped(Tap {
        send: None,
        message: Some(format!("m.{}", invited.send)),
        choice: None,
        pick: None,
        label: "Empezar".into(),
    }));
    assert_eq!(world.sent().text, "amount?");
    let again = world.engine.invite(&invitation(Some("credit"), "1"), world.now).expect("known");
    assert_eq!((again.ignored, again.conversation), (Some(Ignored::Duplicate), id));
}

#[test]
fn what_is_not_wanted_any_more_does_not_go_out() {
    let mut world = World::new();
    let news = |usable| ("line".to_owned(), TemplateNews { address: String::new(), template: "start/es".into(), usable, word: "X".into() });
    let invited = world.engine.invite(&invitation(Some("credit"), "1"), world.now).expect("taken").conversation;
    let notified = world.engine.invite(&invitation(None, "2"), world.now).expect("taken").conversation;
    world.engine.hear_of_templates(&[news(false)]).expect("kept");
    assert_eq!(world.begin(SECOND), Vec::new());
    for id in [invited, notified] {
        assert_eq!(world.view(id).stored.state.outcome(), Some(Outcome::Failed));
    }
    let refused = world.engine.invite(&invitation(None, "3"), world.now);
    assert!(matches!(&refused, Err(Rejected::Impossible(why)) if why.contains("OTB1")), "{refused:?}");
    world.engine.hear_of_templates(&[news(true)]).expect("kept");

    let notified = world.engine.invite(&invitation(None, "4"), world.now).expect("taken").conversation;
    world.says("stop");
    assert_eq!(world.begin(SECOND), Vec::new(), "opted out before it went");
    assert_eq!(world.view(notified).stored.state.outcome(), Some(Outcome::Failed));
    for flow in [None, Some("credit")] {
        assert_eq!(world.engine.invite(&invitation(flow, "5"), world.now), Err(Rejected::OptedOut));
    }
}

#[test]
fn an_opt_out_between_the_claim_and_the_call_stops_a_notification() {
    let mut world = World::new();
    let notified = world.engine.invite(&invitation(None, "1"), world.now).expect("taken").conversation;
    world.engine.fire(world.now);
    let calls = world.commit();
    assert_eq!(calls.len(), 1);
    world.says("stop");
    world.commit();
    assert!(!world.engine.door(calls[0].id, world.now));
    world.engine.settle(calls[0].id, Verdict::NotBegun, world.now);
    world.commit();
    assert_eq!(world.begin(MINUTE), Vec::new());
    assert_eq!(world.view(notified).stored.state.outcome(), Some(Outcome::Failed));
}

#[test]
fn a_notification_is_a_conversation_of_its_own_and_leaves_no_password_behind() {
    let mut world = World::new();
    let talking = world.says("hola").conversation;
    world.sent();
    let notified = world.engine.invite(&invitation(None, "otp"), world.now).expect("taken").conversation;
    assert_ne!(talking, notified);
    assert_eq!(world.sent().purpose, Purpose::Notify);
    let view = world.view(notified);
    assert_eq!((view.stored.state.outcome(), view.details.outbound, &*view.flow), (Some(Outcome::Succeeded), None, "notification"));
    assert_eq!(world.says("Ana").conversation, talking);
    assert_eq!(world.sent().text, "color?");
}

#[test]
fn answers_survive_the_process() {
    let mut world = World::new();
    world.says("hola");
    world.sent();
    let id = world.says("Ana").conversation;
    world.sent();
    world.store.crash(|_| 0);
    world.engine = Engine::recover(Arc::clone(&world.store) as Arc<dyn Store>, Arc::clone(&world.book), world.now).expect("recovers");
    world.says("rojo");
    assert_eq!(world.sent().text, "shade?");
    assert_eq!(world.view(id).details.answers.len(), 2);
}

#[test]
fn a_flow_that_asks_takes_no_questions_of_a_bot() {
    let mut world = World::new();
    let who = Who::Person(Person { phone: ANA.to_owned(), user: String::new() });
    let asked = Inbound { line: Some("line".to_owned()), ..Inbound::of(who, Some(T), What::Question(Default::default())) };
    assert!(matches!(world.engine.take_one(T, &asked), Err(Rejected::Impossible(_))));
    let id = world.says("hola").conversation;
    world.sent();
    let before = world.view(id).stored.state;
    assert_eq!(world.hear(What::Spoke(Some("soy Luis, de la tienda".to_owned()))).ignored, Some(Ignored::NothingToDo));
    assert_eq!(world.view(id).stored.state, before, "a human at the phone changes no question");
}
