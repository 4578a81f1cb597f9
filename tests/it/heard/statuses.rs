//! What providers tell of messages: ours and the bot's, in any order, before and after the call has ended.
//! Not what people say: `heard.rs` has that.

use reengaged::conversation::{Form, Ignored, Phase, SendOutcome, Verdict};
use reengaged::engine::heard::{Fate, Trouble};
use reengaged::engine::record::Reach;
use reengaged::engine::request::Rejected;
use reengaged::moment::{HOUR, MINUTE, SECOND};
use reengaged::schedule::SkipReason;

use super::{T, World, ana, text};

#[test]
fn the_bots_message_arms_and_ours_does_not() {
    let mut world = World::new(true);
    let armed = world.status("wamid.bot", None, Fate::Sent);
    assert_eq!((armed.state, armed.due_at), (Phase::Waiting, Some(T.plus(45 * MINUTE))));
    assert_eq!(world.status("wamid.bot", None, Fate::Delivered).ignored, Some(Ignored::NothingToDo), "it speaks once");
    assert_eq!(world.status("wamid.bot", None, Fate::Sent).ignored, Some(Ignored::Duplicate));
    let call = world.hand_over(45 * MINUTE, "wamid.ours");
    world.now = world.now.plus(SECOND);
    let ours = world.status("wamid.ours", Some(call.id), Fate::Sent);
    assert_eq!((ours.state, ours.episode), (Phase::Answering, armed.episode));
}

#[test]
fn statuses_in_any_order_move_a_send_by_rank() {
    let mut world = World::new(true);
    let id = world.status("wamid.bot", None, Fate::Sent).conversation;
    let call = world.hand_over(45 * MINUTE, "wamid.A");
    world.hooks();
    let reach = |world: &mut World| world.details(id).send(call.id).expect("a send").reach;
    world.status("wamid.A", Some(call.id), Fate::Read);
    assert_eq!(world.hooks(), ["conversation.follow_up_delivered"], "read is delivered too");
    for late in [Fate::Sent, Fate::Delivered, Fate::Failed(Trouble::Permanent)] {
        assert_eq!(world.status("wamid.A", Some(call.id), late).ignored, Some(Ignored::Stale), "{late:?} after read");
    }
    assert_eq!((reach(&mut world), world.hooks()), (Reach::Read, Vec::new()));
    assert_eq!(world.phase(id), Phase::Answering);
}

#[test]
fn without_correlation_a_send_is_known_by_its_message() {
    let mut world = World::new(false);
    let id = world.status("SM-bot", None, Fate::Sent).conversation;
    let call = world.pass(45 * MINUTE)[0];
    assert_eq!(world.try_status("SM1", None, Fate::Sent), Err(Rejected::NotYet), "it may be the call under way");
    world.engine.settle_as(call.id, Verdict::Accepted(world.now), Some("SM1"), world.now);
    assert_eq!(world.details(id).send(call.id).map(|send| send.reach), Some(Reach::Sent), "and so it was");
    world.now = world.now.plus(SECOND);
    world.status("SM1", None, Fate::Delivered);
    assert_eq!(world.details(id).send(call.id).map(|send| send.reach), Some(Reach::Delivered));
    assert_eq!(world.phase(id), Phase::Answering);
}

#[test]
fn a_failure_told_before_the_call_has_ended_counts_when_it_has() {
    let mut world = World::new(false);
    let id = world.status("SM-bot", None, Fate::Sent).conversation;
    let call = world.pass(45 * MINUTE)[0];
    assert_eq!(world.try_status("SM1", None, Fate::Failed(Trouble::Permanent)), Err(Rejected::NotYet), "nothing of it is on disk");
    world.engine.settle_as(call.id, Verdict::Accepted(world.now), Some("SM1"), world.now);
    world.commit();
    assert_eq!(world.details(id).send(call.id).map(|send| send.outcome), Some(SendOutcome::Rejected(SkipReason::NoRecipient)));
    let again = world.status("SM1", None, Fate::Failed(Trouble::Permanent));
    assert_eq!(again.ignored, Some(Ignored::Stale), "told again, it is known");
}

#[test]
fn while_nobody_knows_whether_ours_arrived_the_bot_is_not_seen_to_speak() {
    let mut world = World::new(false);
    let id = world.status("SM-bot", None, Fate::Sent).conversation;
    let call = world.pass(45 * MINUTE)[0];
    world.engine.settle(call.id, Verdict::Unknown, world.now);
    world.commit();
    world.now = world.now.plus(MINUTE);
    let told = world.status("SM-who-knows", None, Fate::Sent);
    assert_eq!((told.ignored, world.phase(id)), (Some(Ignored::NothingToDo), Phase::Answering), "a second follow-up is worse than none");
}

#[test]
fn a_window_that_turns_out_closed_takes_the_template_once() {
    // Between the two, or in one turn of the loop: the ledger's own word of the first call is in the same group then.
    for (sync, at_once) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut world = World::new(true);
        let id = world.hear(ana(), text("hola")).conversation;
        world.now = world.now.plus(SECOND);
        world.status("wamid.bot", None, Fate::Sent);
        let call = world.pass(45 * MINUTE)[0];
        assert_eq!(call.send.form, Form::Message);
        let closed = Verdict::Refused(reengaged::conversation::Refusal::WindowClosed);
        if sync {
            world.engine.settle(call.id, closed, world.now);
        } else {
            world.engine.settle_as(call.id, Verdict::Accepted(world.now), Some("wamid.A"), world.now);
            world.commit();
            world.status("wamid.A", Some(call.id), Fate::Failed(Trouble::WindowClosed));
        }
        if !at_once {
            world.commit();
        }
        let again = world.pass(if at_once { 0 } else { SECOND });
        assert_eq!((again.len(), again[0].id, again[0].send.form), (1, call.id, Form::Template), "sync {sync}: the same send, as template");
        world.engine.settle_as(call.id, Verdict::Accepted(world.now), Some("wamid.B"), world.now);
        world.commit();
        assert_eq!(world.phase(id), Phase::Answering);
        assert!(world.status("wamid.A", Some(call.id), Fate::Failed(Trouble::WindowClosed)).ignored.is_some(), "of the first, again");
        world.status("wamid.B", Some(call.id), Fate::Failed(Trouble::WindowClosed));
        world.commit();
        assert!(world.pass(HOUR).is_empty(), "sync {sync}: once");
        assert_eq!(world.details(id).send(call.id).map(|send| send.outcome), Some(SendOutcome::Rejected(SkipReason::WindowClosed)));
        assert_eq!(world.hear(ana(), text("hola")).state, Phase::Quiet, "a later word still finds the conversation");
    }
}

#[test]
fn a_message_that_did_not_arrive_is_taken_back_only_while_its_answer_is_waited_for() {
    let mut world = World::new(true);
    let id = world.status("wamid.bot", None, Fate::Sent).conversation;
    let call = world.hand_over(45 * MINUTE, "wamid.A");
    world.now = world.now.plus(MINUTE);
    world.hear(ana(), text("ya voy"));
    let told = world.status("wamid.A", Some(call.id), Fate::Failed(Trouble::WindowClosed));
    assert_eq!(told.ignored, Some(Ignored::NotInHand));
    assert!(world.pass(HOUR).is_empty(), "the person has answered");
    assert_eq!(world.details(id).send(call.id).map(|send| send.reach), Some(Reach::Failed));
}

/// A follow-up whose free text came too late, and whose template is being called.
fn template_under_way() -> (World, reengaged::engine::group::Call) {
    let mut world = World::new(true);
    world.hear(ana(), text("hola"));
    world.now = world.now.plus(SECOND);
    world.status("wamid.bot", None, Fate::Sent);
    let call = world.hand_over(45 * MINUTE, "wamid.A");
    world.status("wamid.A", Some(call.id), Fate::Failed(Trouble::WindowClosed));
    world.commit();
    let template = world.pass(7 * SECOND).remove(0);
    assert_eq!((template.id, template.send.form), (call.id, Form::Template));
    (world, template)
}

#[test]
fn statuses_of_the_first_message_say_nothing_of_the_template_in_its_place() {
    let (mut world, template) = template_under_way();
    assert_eq!(world.status("wamid.A", Some(template.id), Fate::Sent).ignored, Some(Ignored::Stale));
    assert_eq!(world.phase(template.conversation), Phase::Sending);
    world.engine.settle(template.id, Verdict::Unknown, world.now);
    world.commit();
    world.now = world.now.plus(MINUTE);
    world.status("wamid.B", Some(template.id), Fate::Delivered);
    assert_eq!(world.phase(template.conversation), Phase::Answering, "its own status settles the doubt");
    let send = world.details(template.conversation).send(template.id).copied().expect("a send");
    assert_eq!((send.outcome, send.reach), (SendOutcome::Accepted, Reach::Delivered));
}

#[test]
fn a_failure_of_the_template_before_its_answer_is_not_lost() {
    let (mut world, template) = template_under_way();
    assert_eq!(world.try_status("wamid.B", Some(template.id), Fate::Failed(Trouble::Permanent)), Err(Rejected::NotYet));
    world.engine.settle_as(template.id, Verdict::Accepted(world.now), Some("wamid.B"), world.now);
    world.commit();
    let send = world.details(template.conversation).send(template.id).copied().expect("a send");
    assert_eq!(send.outcome, SendOutcome::Rejected(SkipReason::NoRecipient));
}

#[test]
fn sent_and_failed_before_the_answer_to_the_call_are_both_heard() {
    for order in [[Fate::Sent, Fate::Failed(Trouble::WindowClosed)], [Fate::Failed(Trouble::WindowClosed), Fate::Sent]] {
        let mut world = World::new(true);
        world.hear(ana(), text("hola"));
        world.now = world.now.plus(SECOND);
        world.status("wamid.bot", None, Fate::Sent);
        let call = world.pass(45 * MINUTE)[0];
        for fate in order {
            let _ = world.try_status("wamid.A", Some(call.id), fate);
        }
        world.engine.settle_as(call.id, Verdict::Accepted(world.now), Some("wamid.A"), world.now);
        world.commit();
        let again = world.pass(7 * SECOND);
        assert_eq!((again.len(), again[0].send.form), (1, Form::Template), "{order:?}");
    }
}

#[test]
fn our_own_status_is_not_the_bots_when_the_person_answers_during_the_call() {
    let mut world = World::new(false);
    let id = world.status("SM-bot", None, Fate::Sent).conversation;
    let call = world.pass(45 * MINUTE)[0];
    world.now = world.now.plus(SECOND);
    world.hear(ana(), text("aquí estoy"));
    assert_eq!(world.try_status("SM1", None, Fate::Sent), Err(Rejected::NotYet));
    world.engine.settle_as(call.id, Verdict::Accepted(world.now), Some("SM1"), world.now);
    world.commit();
    assert_eq!(world.status("SM1", None, Fate::Sent).ignored, Some(Ignored::Stale), "told again");
    assert_eq!(world.phase(id), Phase::Quiet);
    assert!(world.pass(HOUR).is_empty());
}

/// Statuses may overtake the answer to the call that made the message.
#[test]
fn what_is_told_before_the_call_has_ended_is_told_once() {
    let mut world = World::new(true);
    let id = world.status("wamid.bot", None, Fate::Sent).conversation;
    let call = world.pass(45 * MINUTE)[0];
    world.hooks();
    world.status("wamid.A", Some(call.id), Fate::Delivered);
    world.engine.settle_as(call.id, Verdict::Accepted(world.now), Some("wamid.A"), world.now);
    world.status("wamid.A", Some(call.id), Fate::Read);
    let told = world.hooks().into_iter().filter(|kind| *kind == "conversation.follow_up_delivered").count();
    assert_eq!((told, world.details(id).send(call.id).map(|send| send.reach)), (1, Some(Reach::Read)));
}

/// The provider told that a message has arrived, and was told that this is kept: no crash before the end of the call makes it a doubt.
#[test]
fn what_is_told_before_the_call_has_ended_is_known_after_a_crash() {
    for (spoke, crash) in [(false, true), (true, true), (true, false)] {
        let mut world = World::new(true);
        let id = world.status("wamid.bot", None, Fate::Sent).conversation;
        let call = world.pass(45 * MINUTE)[0];
        world.now = world.now.plus(SECOND);
        if spoke {
            world.hear(ana(), text("aquí estoy"));
        }
        world.hooks();
        world.status("wamid.A", Some(call.id), Fate::Delivered);
        let mut told = world.hooks();
        if crash {
            world.restart();
            // Whatever nobody has taken yet is told again.
            told.clear();
        } else {
            world.engine.settle(call.id, Verdict::Unknown, world.now);
        }
        told.extend(world.hooks());
        told.retain(|kind| kind.contains("follow_up"));
        assert_eq!(world.engine.doubts().map(|doubts| doubts.len()), Ok(0), "spoke {spoke}, crash {crash}");
        let send = world.details(id).send(call.id).copied().expect("a send");
        assert_eq!((send.outcome, send.reach), (SendOutcome::Accepted, Reach::Delivered), "spoke {spoke}, crash {crash}");
        told.sort_unstable();
        assert_eq!(told, ["conversation.follow_up_delivered", "conversation.follow_up_sent"], "spoke {spoke}, crash {crash}");
        assert_eq!(world.phase(id), if spoke { Phase::Quiet } else { Phase::Answering });
        assert!(world.pass(HOUR).is_empty());
    }
}
