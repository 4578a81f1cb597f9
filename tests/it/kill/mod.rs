//! The real binary, killed under load in every way and at every place, and judged by what was acknowledged and what was handed over.
//!
//! Not the logic, which the simulator has; and not single faults of the disk. A failure names its seed: `REENGAGED_SEED` makes the same
//! choices again. `REENGAGED_KILLS` says how many kills there are at least; without it a bounded number, more in the long form.

mod checker;
mod dice;
mod ends;
mod history;
mod load;
mod points;
mod power;
mod provider;
mod sabotage;
mod stage;

use checker::Figures;
use dice::Dice;
use provider::Temper;
use stage::{Stage, some_kill};

/// Rounds on one directory; then another begins.
const ERA: usize = 40;

/// A number from the environment.
#[allow(clippy::disallowed_methods, reason = "an order to the tests, not configuration")]
fn ordered(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed of this run: ordered, or of the moment.
fn seed() -> u64 {
    ordered("REENGAGED_SEED").unwrap_or_else(|| reengaged::clock::Clock::system().wall().0 as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_random_under_load_and_while_starting_it_keeps_its_promises() {
    let (seed, long) = (seed(), crate::support::long());
    let wanted = ordered("REENGAGED_KILLS").unwrap_or(if long { 300 } else { 24 }) as usize;
    let mut dice = Dice::new(seed, 0);
    let mut total = Figures::default();
    let mut era = 0;
    while total.kills < wanted {
        let mut stage = Stage::new(seed.wrapping_add(era), Temper::Moody, None);
        era += 1;
        for round in 0..ERA {
            if total.kills + stage.checker.figures.kills >= wanted {
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
    assert!(total.handed_over > wanted / 4 && total.kills_at_start > wanted / 8, "the test must do something to say something: {total:?}");
}
