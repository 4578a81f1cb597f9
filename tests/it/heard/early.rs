//! Statuses that come before the answer to the call that made their message: the network keeps no order. Not what they mean: `heard.rs`.

use super::*;

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

#[test]
fn a_second_message_fails_before_its_call_has_ended_and_the_first_is_of_no_interest_meanwhile() {
    let mut world = World::new(true);
    let id = world.hear(ana(), text("hola")).conversation;
    world.now = world.now.plus(SECOND);
    world.status("wamid.bot", None, Fate::Sent);
    world.hand_over(45 * MINUTE, "wamid.A");
    let send = world.details(id).sends[0].send;
    world.status("wamid.A", Some(send), Fate::Failed(Trouble::WindowClosed));
    world.commit();
    let template = world.pass(SECOND)[0];
    assert_eq!((template.id, template.send.form), (send, Form::Template));
    assert_eq!(world.status("wamid.A", Some(send), Fate::Sent).ignored, Some(Ignored::Stale), "of the first");
    assert_eq!(world.phase(id), Phase::Sending);
    world.status("wamid.B", Some(send), Fate::Failed(Trouble::Permanent));
    assert_eq!(world.status("wamid.B", Some(send), Fate::Sent).ignored, Some(Ignored::Stale), "less than is known");
    world.engine.settle_as(send, Verdict::Accepted(world.now), Some("wamid.B"), world.now);
    world.commit();
    assert_eq!(world.details(id).send(send).map(|send| send.outcome), Some(SendOutcome::Rejected(SkipReason::NoRecipient)));
}
