//! The lines of the world: credentials that expire and come back, providers that throttle, and what pacing has to keep.
//!
//! Not the engine's pace: what is checked here is what the provider and the watched store saw.

use std::collections::{BTreeMap, BTreeSet};

use super::broken::Broken;
use super::facts::Claim;
use super::world::{Happening, World};
use crate::engine::group::Call;
use crate::engine::record::NameId;
use crate::id::ConversationId;
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};

/// What is known of the lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Whose credentials are not taken, and until when.
    dead: BTreeMap<String, Moment>,
    /// The process was told that these have stopped; how many sends may try each.
    stopped: BTreeMap<NameId, u32>,
    /// When nothing may be claimed, by the wall: from and until, both left out.
    closed: Vec<(NameId, Moment, Moment)>,
    /// When a call that was not refused was last begun, by conversation.
    handed: BTreeMap<ConversationId, Moment>,
}

impl World {
    /// When the credentials of a line expire next.
    pub(super) fn next_expiry(&mut self) {
        if self.weather.expiry > 0 {
            let wait = self.dice.stretch(HOUR, 8 * DAY / i64::from(self.weather.expiry));
            self.later(wait, Happening::Expiry);
        }
    }

    /// The credentials of a line expire; about an hour later somebody has new ones.
    pub(super) fn expiry(&mut self) {
        self.next_expiry();
        let lines: Vec<String> = self.book.lines.keys().map(ToString::to_string).collect();
        let line = self.dice.pick(&lines).clone();
        let until = self.now.plus(self.dice.stretch(MINUTE, 3 * HOUR));
        self.note(|| format!("the credentials of line {line} expire, until {until}"));
        self.lines.dead.insert(line, until);
    }

    /// Whether calls on a line are refused because of its credentials.
    pub(super) fn is_dead(&self, line: NameId) -> bool {
        !self.calm && self.lines.dead.get(self.facts.name(line)).is_some_and(|until| *until > self.now)
    }

    /// The process hears that a line's credentials are not taken.
    pub(super) fn line_stops(&mut self, line: NameId) {
        self.tally.count("line stopped");
        let wall = self.wall();
        #[cfg(test)]
        let heard = self.sabotage != Some(super::sabotage::Sabotage::IgnoreTheStop);
        #[cfg(not(test))]
        let heard = true;
        if let Some(process) = self.process.as_mut().filter(|_| heard) {
            process.engine.stop_line(line, false, "401", wall);
        }
        if self.lines.stopped.insert(line, self.lines.stopped.get(&line).copied().unwrap_or(0)).is_none() {
            // Where one send may try, that one is claimed.
            let until = if self.shape.probes(self.facts.name(line)) { Moment::MAX } else { wall };
            self.lines.closed.push((line, wall, until));
        }
    }

    /// The process hears that a line is throttled.
    pub(super) fn line_is_throttled(&mut self, line: NameId, wait: i64) {
        self.tally.count("throttled");
        let wall = self.wall();
        #[cfg(test)]
        let heard = self.sabotage != Some(super::sabotage::Sabotage::IgnoreTheThrottle);
        #[cfg(not(test))]
        let heard = true;
        if let Some(process) = self.process.as_mut().filter(|_| heard) {
            process.engine.throttle(line, wait, wall);
        }
        self.lines.closed.push((line, wall, wall.plus(wait)));
    }

    /// The process has lines asked about.
    pub(super) fn probe(&mut self) {
        let wall = self.wall();
        let Some(process) = &mut self.process else { return };
        for line in process.engine.probe_due(wall) {
            if self.shape.probes(self.facts.name(line)) {
                let after = self.dice.stretch(10, 9 * SECOND);
                self.later(after, Happening::Probed(self.life, line));
            } else if let Some(process) = &mut self.process {
                process.engine.try_one(line);
                process.touched();
                self.lines.stopped.insert(line, 1);
                self.tally.count("line tried");
            }
        }
    }

    /// The answer to such a question.
    pub(super) fn probed(&mut self, life: u64, line: NameId) {
        let (wall, dead) = (self.wall(), self.is_dead(line));
        let Some(process) = self.process.as_mut().filter(|_| life == self.life) else { return };
        process.engine.probed(line, if dead { Err("401".to_owned()) } else { Ok(()) }, wall);
        process.touched();
        self.tally.count(if dead { "probe in vain" } else { "probe" });
        if !dead {
            self.line_starts(line);
        }
    }

    /// A line that had stopped may claim again.
    pub(super) fn line_starts(&mut self, line: NameId) {
        let wall = self.wall();
        if self.lines.stopped.remove(&line).is_some() {
            self.note(|| format!("line {} starts", line.0));
        }
        for (other, _, until) in &mut self.lines.closed {
            if *other == line && *until == Moment::MAX {
                *until = wall;
            }
        }
    }

    /// The operator resumes this, by its word: lines that have stopped start.
    pub(super) fn lines_resumed(&mut self, what: &str) {
        let stopped: Vec<NameId> = self.lines.stopped.keys().copied().collect();
        for line in stopped {
            if what == "all" || what.strip_prefix("line ") == Some(self.facts.name(line)) {
                self.line_starts(line);
            }
        }
    }

    /// The process is gone, and with it what it knew of lines that had stopped.
    pub(super) fn lines_forgotten(&mut self) {
        self.lines.stopped.clear();
        self.lines.closed.clear();
    }

    /// The clock or the rules have changed: what was measured by the old ones does not count.
    pub(super) fn pace_anew(&mut self) {
        self.facts.claims.clear();
        self.facts.templates.clear();
        self.lines.handed.clear();
        self.lines.closed.retain(|(.., until)| *until == Moment::MAX);
        for (_, from, _) in &mut self.lines.closed {
            // Nobody knows what the wall showed then.
            *from = Moment::MAX;
        }
    }

    /// Asked when a hand-over begins; whether it is the one that tries a line that has stopped.
    pub(super) fn hand_over_is_paced(&mut self, call: &Call) -> Result<bool, Broken> {
        let name = self.facts.name(call.line).to_owned();
        let tries = self.lines.stopped.get_mut(&call.line);
        let trial = tries.is_some();
        if let Some(left) = tries {
            *left = left.checked_sub(1).ok_or_else(|| {
                let why = format!("{} of {} on line {name}", call.id, call.conversation);
                Broken::new("Nothing is sent on a line that has stopped, but for the one that tries it.", why)
            })?;
        }
        let gap = self.book.lines.get(name.as_str()).map_or(0, |line| line.pair_gap);
        match self.lines.handed.get(&call.conversation) {
            Some(last) if self.now.since(*last) < gap => {
                let why = format!("{} of {} on line {name}, {} ms after the last", call.id, call.conversation, self.now.since(*last));
                Err(Broken::new("Two sends to one person are the line's gap apart.", why))
            }
            _ => Ok(trial),
        }
    }

    /// A call that is not refused has begun.
    pub(super) fn handed_to(&mut self, who: ConversationId) {
        self.lines.handed.insert(who, self.now);
    }

    /// Claims are no faster than the line's rate, to no more people a day than it allows, and none is made while it is closed.
    pub(super) fn pace_is_kept(&mut self) -> Result<(), Broken> {
        for (i, Claim { line, at, .. }) in self.facts.claims.iter().enumerate() {
            let name = self.facts.name(*line);
            let Some(rules) = self.book.lines.get(name) else { continue };
            let same = self.facts.claims[i..].iter().filter(|other| other.line == *line && (0..SECOND).contains(&other.at.since(*at)));
            // Of a send that was claimed twice in a second the ledger tells the last call alone.
            let in_second = same.map(|claim| claim.send).collect::<BTreeSet<_>>().len();
            if rules.rate.is_some_and(|rate| in_second > rate as usize) {
                let why = format!("{in_second} claims on line {name} in the second from {at}, at most {:?}", rules.rate);
                return Err(Broken::new("No second has more sends than the line's rate.", why));
            }
            if let Some((_, from, until)) = self.lines.closed.iter().find(|(other, from, until)| other == line && at > from && at < until) {
                let why = format!("line {name}, claim at {at}, closed from {from} to {until}");
                return Err(Broken::new("Nothing is claimed on a line that has stopped or is throttled.", why));
            }
            let Some(process) = &self.process else { continue };
            let closed_until = process.started.plus(rules.catch_up_wait);
            if process.catch_up && *at >= process.started && *at < closed_until {
                let why = format!("line {name}, claim at {at}, started {} after a long time", process.started);
                return Err(Broken::new("After downtime, queued answers come first.", why));
            }
        }
        self.days_are_kept()?;
        let (settled, day_ago) = (self.wall().plus(-10 * SECOND), self.wall().plus(-DAY));
        self.facts.claims.retain(|claim| claim.at > settled);
        self.facts.templates.retain(|claim| claim.at > day_ago);
        Ok(())
    }

    fn days_are_kept(&self) -> Result<(), Broken> {
        for last in &self.facts.templates {
            let name = self.facts.name(last.line);
            let Some(most) = self.book.lines.get(name).and_then(|line| line.daily) else { continue };
            let day = self.facts.templates.iter().filter(|claim| claim.line == last.line && (0..DAY).contains(&last.at.since(claim.at)));
            let people: BTreeSet<ConversationId> = day.map(|claim| claim.conversation).collect();
            if people.len() > most as usize {
                let why = format!("{} people on line {name} in the 24 hours up to {}, at most {most}", people.len(), last.at);
                return Err(Broken::new("No more people a day are written to by template than the line allows.", why));
            }
        }
        Ok(())
    }
}
