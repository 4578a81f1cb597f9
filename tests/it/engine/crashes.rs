//! What a crash leaves of changes that belong together. Not chance: that is the simulator's.

use std::sync::Arc;

use reengaged::conversation::Choice;
use reengaged::engine::ports::Store;
use reengaged::engine::request::{Inbound, What, Who};
use reengaged::moment::HOUR;

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

#[test]
fn an_opt_out_that_a_number_learnt_later_spreads_is_spread_again_after_a_crash_in_between() {
    let two = || book(&[("support", Some("onboarding")), ("ventas", Some("onboarding"))], &[("onboarding", "45m")]);
    for kept in 0.. {
        let mut world = World::new(two());
        let say = |world: &mut World, name: &str, line: &str, to: Option<&str>, what| {
            let said = Inbound { to: to.map(str::to_owned), line: Some(line.to_owned()), ..event(name, world.now, what) };
            world.take(&said).expect("taken");
        };
        say(&mut world, ANA, "support", Some(NUMBER), question("1"));
        say(&mut world, "ana-ventas", "ventas", None, What::OptOut);
        world.commit();
        // Whose number that is, the bot tells now, and again: it had no answer.
        say(&mut world, "ana-ventas", "ventas", Some(NUMBER), What::Succeeded);
        drop(world.engine.cut());
        let all = world.store.unflushed();
        world.store.crash(|n| kept.min(n));
        world.engine = recover(&world.store, two(), world.now);
        say(&mut world, "ana-ventas", "ventas", Some(NUMBER), What::Succeeded);
        let state = world.engine.show(&Who::Caller(ANA.to_owned())).expect("known").stored.state;
        assert!(state.opted_out, "{kept} of {all} changes kept");
        if kept == all {
            assert!(all >= 3, "{all}");
            break;
        }
    }
}

#[test]
fn the_number_of_a_line_whose_name_a_crash_took_goes_to_no_other_line() {
    let lines = |names: &[&'static str]| {
        let named: Vec<_> = names.iter().map(|name| (*name, Some("onboarding"))).collect();
        book(&named, &[("onboarding", "45m")])
    };
    let mut world = World::new(lines(&["support"]));
    world.commit();
    world.engine.reload(Arc::new(lines(&["support", "ventas"])));
    let asked = Inbound { line: Some("ventas".to_owned()), ..event(ANA, world.now.plus(-HOUR), question("1")) };
    world.take(&asked).expect("taken");
    world.engine.fire(world.now);
    drop(world.engine.cut());
    // Of the one flush with the name, the question and the claim, the disk has what is written first: the ledger.
    let mut times = 0;
    world.store.crash(|n| {
        times += 1;
        if times == 1 { 0 } else { n }
    });
    world.engine = recover(&world.store, lines(&["billing", "support", "ventas"]), world.now);
    let line = world.store.claims(world.now.plus(-HOUR))[0].line;
    let name = world.engine.names().name(line);
    assert!(!["billing", "support", "onboarding", "crm"].contains(&&*name), "{name}");
}
