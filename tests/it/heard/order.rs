//! Webhooks in any order, some of them twice: what is known at the end is the same.
//! Not the machine's own order of events: that is a law of `conversation/`.

use proptest::prelude::*;
use reengaged::conversation::Phase;
use reengaged::engine::heard::{Fate, Status, Trouble};
use reengaged::engine::request::{Inbound, What};
use reengaged::moment::{HOUR, MINUTE, Moment};

use super::{ANA, ANA_ID, T, World, person, tap, text};

/// What may arrive of one person, each at a time of its own; `(kind, minute)`.
fn told(kind: u8, minute: i64) -> Inbound {
    // Further apart than the 60 s within which an older message still cancels a newer question.
    let at = T.plus(minute * 2 * MINUTE);
    let status = |fate| What::Status(Status { message: format!("bot-{minute}"), send: None, fate });
    let (id, what) = match kind {
        0 => (format!("m{minute}"), text("hola")),
        1 => (format!("m{minute}"), text("sí")),
        2 => (format!("t{minute}"), tap(None, None, "No")),
        3 => (format!("bot-{minute}/Sent"), status(Fate::Sent)),
        4 => (format!("bot-{minute}/Delivered"), status(Fate::Delivered)),
        5 => (format!("bot-{minute}/Failed"), status(Fate::Failed(Trouble::Permanent))),
        6 => (format!("e{minute}"), What::Spoke(Some("¿Su cédula?".to_owned()))),
        7 => (format!("o{minute}"), What::OptOut),
        _ => (format!("s{minute}"), text("STOP")),
    };
    // By number, by user id, or by both: somebody who has a user name is known by that alone.
    let who = match minute % 3 {
        0 => person(ANA, ""),
        1 => person(ANA, ANA_ID),
        _ => person("", ANA_ID),
    };
    Inbound { id: Some(id), line: Some("first".to_owned()), ..Inbound::of(who, Some(at), what) }
}

fn tell_all(events: &[Inbound], correlation: bool) -> (bool, Option<&'static str>, Option<Moment>, Option<Moment>, Option<Moment>) {
    let mut world = World::new(correlation);
    world.now = T.plus(2 * HOUR);
    for event in events {
        // A status of a message to somebody of whom nothing is known moves nothing, and says so.
        let _ = world.engine.take_one(world.now, event);
    }
    let Ok(whole) = world.hear_on("first", person(ANA, ANA_ID), What::Release) else { return (false, None, None, None, None) };
    let id = whole.conversation;
    let state = world.view(id).stored.state;
    let armed = if state.phase == Phase::Waiting { (state.question, state.due) } else { (None, None) };
    (state.opted_out, state.outcome().map(|outcome| outcome.as_str()), state.last_inbound, armed.0, armed.1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    /// Webhooks come disordered, twice and interleaved; what is known at the end is the same. (Times are more than a minute apart: a
    /// message up to 60 s older than an armed question cancels it, by contract. Taking an opt-out back is left out: an opt-out
    /// counts however late it arrives, by contract, so there the order decides.)
    #[test]
    fn the_order_of_webhooks_does_not_matter(
        kinds in prop::collection::vec(prop_oneof![8 => 0..7u8, 1 => 7..9u8], 1..9),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        shuffle in any::<u64>(),
        correlation in any::<bool>()
    ) {
        let in_order: Vec<Inbound> = kinds.iter().zip(1..).map(|(kind, minute)| told(*kind, minute)).collect();
        let mut disordered = in_order.clone();
        disordered.extend(again.iter().map(|index| index.get(&in_order).clone()));
        let mut seed = shuffle;
        for i in (1..disordered.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            disordered.swap(i, (seed >> 33) as usize % (i + 1));
        }
        prop_assert_eq!(tell_all(&disordered, correlation), tell_all(&in_order, correlation));
    }
}
