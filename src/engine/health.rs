//! The health of a line: one whose credentials or account are not taken, or whose provider answers nothing any more, claims nothing until
//! a probe or one send says that it works.
//!
//! Not a pause: nobody asked for it, and it ends by itself. Not durable, on purpose: after a restart the first call finds out
//! again, and costs the send nothing. Timers run on: what comes due meanwhile waits for its line.

use std::collections::BTreeMap;

use crate::conversation::{Refusal, Verdict};
use crate::engine::core::Engine;
use crate::engine::record::NameId;
use crate::engine::request::StoppedLine;
use crate::id::SendId;
use crate::limits;
use crate::moment::Moment;

/// The lines that have stopped.
#[derive(Debug, Default)]
pub(super) struct Health {
    stopped: BTreeMap<NameId, Stopped>,
    /// When a line last started again, in the time of pacing, and how long it had waited between two questions before.
    started: BTreeMap<NameId, (Moment, i64)>,
    /// Calls without an answer since the last that had one.
    doubts: BTreeMap<NameId, u32>,
    /// Lines that have stopped since [`Engine::newly_stopped`] was last asked.
    news: Vec<NameId>,
}

#[derive(Debug)]
struct Stopped {
    why: String,
    /// Since when, on the wall.
    since: Moment,
    /// When its provider is asked next, in the time of pacing.
    probe: Moment,
    /// How long after that again.
    wait: i64,
    /// Credentials that are taken prove nothing: the account itself may not send. Only a send that is taken does.
    account: bool,
    trial: Trial,
}

/// Where a provider cannot be asked, one send tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trial {
    /// Nothing is let through.
    None,
    /// The next claim is.
    Open,
    /// This one was.
    Out(SendId),
}

impl Stopped {
    /// It was tried in vain: later again, and each time later.
    fn failed(&mut self, now: Moment) {
        self.wait = self.wait.saturating_mul(2).min(limits::PROBE_CEILING);
        self.probe = now.plus(self.wait);
        self.trial = Trial::None;
    }
}

impl Health {
    pub(super) fn is_stopped(&self, line: NameId) -> bool {
        self.stopped.contains_key(&line)
    }

    /// Whether a claim may be made, as far as this goes.
    pub(super) fn lets_claim(&self, line: NameId) -> bool {
        self.stopped.get(&line).is_none_or(|stopped| stopped.trial == Trial::Open)
    }

    /// Whether a claim that was made may go out.
    pub(super) fn lets_out(&self, line: NameId, send: SendId) -> bool {
        self.stopped.get(&line).is_none_or(|stopped| stopped.trial == Trial::Out(send))
    }

    /// A line works again; whether it had stopped.
    fn start(&mut self, line: NameId, now: Moment) -> bool {
        let Some(stopped) = self.stopped.remove(&line) else { return false };
        self.started.insert(line, (now, stopped.wait));
        true
    }

    pub(super) fn claimed(&mut self, line: NameId, send: SendId) {
        if let Some(stopped) = self.stopped.get_mut(&line) {
            stopped.trial = Trial::Out(send);
        }
    }

    /// Counts a call that ended; whether it is one too many without an answer.
    fn counts(&mut self, line: NameId, end: Verdict) -> bool {
        match end {
            Verdict::Unknown => {
                let doubts = self.doubts.entry(line).or_default();
                *doubts += 1;
                *doubts >= limits::DOUBTS_IN_A_ROW
            }
            // Nothing was asked.
            Verdict::NotBegun => false,
            Verdict::Accepted(_) | Verdict::Refused(_) | Verdict::Busy(_) | Verdict::Stopped => {
                self.doubts.remove(&line);
                false
            }
        }
    }

    /// A call has ended: if it was the one that was let through, it tells whether the line works.
    pub(super) fn heard(&mut self, line: NameId, send: SendId, verdict: Verdict, now: Moment) {
        let Some(stopped) = self.stopped.get_mut(&line).filter(|stopped| stopped.trial == Trial::Out(send)) else { return };
        match verdict {
            // A message that was judged was looked at: whoever sent it is known.
            Verdict::Accepted(_) | Verdict::Refused(Refusal::WindowClosed | Refusal::Template | Refusal::Recipient | Refusal::OptedOut) => {
                self.start(line, now);
            }
            Verdict::NotBegun => stopped.trial = Trial::Open,
            Verdict::Refused(Refusal::Line) | Verdict::Busy(_) | Verdict::Unknown | Verdict::Stopped => stopped.failed(now),
        }
    }
}

impl Engine {
    /// The credentials or the account of a line are not taken: it claims nothing until [`Engine::probed`] says that they are, or
    /// an operator resumes it. `account`: it is the account that may not send, of which a probe knows nothing. Answers whether it
    /// worked until now.
    pub fn stop_line(&mut self, line: NameId, account: bool, why: &str, now: Moment) -> bool {
        let steady = self.steady.at(now);
        if let Some(stopped) = self.health.stopped.get_mut(&line) {
            why.clone_into(&mut stopped.why);
            stopped.account |= account;
            return false;
        }
        // Where it stops again as soon as it has started, nothing has changed: it is asked less and less often.
        let lately = self.health.started.get(&line).filter(|(at, _)| steady.since(*at) < limits::PROBE_CEILING);
        let wait = lately.map_or(limits::PROBE, |(_, wait)| wait.saturating_mul(2).min(limits::PROBE_CEILING));
        let stopped = Stopped { why: why.to_owned(), since: now, probe: steady.plus(wait), wait, account, trial: Trial::None };
        self.health.stopped.insert(line, stopped);
        self.health.news.push(line);
        true
    }

    /// A call has ended so. A provider that answers one call after the other with nothing stops its line; that it says of itself to be
    /// well proves nothing then, a send that it takes does.
    pub(super) fn line_answered(&mut self, line: NameId, end: Verdict, now: Moment) {
        if self.health.counts(line, end) {
            self.health.doubts.remove(&line);
            self.stop_line(line, true, &format!("{} calls in a row without an answer", limits::DOUBTS_IN_A_ROW), now);
        }
    }

    /// Lines that have stopped since this was last asked, so that it is told once.
    pub fn newly_stopped(&mut self) -> Vec<StoppedLine> {
        let news = std::mem::take(&mut self.health.news);
        news.into_iter().filter_map(|line| Some(self.told(line, self.health.stopped.get(&line)?))).collect()
    }

    /// A line works, an operator says: what waits for it goes out at its pace. Answers whether it had stopped.
    pub fn start_line(&mut self, line: NameId) -> bool {
        self.health.started.remove(&line);
        self.health.stopped.remove(&line).is_some()
    }

    /// All lines work, or so an operator says; those whose lines are no longer configured do not matter.
    pub(super) fn start_all_lines(&mut self) {
        self.health.stopped.clear();
    }

    /// New rules may bring new credentials: lines that have stopped are asked about at once.
    pub(super) fn probe_soon(&mut self) {
        let book = &self.book;
        self.health.stopped.retain(|line, _| book.lines.contains_key(&self.names.name(*line)));
        for stopped in self.health.stopped.values_mut() {
            stopped.probe = Moment::MIN;
            stopped.wait = limits::PROBE;
        }
    }

    /// Lines whose providers are to be asked now whether they work; the answer is told to [`Engine::probed`], or to
    /// [`Engine::try_one`] where there is no such question. One that is never answered is asked again.
    pub fn probe_due(&mut self, now: Moment) -> Vec<NameId> {
        let steady = self.steady.at(now);
        let mut due = Vec::new();
        for (line, stopped) in &mut self.health.stopped {
            if stopped.trial == Trial::None && stopped.probe <= steady {
                stopped.probe = steady.plus(limits::PROBE_CEILING);
                due.push(*line);
            }
        }
        due
    }

    /// When [`Engine::probe_due`] has something next.
    #[must_use]
    pub fn next_probe(&self) -> Option<Moment> {
        let waiting = self.health.stopped.values().filter(|stopped| stopped.trial == Trial::None);
        waiting.map(|stopped| self.steady.wall(stopped.probe)).min()
    }

    /// What a stopped line's provider said when it was asked. Answers whether the line works again since this moment.
    pub fn probed(&mut self, line: NameId, works: Result<(), String>, now: Moment) -> bool {
        let steady = self.steady.at(now);
        match works {
            Ok(()) if self.health.stopped.get(&line).is_some_and(|stopped| stopped.account) => self.try_one(line),
            Ok(()) => return self.health.start(line, steady),
            Err(why) => {
                if let Some(stopped) = self.health.stopped.get_mut(&line).filter(|stopped| stopped.trial == Trial::None) {
                    stopped.why = why;
                    stopped.failed(steady);
                }
            }
        }
        false
    }

    /// A stopped line's provider cannot be asked: one send is let through, and tells.
    pub fn try_one(&mut self, line: NameId) {
        if let Some(stopped) = self.health.stopped.get_mut(&line).filter(|stopped| stopped.trial == Trial::None) {
            stopped.trial = Trial::Open;
        }
    }

    pub(super) fn has_stopped(&self, line: &str) -> bool {
        self.names.find(line).is_some_and(|line| self.health.is_stopped(line))
    }

    /// The lines that have stopped, by name, and why.
    pub(super) fn stopped_lines(&self) -> Vec<StoppedLine> {
        self.health.stopped.iter().map(|(line, stopped)| self.told(*line, stopped)).collect()
    }

    fn told(&self, line: NameId, stopped: &Stopped) -> StoppedLine {
        StoppedLine { line: self.names.name(line).to_string(), why: stopped.why.clone(), since: stopped.since }
    }
}
