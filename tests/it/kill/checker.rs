//! Reads what happened and what the daemon says of it after a restart, and tells what is not as promised.
//!
//! Not the load: it knows only what was acknowledged, what the provider read, and what the daemon answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::history::{Entry, History, What};
use super::load::name;
use crate::whole::process::{client, get};

/// A hand-over that begins before an answer is acknowledged may be read after it. One that is read so much later began after it.
const RACE: Duration = Duration::from_secs(2);

/// What was promised and not kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Broken {
    /// An acknowledged event is not there.
    Lost,
    /// One event counted a second time.
    Repeated,
    /// One send was handed over a second time.
    Twice,
    /// A message was handed over after an answer was acknowledged.
    AfterTheAnswer,
    /// A message was handed over while the hours were over.
    Closed,
    /// A send of unknown outcome is not listed.
    Unlisted,
    /// More sends are in doubt than there are permits.
    TooManyDoubts,
    /// A send is in doubt of which the provider has reported.
    Unsettled,
    /// A request that no provider takes, or an event that was refused.
    Wrong,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) broken: Broken,
    pub(super) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.broken, self.what)
    }
}

/// What was counted.
#[derive(Clone, Default, Debug)]
pub(super) struct Figures {
    pub(super) kills: usize,
    pub(super) kills_at_start: usize,
    pub(super) cuts: usize,
    pub(super) acknowledged: usize,
    pub(super) handed_over: usize,
    /// Doubts that a crash left, and that the provider left by losing an answer.
    pub(super) doubts_by_crash: usize,
    pub(super) doubts_by_provider: usize,
    /// Most doubts that one crash left on the line.
    pub(super) most_doubts: usize,
    pub(super) settled: usize,
    /// Hand-overs under way when the answer came, and the longest time from its acknowledgement to their being read.
    pub(super) races: usize,
    pub(super) longest_race: Duration,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Figures) {
        self.kills += other.kills;
        self.kills_at_start += other.kills_at_start;
        self.cuts += other.cuts;
        self.acknowledged += other.acknowledged;
        self.handed_over += other.handed_over;
        self.doubts_by_crash += other.doubts_by_crash;
        self.doubts_by_provider += other.doubts_by_provider;
        self.most_doubts = self.most_doubts.max(other.most_doubts);
        self.settled += other.settled;
        self.races += other.races;
        self.longest_race = self.longest_race.max(other.longest_race);
    }
}

/// Sends in doubt, as they are listed, with the conversations that they belong to.
type Doubts = BTreeMap<String, String>;

/// Judges one history, piece by piece.
pub(super) struct Checker {
    /// Entries read so far.
    read: usize,
    acknowledged: BTreeMap<usize, Vec<(Duration, What)>>,
    handed: BTreeMap<usize, Vec<String>>,
    /// Sends by how often they were taken.
    taken: BTreeMap<String, usize>,
    lost: BTreeSet<String>,
    /// Those that were taken before the present life of the daemon.
    before: BTreeSet<String>,
    reported: BTreeSet<String>,
    /// Sends in doubt at the last look.
    doubts: BTreeSet<String>,
    /// Those of whom something happened since the last look.
    fresh: BTreeSet<usize>,
    /// Persons with a hand-over that was read after an acknowledged answer, not yet compared with what the daemon decided.
    races: BTreeSet<usize>,
    permits: usize,
    pub(super) figures: Figures,
    found: Vec<Violation>,
}

impl Checker {
    pub(super) fn new(permits: usize) -> Checker {
        Checker {
            read: 0,
            acknowledged: BTreeMap::new(),
            handed: BTreeMap::new(),
            taken: BTreeMap::new(),
            lost: BTreeSet::new(),
            before: BTreeSet::new(),
            reported: BTreeSet::new(),
            doubts: BTreeSet::new(),
            fresh: BTreeSet::new(),
            races: BTreeSet::new(),
            permits,
            figures: Figures::default(),
            found: Vec::new(),
        }
    }

    pub(super) fn violated(&mut self, broken: Broken, what: String) {
        self.found.push(Violation { broken, what });
    }

    /// Reads what happened since the last look.
    pub(super) fn read(&mut self, history: &History) {
        let entries = history.all();
        for (at, entry) in &entries[self.read..] {
            match entry {
                Entry::Acknowledged { person, what } => {
                    self.figures.acknowledged += 1;
                    self.acknowledged.entry(*person).or_default().push((*at, *what));
                    self.fresh.insert(*person);
                }
                Entry::Handed { person, send, open, taken, lost } => self.handed(*at, (*person, send), (*open, *taken, *lost)),
                Entry::Reported { send } => {
                    self.reported.insert(send.clone());
                }
            }
        }
        self.read = entries.len();
        for why in history.wrongs() {
            self.violated(Broken::Wrong, why);
        }
    }

    fn handed(&mut self, at: Duration, (person, send): (usize, &String), (open, taken, lost): (bool, bool, bool)) {
        self.figures.handed_over += 1;
        self.fresh.insert(person);
        if !open {
            self.violated(Broken::Closed, format!("{send} of {} was handed over while its hours are over", name(person)));
        }
        if self.taken.get(send).is_some_and(|times| *times > 0) {
            self.violated(Broken::Twice, format!("{send} of {} was handed over again", name(person)));
        }
        *self.taken.entry(send.clone()).or_default() += usize::from(taken);
        if lost {
            self.lost.insert(send.clone());
        }
        if taken {
            self.handed.entry(person).or_default().push(send.clone());
        }
        let replied = |(_, what): &&(Duration, What)| matches!(what, What::Message | What::OptOut | What::Finish);
        if let Some((when, what)) = self.acknowledged.get(&person).and_then(|known| known.iter().find(replied)).copied() {
            let gap = at.saturating_sub(when);
            if gap > RACE {
                self.violated(Broken::AfterTheAnswer, format!("{send} of {} came {gap:?} after {what:?}", name(person)));
            }
            self.figures.races += 1;
            self.figures.longest_race = self.figures.longest_race.max(gap);
            self.races.insert(person);
        }
    }

    /// A life of the daemon is over: what the provider took up to now is known to the next.
    pub(super) fn life_ended(&mut self, history: &History) {
        self.read(history);
        self.before = self.handed.values().flatten().cloned().collect();
    }

    /// Compares what the daemon says after a restart with what happened before it; `kills` since the last look.
    pub(super) async fn restarted(&mut self, base: &str, history: &History, kills: usize, everybody: bool) {
        let client = client();
        self.read(history);
        let Some(mut listed) = self.doubts_at(base).await else { return };
        // A claim of this life may have lost its answer by now.
        self.read(history);
        let doubts: BTreeSet<String> = listed.keys().cloned().collect();
        self.look_at_doubts(&doubts, kills);
        let people: BTreeSet<usize> = if everybody { self.acknowledged.keys().copied().collect() } else { std::mem::take(&mut self.fresh) };
        let mut looks = Vec::new();
        for person in people {
            looks.push((person, get(&client, &format!("{base}/v1/conversations/{}/explain", name(person))).await));
        }
        // And who came into doubt meanwhile is listed now.
        listed.extend(self.doubts_at(base).await.unwrap_or_default());
        for (person, (status, shown)) in looks {
            self.look_at(person, (status, &shown), &listed, history);
        }
        self.doubts = doubts;
    }

    async fn doubts_at(&mut self, base: &str) -> Option<Doubts> {
        let (status, listed) = get(&client(), &format!("{base}/v1/doubts")).await;
        if status != 200 {
            self.violated(Broken::Unlisted, format!("the doubts are not told: {status} {listed}"));
            return None;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(listed["doubts"].as_array().into_iter().flatten().map(|doubt| (text(&doubt["send"]), text(&doubt["conversation"]))).collect())
    }

    fn look_at_doubts(&mut self, doubts: &BTreeSet<String>, kills: usize) {
        let fresh: Vec<&String> = doubts.difference(&self.doubts).collect();
        let by_provider = fresh.iter().filter(|send| self.lost.contains(**send)).count();
        let by_crash = fresh.len() - by_provider;
        self.figures.doubts_by_provider += by_provider;
        self.figures.doubts_by_crash += by_crash;
        if kills == 1 {
            self.figures.most_doubts = self.figures.most_doubts.max(by_crash);
        }
        self.figures.settled += self.doubts.difference(doubts).count();
        if by_crash > self.permits * kills {
            self.violated(Broken::TooManyDoubts, format!("{by_crash} sends in doubt after {kills} kills, with {} permits", self.permits));
        }
        let unsettled: Vec<String> = doubts.intersection(&self.reported).cloned().collect();
        for send in unsettled {
            self.violated(Broken::Unsettled, format!("{send} is in doubt, and the provider's report of it was acknowledged"));
        }
    }

    fn look_at(&mut self, person: usize, (status, shown): (u16, &Value), doubts: &Doubts, history: &History) {
        let known: Vec<What> =
            self.acknowledged.get(&person).into_iter().flatten().map(|(_, what)| *what).filter(|what| *what != What::Greeting).collect();
        let called = name(person);
        let Some(last) = known.last().copied() else { return };
        if status != 200 {
            return self.violated(Broken::Lost, format!("{called} was acknowledged and is gone: {status} {shown}"));
        }
        let (state, outcome) = (shown["state"].as_str().unwrap_or_default(), shown["outcome"].as_str().unwrap_or_default());
        let there = match last {
            What::Message => state == "quiet",
            What::OptOut => outcome == "opted_out",
            What::Finish => outcome == "succeeded",
            // A reply that was not acknowledged may be there all the same: the kill came between disk and wire.
            _ if history.may_have_replied(person) => shown["question"]["id"] == "name" || state == "finished",
            _ => state != "quiet" && shown["question"]["id"] == "name",
        };
        if !there {
            self.violated(Broken::Lost, format!("{called}: {last:?} was acknowledged and is not there: {}", brief(shown)));
        }
        let decided = decisions(shown);
        if decided.is_empty() {
            self.violated(Broken::Lost, format!("{called} says nothing of why: {}", brief(shown)));
        }
        if ["question", "opt_out", "succeeded"].iter().any(|once| decided.iter().filter(|kind| kind == &once).count() > 1) {
            self.violated(Broken::Repeated, format!("{called}: an event that was told again counted twice: {}", brief(shown)));
        }
        self.look_at_sends(person, shown, doubts, history);
        if self.races.remove(&person) && !claimed_before_the_reply(shown) {
            self.violated(Broken::AfterTheAnswer, format!("{called} was claimed after the answer was in: {}", brief(shown)));
        }
    }

    /// Whatever the provider has taken is known, as sent or as a doubt; and who is in doubt is listed.
    fn look_at_sends(&mut self, person: usize, shown: &Value, doubts: &Doubts, history: &History) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sends: BTreeSet<String> = shown["sends"].as_array().into_iter().flatten().map(|send| text(&send["send"])).collect();
        let unknown: Vec<String> = self
            .handed
            .get(&person)
            .into_iter()
            .flatten()
            .filter(|send| self.before.contains(*send) && !sends.contains(*send) && !doubts.contains_key(*send))
            .cloned()
            .collect();
        for send in unknown {
            self.violated(Broken::Unlisted, format!("{send} was handed over, and neither sent nor in doubt is it: {}", brief(shown)));
        }
        // A conversation that went on in doubt says so for good; the send is settled all the same by a report, which the ledger may have
        // heard even where that was not acknowledged.
        let settled = self.handed.get(&person).is_some_and(|sends| sends.iter().any(|send| history.may_be_reported(send)));
        if shown["in_doubt"] == true && !settled && !doubts.values().any(|conversation| *conversation == name(person)) {
            self.violated(Broken::Unlisted, format!("{} is in doubt and not listed: {}", name(person), brief(shown)));
        }
    }

    /// What was found since the last time it was asked.
    pub(super) fn found(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.found)
    }
}

/// What the daemon decided about, in order.
fn decisions(shown: &Value) -> Vec<&str> {
    shown["decisions"].as_array().into_iter().flatten().filter_map(|decision| decision["event"]["type"].as_str()).collect()
}

/// Where a conversation stands, for a message: the whole of it fills a screen.
fn brief(shown: &Value) -> String {
    format!("{} {} after {:?}, sends {}", shown["state"], shown["outcome"], decisions(shown), shown["sends"])
}

/// Whether the last claim was decided before the person's reply.
fn claimed_before_the_reply(shown: &Value) -> bool {
    let decisions = decisions(shown);
    let asked = decisions.iter().position(|kind| *kind == "question").unwrap_or(0);
    let reply = decisions.iter().skip(asked).position(|kind| ["user_message", "opt_out", "succeeded"].contains(kind)).map(|at| at + asked);
    let claim = decisions.iter().rposition(|kind| *kind == "woke");
    match (claim, reply) {
        (Some(claim), Some(reply)) => claim < reply,
        _ => true,
    }
}
