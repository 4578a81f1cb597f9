//! Kills at random: under load, at named points, and again and again while it starts.
//!
//! Not every place in turn: `points.rs` has that.

use super::checker::Figures;
use super::dice::Dice;
use super::provider::Temper;
use super::stage::{Stage, some_kill};
use super::{ordered, seed};

/// Rounds on one directory; then another begins.
const ERA: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_random_under_load_and_while_starting_it_keeps_its_promises() {
    let (seed, long) = (seed(), crate::support::long());
    let wanted = ordered("REENGAGED_KILLS").unwrap_or(if long { 300 } else { 16 }) as usize;
    let mut dice = Dice::new(seed, 0);
    let mut total = Figures::default();
    let mut era = 0;
    // What is drawn may be short of kills at a start: it goes on until there are some.
    let enough = |kills: usize, at_start: usize| kills >= wanted && at_start > wanted / 8;
    while !enough(total.kills, total.kills_at_start) {
        let mut stage = Stage::new(seed.wrapping_add(era), Temper::Moody, None);
        era += 1;
        for round in 0..ERA {
            let now = &stage.checker.figures;
            if enough(total.kills + now.kills, total.kills_at_start + now.kills_at_start) {
                break;
            }
            let kill = some_kill(&mut dice);
            stage.round(&kill).await;
            stage.judge(seed, round);
        }
        let figures = stage.end().await;
        stage.judge(seed, ERA);
        total.add(&figures);
        println!("seed {seed}, {era} directories: {total:?}");
    }
    assert!(total.handed_over > wanted / 4, "the test must do something to say something: {total:?}");
}
