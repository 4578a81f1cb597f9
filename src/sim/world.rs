//! The world of a seed: virtual time, one loop, and the order of everything drawn from one stream of chance.
//!
//! Not a thread and not a clock. The same seed gives the same trace, to the letter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::broken::Broken;
use super::carrier::Flight;
use super::checks;
use super::dice::Dice;
use super::facts::Facts;
use super::lines::Lines;
use super::network::Reply;
use super::people::{Deed, People, Post};
use super::process::Process;
use super::setup::{self, Asks, Shape};
use super::tally::Tally;
use super::weather::Weather;
use super::witness::Witness;
use super::work::Work;
use crate::conversation::Phase;
use crate::engine::book::Book;
use crate::engine::courier::{Delivery, Outcome};
use crate::engine::record::NameId;
use crate::id::{ConversationId, Keys, SendId};
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use crate::store::MemoryStore;

/// 2026-03-05T00:00:00Z, a Thursday: New York changes its clocks on the Sunday after.
const BEGIN: Moment = Moment(1_772_668_800_000);
/// Turns of a run, before faults stop.
const TURNS: u64 = 1_000;
/// Turns in which everything has to come to rest when they have.
const CALM_TURNS: u64 = 30_000;
/// The furthest that the wall clock may be off.
const SKEW: i64 = 12 * HOUR;
/// Lines of a trace that are kept.
const TRACE: usize = 4_000;

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// Somebody says something.
    Deed(Deed),
    /// Somebody does something out of the blue.
    Whim(usize),
    /// An event arrives.
    Arrive(usize),
    /// The provider's answer to a call arrives.
    Answered(u64),
    /// The provider's status of a send arrives, which settles a doubt.
    Status(SendId, bool),
    /// A delivery to a hook ends, in the life of the process in which it began.
    HookEnds(u64, Delivery, Outcome),
    /// The operator does something.
    Operate,
    /// The operator resumes what was paused, by its word.
    Resume(String),
    /// The process starts.
    Start,
    /// The credentials of a line expire.
    Expiry,
    /// The answer to whether a line works arrives, in the life of the process in which it was asked.
    Probed(u64, NameId),
    /// Time for the process to look at the clock again.
    Look,
}

/// A run in progress.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) weather: Weather,
    /// True time.
    pub(super) now: Moment,
    /// What the wall clock shows beyond it.
    pub(super) skew: i64,
    /// The wall clock has stepped at least once.
    pub(super) stepped: bool,
    pub(super) store: Arc<Witness>,
    pub(super) keys: Keys,
    pub(super) shape: Shape,
    pub(super) book: Arc<Book>,
    /// The most permits that each line had in this life of the process.
    pub(super) permits: BTreeMap<String, usize>,
    pub(super) process: Option<Process>,
    pub(super) life: u64,
    agenda: BTreeMap<(Moment, u64), Happening>,
    scheduled: u64,
    looks: u32,
    pub(super) people: People,
    pub(super) talk_of: BTreeMap<ConversationId, usize>,
    pub(super) posts: Vec<Post>,
    pub(super) replies: Vec<Reply>,
    /// Messages of our own accord asked for so far.
    pub(super) asked_out: usize,
    pub(super) flights: BTreeMap<u64, Flight>,
    pub(super) facts: Facts,
    pub(super) lines: Lines,
    /// Hook records that a hook took, by hook and conversation.
    pub(super) taken: BTreeMap<(NameId, ConversationId), BTreeSet<u64>>,
    pub(super) backup: Option<(MemoryStore, Facts)>,
    /// Pauses that somebody was told are in force, by their words.
    pub(super) paused: BTreeSet<String>,
    /// Faults have stopped, and people have fallen silent.
    pub(super) calm: bool,
    pub(super) tally: Tally,
    trace: Option<Vec<String>>,
    print: u64,
    #[cfg(test)]
    pub(super) sabotage: Option<super::sabotage::Sabotage>,
}

impl World {
    pub(super) fn new(seed: u64, traced: bool) -> World {
        let mut dice = Dice::new(seed);
        let weather = Weather::draw(&mut dice);
        let shape = Shape::draw(&mut dice, Asks::draw(seed));
        let book = Arc::new(shape.book(&mut dice));
        let people = People { asked: shape.asks.is_some(), ..People::draw(&mut dice, book.lines.len(), weather.imports) };
        let keys = Keys::new(&[7; 32]);
        let talk_of = people.talks.iter().enumerate().map(|(i, talk)| (keys.conversation(&talk.name), i)).collect();
        World {
            dice,
            weather,
            now: BEGIN,
            skew: 0,
            stepped: false,
            store: Arc::new(Witness::new(keys.clone())),
            facts: Facts::new(keys.clone()),
            keys,
            shape,
            permits: setup::permits(&book),
            book,
            process: None,
            life: 0,
            agenda: BTreeMap::new(),
            scheduled: 0,
            looks: 0,
            people,
            talk_of,
            posts: Vec::new(),
            replies: Vec::new(),
            asked_out: 0,
            flights: BTreeMap::new(),
            lines: Lines::default(),
            taken: BTreeMap::new(),
            backup: None,
            paused: BTreeSet::new(),
            calm: false,
            tally: Tally::default(),
            trace: traced.then(Vec::new),
            print: 0xcbf2_9ce4_8422_2325,
            #[cfg(test)]
            sabotage: None,
        }
    }

    /// Lives the seed through; the tally, and a number that stands for the whole trace.
    pub(super) fn run(&mut self) -> Result<u64, Broken> {
        self.start()?;
        self.invite();
        while self.tally.turns < TURNS {
            self.turn()?;
        }
        self.settle_down()?;
        Ok(self.print)
    }

    /// What happened, as far as it was kept.
    pub(super) fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    pub(super) fn wall(&self) -> Moment {
        self.now.plus(self.skew)
    }

    /// Notes a line of the trace. Its making costs time, so it is made only where somebody reads it; the print of the trace
    /// takes in what every line is made of.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let (now, turn) = (self.wall(), self.tally.turns);
        if let Some(trace) = self.trace.as_mut().filter(|trace| trace.len() < TRACE) {
            let mut text = format!("{turn:>4} {now} ");
            // Writing to a string does not fail.
            let _ = write!(text, "{}", line());
            trace.push(text);
        }
    }

    fn imprint(&mut self, value: u64) {
        self.print = (self.print ^ value).wrapping_mul(0x0100_0000_01b3);
    }

    pub(super) fn later(&mut self, after: i64, happening: Happening) {
        self.scheduled += 1;
        self.agenda.insert((self.now.plus(after), self.scheduled), happening);
    }

    /// The first words of everybody, and the operator's first deed.
    fn invite(&mut self) {
        for talk in 0..self.people.talks.len() {
            let imported = self.people.talks[talk].imported;
            let deeds = if imported {
                (0..self.dice.between(1, 4)).map(|_| self.people.memory(&mut self.dice, talk)).collect()
            } else {
                self.people.begin(&mut self.dice, talk)
            };
            let after = self.dice.stretch(SECOND, 8 * HOUR);
            for deed in deeds {
                self.later(after + deed.after.max(0), Happening::Deed(deed));
            }
            if !imported {
                let after = self.dice.stretch(MINUTE, 2 * DAY);
                self.later(after, Happening::Whim(talk));
            }
        }
        self.next_operation();
        self.next_expiry();
    }

    /// One turn: something that can happen now does, or time goes on.
    fn turn(&mut self) -> Result<(), Broken> {
        self.tally.turns += 1;
        let position = self.process.as_ref().map_or(0, |process| process.position(&self.store));
        self.imprint(self.now.0 as u64 ^ position.rotate_left(48));
        if self.process.is_some() && self.dice.per_mille(self.weather.crash) {
            self.crash("crash")?;
            return Ok(());
        }
        let mut work = self.work();
        if self.agenda.first_key_value().is_some_and(|((at, _), _)| *at <= self.now) {
            work.push(Work::Agenda);
        }
        if work.is_empty() {
            self.jump();
        } else if self.dice.per_mille(self.weather.idle) {
            let by = self.dice.stretch(1, 5 * SECOND);
            self.pass(by);
        } else {
            match *self.dice.pick(&work) {
                Work::Agenda => self.happen()?,
                work => self.perform(work)?,
            }
        }
        self.collect_replies()
    }

    /// Time goes on to whatever comes next.
    fn jump(&mut self) {
        let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let process = self.process.as_ref();
        let engine = process.and_then(|process| process.next.into_iter().chain(process.engine.next_probe()).min());
        let engine = engine.map(|at| at.plus(-self.skew));
        let hooks = process.and_then(|process| process.courier.wake().map(|at| process.unsteady(at)));
        let calls = process.and_then(|process| process.calls.iter().map(|(at, _)| *at).min());
        // Where nobody has anything to do, somebody will.
        let by = [agenda, engine, hooks, calls].into_iter().flatten().min().map_or(HOUR, |at| at.since(self.now).max(0));
        self.pass(by);
    }

    /// Time goes on, the wall clock with it, and perhaps further.
    fn pass(&mut self, by: i64) {
        self.now = self.now.plus(by);
        if self.dice.per_mille(self.weather.clock_steps) {
            let step = self.dice.stretch(100, 6 * HOUR) * if self.dice.percent(50) { 1 } else { -1 };
            if (self.skew + step).abs() <= SKEW {
                self.skew += step;
                self.stepped = true;
                self.pace_anew();
                if let Some(process) = &mut self.process {
                    process.catch_up = false;
                }
                self.strike(if step > 0 { "clock ahead" } else { "clock back" });
                self.note(|| format!("the clock steps by {} s", step / SECOND));
            }
        }
        let (now, wall, often) = (self.now, self.wall(), self.dice.percent(30));
        if let Some(process) = &mut self.process {
            process.look_around(now, wall, often);
            process.dirty |= process.next.is_some_and(|next| next <= wall);
            if process.clock_held {
                self.looks += 1;
                if !self.agenda.values().any(|happening| matches!(happening, Happening::Look)) {
                    let nap = (MINUTE + SECOND) << self.looks.min(6);
                    self.later(if self.looks < 4 { MINUTE + SECOND } else { nap }, Happening::Look);
                }
            } else {
                self.looks = 0;
            }
        }
    }

    /// A fault struck: which phases did it meet?
    pub(super) fn strike(&mut self, fault: &'static str) {
        let states = self.facts.known.values().filter_map(|known| known.stored.map(|stored| stored.state));
        let phases: Vec<Phase> = states.map(|state| state.phase).collect();
        self.tally.fault(fault, phases.into_iter());
    }

    /// The first thing on the agenda happens.
    fn happen(&mut self) -> Result<(), Broken> {
        let Some((_, happening)) = self.agenda.pop_first() else { return Ok(()) };
        match happening {
            Happening::Deed(deed) => {
                self.speak(&deed);
                Ok(())
            }
            Happening::Whim(talk) => {
                let deed = self.people.whim(&mut self.dice, talk);
                self.speak(&deed);
                let after = self.dice.stretch(HOUR, 3 * DAY);
                self.later(after, Happening::Whim(talk));
                Ok(())
            }
            Happening::Arrive(post) => self.arrive(post),
            Happening::Answered(flight) => {
                self.answered(flight);
                Ok(())
            }
            Happening::Status(send, taken) => {
                self.status(send, taken);
                Ok(())
            }
            Happening::HookEnds(life, delivery, outcome) => self.hook_ended(life, &delivery, outcome),
            Happening::Operate => self.operate(),
            Happening::Resume(what) => {
                self.resume(&what);
                Ok(())
            }
            Happening::Expiry => {
                self.expiry();
                Ok(())
            }
            Happening::Probed(life, line) => {
                self.probed(life, line);
                Ok(())
            }
            Happening::Start if self.process.is_none() => self.start(),
            Happening::Start | Happening::Look => Ok(()),
        }
    }

    /// Faults stop, people fall silent, time runs: everything has to come to rest.
    fn settle_down(&mut self) -> Result<(), Broken> {
        self.calm = true;
        self.weather = Weather::default();
        self.note(|| "calm".to_owned());
        let kept =
            |happening: &Happening| !matches!(happening, Happening::Deed(_) | Happening::Whim(_) | Happening::Operate | Happening::Expiry);
        self.agenda.retain(|_, happening| kept(happening));
        if self.process.is_none() {
            self.start()?;
        }
        for what in setup::scopes(&self.book) {
            self.resume(&what);
        }
        let turns = self.tally.turns;
        while !self.at_rest() {
            if self.tally.turns - turns > CALM_TURNS {
                let left: Vec<&Happening> = self.agenda.values().take(3).collect();
                let why = format!("after {CALM_TURNS} calm turns, at {}, there is still {left:?}", self.wall());
                return Err(Broken::new("Everything comes to rest.", why));
            }
            self.turn()?;
        }
        if let Some(process) = &self.process {
            checks::all_is_at_rest(&self.facts, process, &self.store)?;
        }
        // Once more from the disk: a start on a store at rest changes nothing that matters.
        self.crash("crash")?;
        self.agenda.clear();
        self.start()?;
        Ok(())
    }

    fn at_rest(&self) -> bool {
        let Some(process) = &self.process else { return false };
        self.agenda.is_empty()
            && self.work().is_empty()
            && process.next.is_none()
            && process.courier.wake().is_none()
            && process.engine.next_probe().is_none()
    }
}
