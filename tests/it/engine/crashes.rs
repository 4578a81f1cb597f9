//! What a crash leaves of changes that belong together. Not chance: that is the simulator's.

use reengaged::conversation::Choice;
use reengaged::engine::request::{Inbound, What, Who};

use super::{ANA, NUMBER, World, book, event, question, recover};

#[test]
fn an_opt_out_of_which_a_crash_left_a_part_is_spread_when_it_is_said_again() {
    let two = || book(&[("support", Some("onboarding")), ("ventas", Some("onboarding"))], &[("onboarding", "45m")]);
    let mut parts = 0;
    for kept in 0.. {
        let mut world = World::new(two());
        let say = |world: &mut World, name: &str, line: &str, what| {
            let said = Inbound { to: Some(NUMBER.to_owned()), line: Some(line.to_owned()), ..event(name, world.now, what) };
            world.take(&said).expect("taken");
        };
        say(&mut world, ANA, "support", question("1"));
        say(&mut world, "ana-ventas", "ventas", question("2"));
        world.commit();
        say(&mut world, ANA, "support", What::Answer(Choice::Stop));
        drop(world.engine.cut());
        let all = world.store.unflushed();
        world.store.crash(|n| kept.min(n));
        world.engine = recover(&world.store, two(), world.now);
        // By a word in between, the conversation learns of the part that was kept.
        say(&mut world, ANA, "support", What::UserMessage("hola".to_owned()));
        say(&mut world, ANA, "support", What::Answer(Choice::Stop));
        for name in [ANA, "ana-ventas"] {
            let state = world.engine.show(&Who::Caller(name.to_owned())).expect("known").stored.state;
            assert!(state.opted_out, "{name}, {kept} of {all} changes kept");
        }
        parts = kept;
        if kept == all {
            break;
        }
    }
    assert!(parts >= 3, "{parts}");
}
