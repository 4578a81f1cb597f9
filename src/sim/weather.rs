//! Which faults a seed suffers, and how often: the swarm. A seed that has everything hides what a seed with one fault shows.
//!
//! Not the faults themselves: `world.rs` and its neighbours make them happen.

use super::dice::Dice;

/// Rates per thousand, and switches; all off is a sunny day.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// An event is delivered a second time.
    pub duplicates: u32,
    /// An event overtakes others, by up to two minutes.
    pub disorder: u32,
    /// An event is delivered hours or days late.
    pub late: u32,
    /// The answer to an event is lost on its way, so that the source sends it again.
    pub lost_acks: u32,
    /// A call is taken and its answer lost.
    pub lost_answers: u32,
    /// A call ends in doubt and was never taken.
    pub lost_calls: u32,
    /// A call is not taken for now.
    pub busy: u32,
    /// A call is refused for good.
    pub refuse: u32,
    /// The credentials of a line expire for a while, a day.
    pub expiry: u32,
    /// A call is not taken because its line sends too fast.
    pub throttles: u32,
    /// A call takes minutes of the schedule's time.
    pub slow: u32,
    /// The process dies, per turn.
    pub crash: u32,
    /// Of what was not flushed, some survives a crash.
    pub survivors: bool,
    /// A flush fails, per flush.
    pub flush_fails: u32,
    /// The process stays down for hours, per crash.
    pub long_down: u32,
    /// The wall clock steps, per advance of time.
    pub clock_steps: u32,
    /// The operator does something, a day.
    pub operator: u32,
    /// The rules are replaced now and then.
    pub reloads: bool,
    /// A backup is restored, at most once.
    pub restore: bool,
    /// Events of long ago are imported.
    pub imports: bool,
    /// Hooks do not take what they are told, per delivery.
    pub hooks_fail: u32,
    /// Work is left lying while time goes on, per turn.
    pub idle: u32,
    /// A call that may be made is not begun at once.
    pub hesitation: u32,
    /// The person speaks just when something is about to go out to them.
    pub coincidence: u32,
}

impl Weather {
    /// The weather of a seed.
    #[must_use]
    pub fn draw(dice: &mut Dice) -> Weather {
        let mut rate = |most: i64| if dice.percent(45) { dice.stretch((most / 20).max(1), most) as u32 } else { 0 };
        let (duplicates, disorder, late, lost_acks) = (rate(300), rate(400), rate(150), rate(200));
        let (lost_answers, lost_calls, busy, refuse, slow) = (rate(600), rate(300), rate(700), rate(300), rate(400));
        let (crash, flush_fails, long_down, clock_steps) = (rate(40), rate(40), rate(400), rate(60));
        let (operator, hooks_fail, idle) = (rate(24), rate(300), rate(300));
        let (hesitation, coincidence) = (rate(900), rate(400));
        let (expiry, throttles) = (rate(6), rate(300));
        Weather {
            duplicates,
            disorder,
            late,
            lost_acks,
            lost_answers,
            lost_calls,
            busy,
            refuse,
            expiry,
            throttles,
            slow,
            crash,
            flush_fails,
            long_down,
            clock_steps,
            operator,
            // Some hooks take nothing for days on end.
            hooks_fail: if dice.percent(40) { 1_000 } else { hooks_fail },
            idle,
            hesitation,
            coincidence,
            survivors: dice.percent(60),
            reloads: dice.percent(50),
            restore: dice.percent(35),
            imports: dice.percent(20),
        }
    }
}
