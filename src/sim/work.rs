//! What a running process can do at a turn: look at what is due, cut a group, flush, let out, call, tell hooks, plan again, die.
//!
//! Not when: `world.rs` draws that. Between any two of these the process can be killed.

use super::broken::Broken;
use super::checks;
use super::people::People;
use super::process::Process;
use super::setup;
use super::world::{Happening, World};
use crate::conversation;
use crate::engine::courier::{Delivery, Order, Outcome, Settled};
use crate::engine::group::{Call, Done, Told};
use crate::engine::ports::{Durable, Fault, Store};
use crate::engine::record::{Change, Delta, Moved, NameId};
use crate::limits;
use crate::moment::{HOUR, MINUTE, Moment, SECOND};

/// One thing that can be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Work {
    /// Something on the agenda is due.
    Agenda,
    /// The engine looks at what is due.
    Fire,
    /// What was decided becomes a group.
    Cut,
    /// The store is made durable, and what waited for it goes out.
    Flush,
    /// A call is begun.
    Call,
    /// Hooks are told.
    Hooks,
    /// Conversations are planned again after a change of rules.
    Replan,
    /// Lines that have stopped are asked about.
    Probe,
}

impl World {
    /// What can be done now.
    pub(super) fn work(&self) -> Vec<Work> {
        let Some(process) = &self.process else { return Vec::new() };
        let wall = self.wall();
        let due = process.dirty || process.next.is_some_and(|next| next <= wall);
        let hooks = process.courier.wake().is_some_and(|at| at <= process.steady(self.now));
        let all = [
            (Work::Fire, due),
            (Work::Cut, process.uncut),
            (Work::Flush, !process.groups.is_empty()),
            (Work::Call, process.calls.iter().any(|(at, _)| *at <= self.now)),
            (Work::Hooks, hooks),
            (Work::Replan, process.replanning),
            (Work::Probe, process.engine.next_probe().is_some_and(|at| at <= wall)),
        ];
        all.into_iter().filter(|(_, can)| *can).map(|(work, _)| work).collect()
    }

    pub(super) fn perform(&mut self, work: Work) -> Result<(), Broken> {
        let wall = self.wall();
        let Some(process) = &mut self.process else { return Ok(()) };
        match work {
            Work::Agenda => Ok(()),
            Work::Fire => self.fire(),
            Work::Cut => self.cut(),
            Work::Flush => self.flush(),
            Work::Call => self.begin_call(),
            Work::Hooks => {
                self.tell_hooks();
                Ok(())
            }
            Work::Probe => {
                self.probe();
                Ok(())
            }
            Work::Replan => {
                process.replanning = process.engine.replan_some(wall);
                process.touched();
                Ok(())
            }
        }
    }

    fn fire(&mut self) -> Result<(), Broken> {
        let wall = self.wall();
        let Some(process) = &mut self.process else { return Ok(()) };
        process.dirty = false;
        process.uncut = true;
        process.next = process.engine.fire(wall);
        let next = process.next;
        // A restored conversation may climb its whole ladder, step by step, on what the ledger knows; nothing takes longer.
        for _ in 0..=limits::STEPS + 2 {
            if process.next.is_none_or(|next| next > wall) {
                break;
            }
            process.next = process.engine.fire(wall);
        }
        checks::nothing_is_stranded(process, wall, process.next)?;
        self.note(|| format!("fire, next {next:?}"));
        Ok(())
    }

    fn cut(&mut self) -> Result<(), Broken> {
        let Some(process) = &mut self.process else { return Ok(()) };
        process.uncut = false;
        if let Some(group) = process.engine.cut() {
            process.groups.push_back(group);
        }
        checks::memory_is_store(process, &self.store)?;
        #[cfg(test)]
        if self.sabotage == Some(super::sabotage::Sabotage::AnswerBeforeFlush) {
            self.let_out(Durable::upto(u64::MAX));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Broken> {
        let fails = self.dice.per_mille(self.weather.flush_fails);
        self.store.inner().fail_flush(fails);
        match self.flush_or_lie() {
            Ok(durable) => {
                self.keep(self.store.keep(durable.1))?;
                self.let_out(durable.0);
                Ok(())
            }
            Err(fault) => {
                let why = fault.to_string();
                if let Some(process) = &mut self.process {
                    process.engine.fail(&why);
                    process.engine.fire(Moment::MAX);
                    process.groups.drain(..).for_each(|group| group.refuse(&why));
                }
                self.collect_replies()?;
                self.store.inner().fail_flush(false);
                self.crash("flush failed")
            }
        }
    }

    /// Flushes; the proof, and up to where the checks may believe it.
    fn flush_or_lie(&mut self) -> Result<(Durable, u64), Fault> {
        let upto = self.store.seq();
        #[cfg(test)]
        if let Some(lie) = self.sabotaged_flush() {
            return Ok(lie);
        }
        self.store.flush().map(|durable| (durable, upto))
    }

    /// Changes are kept for good.
    pub(super) fn keep(&mut self, changes: Vec<(u64, Change)>) -> Result<(), Broken> {
        for (seq, change) in changes {
            self.facts.keep(seq, &change)?;
            if let Change::Moved(moved) = &change {
                self.count_answers(moved);
            }
        }
        self.pace_is_kept()
    }

    fn count_answers(&mut self, moved: &Moved) {
        for _ in moved.deltas.iter().filter(|delta| matches!(delta, Delta::Answered(..))) {
            self.tally.count("question answered");
        }
        let ends = moved.stored.state.outcome() == Some(conversation::Outcome::Succeeded);
        if ends && self.facts.has_all_answers(moved.stored.id) {
            self.tally.count("questionnaire completed");
        }
    }

    /// What waited for the disk goes out.
    pub(super) fn let_out(&mut self, durable: Durable) {
        let (now, wall) = (self.now, self.wall());
        let Some(process) = &mut self.process else { return };
        let mut calls = Vec::new();
        for group in std::mem::take(&mut process.groups) {
            match group.release(durable) {
                Ok(released) => {
                    for (reply, answers) in released.answers {
                        // Whoever asked may have hung up.
                        let _ = reply.send(answers);
                    }
                    released.done.into_iter().for_each(Done::tell);
                    calls.extend(released.calls);
                    process.offer(&released.told, now, wall);
                }
                Err(group) => process.groups.push_back(*group),
            }
        }
        calls.into_iter().for_each(|call| self.may_be_made(call));
    }

    /// The claim of a call is durable. Threads take their time, and people do not wait for them.
    fn may_be_made(&mut self, call: Call) {
        let wait = if self.dice.per_mille(self.weather.hesitation) { self.dice.stretch(10, 8 * SECOND) } else { 0 };
        let at = self.now.plus(wait);
        if let Some(process) = &mut self.process {
            process.calls.push((at, call));
        }
        if let Some(talk) = self.talk_of.get(&call.conversation).copied().filter(|_| !self.calm)
            && self.dice.per_mille(self.weather.coincidence)
        {
            let deed = People::coincidence(&mut self.dice, talk);
            self.later(deed.after, Happening::Deed(deed));
        }
    }

    fn tell_hooks(&mut self) {
        let Some(process) = &mut self.process else { return };
        let steady = process.steady(self.now);
        for order in process.courier.next(steady) {
            match order {
                Order::Deliver(delivery) => {
                    let fails = self.dice.per_mille(self.weather.hooks_fail);
                    let outcome = if fails { Outcome::Failed { after: 0 } } else { Outcome::Taken };
                    let after = self.dice.stretch(1, 10 * SECOND);
                    self.later(after, Happening::HookEnds(self.life, delivery, outcome));
                }
                Order::Dead(hook, seq) => self.hook_done(hook, seq, false),
                Order::Refill { hook, from, upto } => self.refill(hook, from, upto),
            }
            if self.process.is_none() {
                return;
            }
        }
    }

    fn refill(&mut self, hook: NameId, from: u64, upto: u64) {
        let Some(process) = &mut self.process else { return };
        let steady = process.steady(self.now);
        let records = (from..=upto).filter_map(|seq| self.store.hook(seq).ok().flatten());
        let wanted = records.filter(|record| record.hooks.contains(&hook)).map(|record| (record.conversation, record.seq, steady));
        let wanted: Vec<_> = wanted.collect();
        process.courier.refilled(hook, from, upto, &wanted);
    }

    /// A delivery to a hook ended. What the hook took it took, also where the process that told it is gone.
    pub(super) fn hook_ended(&mut self, life: u64, delivery: &Delivery, outcome: Outcome) -> Result<(), Broken> {
        if outcome == Outcome::Taken {
            let taken = self.taken.entry((delivery.hook, delivery.conversation)).or_default();
            let new = taken.insert(delivery.seq);
            if new && taken.last() != Some(&delivery.seq) && !self.facts.restored {
                let seen = format!("{} got record {} after {taken:?}", self.facts.name(delivery.hook), delivery.seq);
                return Err(Broken::new("Hooks hear of a conversation in order.", seen));
            }
        }
        let Some(process) = self.process.as_mut().filter(|_| life == self.life) else { return Ok(()) };
        let steady = process.steady(self.now);
        match process.courier.settle(delivery, outcome, steady) {
            Settled::Done => self.hook_done(delivery.hook, delivery.seq, true),
            Settled::Dead => self.hook_done(delivery.hook, delivery.seq, false),
            Settled::Again => {}
        }
        Ok(())
    }

    fn hook_done(&mut self, hook: NameId, seq: u64, taken: bool) {
        let wall = self.wall();
        self.tally.count(if taken { "hook taken" } else { "hook dead" });
        if let Some(process) = &mut self.process {
            process.engine.keep(if taken { Change::HookDone(hook, seq) } else { Change::HookDead(hook, seq, wall) });
            process.touched();
        }
    }

    /// The process dies, at this very point. What was not durable is lost, but for what the weather lets survive.
    pub(super) fn crash(&mut self, why: &'static str) -> Result<(), Broken> {
        let Some(process) = self.process.take() else { return Ok(()) };
        self.note(|| format!("{why}; {} groups not flushed, {} calls not begun", process.groups.len(), process.calls.len()));
        self.strike(why);
        drop(process);
        let survivors = self.weather.survivors;
        let dice = &mut self.dice;
        let mut asked = Vec::new();
        self.store.inner().crash(|n| {
            let kept = if survivors { dice.below(n + 1) } else { 0 };
            asked.push((n, kept));
            kept
        });
        let (pending, kept) = asked.first().copied().unwrap_or_default();
        if pending != self.store.unkept() {
            let seen = format!("{pending} changes were not durable, {} were not called durable", self.store.unkept());
            return Err(Broken::new("What was called durable is.", seen));
        }
        if kept > 0 {
            self.strike("prefix survives");
        }
        let ahead = asked.get(1).map_or(0, |(_, ahead)| *ahead);
        if ahead > 0 {
            self.strike("ledger ahead");
        }
        let [survived, lost] = self.store.survive(kept);
        self.keep(survived)?;
        self.facts.ledger_alone_heard(&lost, ahead);
        self.facts.lose_after(self.facts.upto);
        checks::store_is_what_was_kept(&self.facts, &self.store)?;
        checks::doubt_is_bounded(&self.facts, &self.store, &self.permits)?;
        self.hang_up();
        self.lines_forgotten();
        let down = if self.dice.per_mille(self.weather.long_down) {
            self.strike("long down");
            self.dice.stretch(2 * MINUTE, 30 * HOUR)
        } else {
            self.dice.stretch(100, MINUTE)
        };
        self.later(down, Happening::Start);
        Ok(())
    }

    /// The process starts on what is left.
    pub(super) fn start(&mut self) -> Result<(), Broken> {
        self.life += 1;
        self.flights.clear();
        self.permits = setup::permits(&self.book);
        let (now, wall) = (self.now, self.wall());
        // A claim of the life before, by a clock that was set back since, is none of this one.
        self.facts.claims.retain(|claim| claim.at < wall);
        let started = Process::start(&self.store, &self.rules(), self.facts.alive, now, wall);
        let mut process = started.map_err(|fault| Broken::new("A store that was written can be read.", fault.to_string()))?;
        self.sabotage_at_start(&mut process);
        process.look_around(now, wall, true);
        self.process = Some(process);
        self.tally.count("start");
        self.note(|| "start".to_owned());
        Ok(())
    }

    #[cfg(not(test))]
    fn sabotage_at_start(&mut self, _process: &mut Process) {}

    /// The rules as the process reads them.
    #[cfg(not(test))]
    pub(super) fn rules(&self) -> std::sync::Arc<crate::engine::book::Book> {
        std::sync::Arc::clone(&self.book)
    }
}

impl Process {
    /// Something was decided: it wants a cut, and the engine wants to look.
    pub(super) fn touched(&mut self) {
        self.dirty = true;
        self.uncut = true;
    }

    /// Hook records that are durable.
    fn offer(&mut self, told: &[Told], now: Moment, wall: Moment) {
        let steady = self.steady(now);
        let mut hooks: Vec<_> = told.iter().map(|told| told.hook).collect();
        hooks.extend(self.hooks.iter().copied());
        hooks.sort_unstable();
        hooks.dedup();
        if hooks != self.hooks {
            self.courier.configure(&hooks);
            self.hooks = hooks;
        }
        for told in told {
            // How long ago it was made, on the clock that never steps.
            let since = steady.plus(-wall.since(told.at).max(0));
            self.courier.offer(told.hook, told.conversation, told.seq, since);
        }
    }
}
