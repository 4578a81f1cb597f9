//! A person under every name: number, user id, the caller's own; two conversations that turn out to be one, a new number.
//! Not what is said: `heard.rs` has that.

use reengaged::conversation::{Ignored, Phase};
use reengaged::engine::heard::Person;
use reengaged::engine::record::Question;
use reengaged::engine::request::{Inbound, What, Who};
use reengaged::moment::{HOUR, MINUTE};

use super::{ANA, ANA_ID, World, ana, person, text};

#[test]
fn a_person_is_one_conversation_under_every_name() {
    let mut world = World::new(true);
    let by_id = world.hear(person("", ANA_ID), text("hola")).conversation;
    let both = world.hear(person(ANA, ANA_ID), text("soy yo")).conversation;
    let by_number = world.hear(ana(), text("y yo")).conversation;
    assert_eq!((by_id, by_id), (both, by_number));
    assert_eq!(world.details(by_id).to, ANA, "the number goes before the user id once it is known");
    let elsewhere = world.hear_on("second", ana(), text("hola")).expect("taken").conversation;
    assert_ne!(elsewhere, by_id, "on another line it is another conversation");
    let refused = world.hear_on("first", person("", ""), text("hola"));
    assert!(refused.is_err(), "nobody is nobody: {refused:?}");
}

#[test]
fn two_conversations_that_turn_out_to_be_one_person_are_one_from_then_on() {
    let mut world = World::new(true);
    let by_number = world.hear(ana(), What::Spoke(None)).conversation;
    world.now = world.now.plus(MINUTE);
    let by_id = world.hear(person("", ANA_ID), What::Spoke(Some("¿Sigue ahí?".to_owned()))).conversation;
    assert_ne!(by_number, by_id);
    world.now = world.now.plus(MINUTE);
    let one = world.hear(person(ANA, ANA_ID), What::Spoke(Some("¿Su cédula?".to_owned()))).conversation;
    world.commit();
    assert_eq!(one, by_id, "the user id decides: a number may have had another owner");
    assert!(matches!(world.phase(by_number), Phase::Finished(_)), "and the other one nudges nobody");
    assert_eq!(world.hear(ana(), text("aquí")).conversation, one, "the number leads to it from now on");
}

#[test]
fn a_new_number_takes_the_conversation_and_the_opt_out_along() {
    let mut world = World::new(true);
    let before = world.hear(ana(), What::Spoke(Some("¿Su cédula?".to_owned()))).conversation;
    world.hear(ana(), What::Moved(Person { phone: "573009990000".to_owned(), user: String::new() }));
    assert_eq!(world.details(before).to, "573009990000");
    let call = world.hand_over(45 * MINUTE, "wamid.A");
    assert_eq!(call.conversation, before, "what was armed goes out, to the new number");
    let after = world.hear(person("573009990000", ""), text("STOP")).conversation;
    assert_eq!(after, before);
    world.hear(person("573009990000", ""), What::Moved(Person { phone: "573008880000".to_owned(), user: String::new() }));
    let answer = world.hear_on("second", person("573008880000", ""), What::Spoke(None)).expect("taken");
    assert_eq!(answer.ignored, Some(Ignored::OptedOut), "the person who opted out is the person with the new number, on every line");
}

fn by_api(
    world: &mut World,
    name: &str,
    to: Option<&str>,
    what: What,
) -> Result<reengaged::engine::request::Answer, reengaged::engine::request::Rejected> {
    let event =
        Inbound { line: Some("first".into()), to: to.map(str::to_owned), ..Inbound::of(Who::Caller(name.into()), Some(world.now), what) };
    world.engine.take_one(world.now, &event)
}

fn asks(text: &str) -> What {
    What::Question(Question { id: text.into(), text: text.into(), payload: String::new(), choices: Vec::new() })
}

#[test]
fn the_callers_name_leads_to_the_conversation_that_goes_on() {
    let mut world = World::new(true);
    by_api(&mut world, "c42", Some(ANA), asks("¿Su cédula?")).expect("taken");
    world.now = world.now.plus(MINUTE);
    let one = world.hear(person("", ANA_ID), text("hola")).conversation;
    world.now = world.now.plus(MINUTE);
    assert_eq!(world.hear(person(ANA, ANA_ID), text("soy yo")).conversation, one);
    world.commit();
    world.now = world.now.plus(2 * MINUTE);
    let armed = by_api(&mut world, "c42", Some(ANA), asks("¿Su correo?")).expect("the number is its own");
    assert_eq!((armed.conversation, armed.state), (one, Phase::Waiting));
    world.now = world.now.plus(MINUTE);
    assert_eq!(world.hear(ana(), text("ana@example.com")).state, Phase::Quiet);
    assert!(world.pass(HOUR).is_empty(), "nobody is nudged after the answer");
    assert_eq!(world.details(one).caller, "c42");
}

#[test]
fn what_was_heard_under_the_new_number_counts_when_the_move_is_told_later() {
    let mut world = World::new(true);
    let armed = world.hear(ana(), What::Spoke(Some("¿Su cédula?".into()))).conversation;
    world.now = world.now.plus(2 * MINUTE);
    world.hear(person("573009990000", ""), text("hola, cambié de número"));
    world.now = world.now.plus(MINUTE);
    world.hear(ana(), What::Moved(Person { phone: "573009990000".into(), user: String::new() }));
    assert_eq!(world.phase(armed), Phase::Quiet, "they have answered");
    assert!(world.pass(HOUR).is_empty());
}

#[test]
fn a_question_open_in_the_one_is_open_in_the_one_that_goes_on() {
    let mut world = World::new(true);
    world.hear(person("", ANA_ID), text("hola"));
    world.now = world.now.plus(2 * MINUTE);
    world.hear(ana(), What::Spoke(Some("¿Su cédula?".into())));
    world.now = world.now.plus(2 * MINUTE);
    // What joins the names moves nothing by itself.
    let one = world.hear(person(ANA, ANA_ID), What::Release).conversation;
    assert_eq!(world.phase(one), Phase::Waiting);
    assert_eq!(world.details(one).question.map(|question| question.text).as_deref(), Some("¿Su cédula?"));
    assert_eq!(world.pass(43 * MINUTE).len(), 1);
}

#[test]
fn stop_under_the_user_id_alone_reaches_the_number() {
    let mut world = World::new(true);
    world.hear(person(ANA, ANA_ID), text("hola"));
    world.hear(person("", ANA_ID), text("STOP"));
    let told = world.hear_on("second", ana(), What::Spoke(None)).expect("taken");
    assert_eq!(told.ignored, Some(Ignored::OptedOut));
}
