//! `reengaged demo`: a day in half a minute. The real daemon as a child, a scaled clock, a few dozen people.
//!
//! Not a simulation: it knows neither engine nor store, and plays everybody over HTTP alone. Only schedule time runs fast;
//! timeouts, budgets and backoff stay as they are.

mod cast;
mod child;
mod screen;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::demo::cast::{Person, QUESTIONS, Role, cast};
use crate::demo::child::Daemon;
use crate::demo::screen::Screen;
use crate::moment::{HOUR, MINUTE, Moment};

/// A Tuesday, 17:00 in Bogotá.
const CURTAIN: &str = "2026-03-03T22:00:00Z";
/// How much faster schedule time runs: a day in half a minute.
const FACTOR: u32 = 2_880;
/// How long the play takes, in milliseconds of schedule time.
const LENGTH: i64 = 26 * HOUR;

/// The configuration of the child: the guide's keys, everything else at its default.
fn configuration(home: &str) -> String {
    format!(
        r#"[server]
listen = "127.0.0.1:0"
[store]
path = "{home}/data"
any_filesystem = true
[log]
level = "warn"
[lines.support]
provider = "console"
format = "json"
flow = "onboarding"
[flows.onboarding]
enable_follow_up = true
follow_up_delay = 45
follow_up_message = "You have an active process in progress, would you like to continue?"
start_business_hours = "2021-01-01T13:00:00.000Z"
end_business_hours = "2021-01-01T00:00:00.000Z"
spread_minutes = 10
yes = "Yes"
no = "No"
expires_after = "6h"
"#
    )
}

/// Something that one of the cast, or the bot, does at its time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// The bot asks its question.
    Asks,
    /// The person writes this.
    Writes(String),
    /// The bot has all it needs.
    Succeeds,
}

/// Plays the day. The play goes to standard output.
///
/// # Errors
/// One line: what was being done, and why it could not be.
pub async fn run() -> Result<(), String> {
    let home = tempfile::Builder::new().prefix("reengaged-demo-").tempdir().map_err(|e| format!("making a temporary directory: {e}"))?;
    let curtain = Moment::parse(CURTAIN).ok_or("the demo's own beginning is no instant")?;
    let clock = Clock::scaled(FACTOR, curtain);
    let daemon = Daemon::start(home.path(), &configuration(&home.path().display().to_string()), &clock).await?;
    let mut play = Play::new(daemon, clock, curtain);
    play.screen.opening(FACTOR, play.people.len(), curtain);
    tokio::select! {
        played = play.perform() => played?,
        _ = tokio::signal::ctrl_c() => println!("\ninterrupted"),
    }
    play.closing().await?;
    play.daemon.stop().await
}

struct Play {
    daemon: Daemon,
    clock: Clock,
    curtain: Moment,
    people: BTreeMap<String, Person>,
    acts: BinaryHeap<Reverse<(Moment, String, Act)>>,
    screen: Screen,
    /// People whose end has been shown.
    over: BTreeMap<String, String>,
}

impl Play {
    fn new(daemon: Daemon, clock: Clock, curtain: Moment) -> Play {
        let people: BTreeMap<String, Person> = cast().into_iter().map(|person| (person.name.to_owned(), person)).collect();
        let asks = |person: &Person| Reverse((curtain.plus(person.asked * MINUTE), person.name.to_owned(), Act::Asks));
        let acts = people.values().map(asks).collect();
        Play { daemon, clock, curtain, people, acts, screen: Screen::new(), over: BTreeMap::new() }
    }

    async fn perform(&mut self) -> Result<(), String> {
        let mut look = tokio::time::interval(std::time::Duration::from_millis(250));
        loop {
            let now = self.clock.now();
            if now.since(self.curtain) > LENGTH {
                return Ok(());
            }
            let next = self.acts.peek().map_or(self.curtain.plus(LENGTH + 1), |Reverse((at, _, _))| *at);
            tokio::select! {
                line = self.daemon.console.next_line() => match line {
                    Ok(Some(line)) => self.received(&line)?,
                    _ => return Err("the daemon ended in the middle of the play".to_owned()),
                },
                () = tokio::time::sleep(self.clock.until(next)) => {
                    if let Some(Reverse((_, name, act))) = self.acts.pop() {
                        self.act(&name, &act).await?;
                    }
                }
                _ = look.tick() => self.look().await?,
            }
        }
    }

    /// Somebody, or the bot, does something: told to the daemon, and its answer shown.
    async fn act(&mut self, name: &str, act: &Act) -> Result<(), String> {
        let now = self.clock.now();
        let Some(person) = self.people.get(name).copied() else { return Ok(()) };
        match act {
            Act::Asks => {
                let asked = QUESTIONS[person.question];
                let answer = self.daemon.event(&child::question(name, asked)).await?;
                let due = answer["due_at"].as_str().and_then(Moment::parse);
                self.screen.asked(now, name, asked, due);
                if let Role::ComesBack(after) = person.role {
                    self.later(after, name, Act::Writes("Here I am, sorry!".to_owned()));
                }
                if person.explained {
                    self.explain(name).await?;
                }
            }
            Act::Writes(text) => {
                let answer = self.daemon.event(&json!({"type": "user_message", "conversation": name, "text": text})).await?;
                self.screen.wrote(now, name, text, &answer);
                if answer["state"] == "quiet" {
                    self.later(1, name, Act::Succeeds);
                }
            }
            Act::Succeeds => {
                self.daemon.event(&json!({"type": "succeeded", "conversation": name})).await?;
                self.screen.succeeded(now, name);
                self.over.insert(name.to_owned(), "succeeded".to_owned());
            }
        }
        Ok(())
    }

    fn later(&mut self, minutes: i64, name: &str, act: Act) {
        self.acts.push(Reverse((self.clock.now().plus(minutes * MINUTE), name.to_owned(), act)));
    }

    /// What a person would have received on their phone.
    fn received(&mut self, line: &str) -> Result<(), String> {
        let message: Value = serde_json::from_str(line).map_err(|e| format!("reading what the console provider printed: {e}: {line}"))?;
        let (data, at) = (&message["data"], message["timestamp"].as_str().and_then(Moment::parse));
        let (Some(name), Some(text), Some(at)) = (data["conversation"].as_str(), data["text"].as_str(), at) else {
            return Err(format!("the console provider printed something unknown: {line}"));
        };
        let again = data["purpose"] == "question";
        self.screen.received(at, name, text, again);
        let role = self.people.get(name).map(|person| person.role);
        match role {
            Some(Role::Resumes(after)) if !again => self.later(after, name, Act::Writes("Yes".to_owned())),
            Some(Role::Resumes(_)) => self.later(4, name, Act::Writes("of course: here it is".to_owned())),
            Some(Role::Replies(after, text)) if !self.screen.replied(name) => self.later(after, name, Act::Writes(text.to_owned())),
            _ => {}
        }
        Ok(())
    }

    /// Why the daemon decided as it did, in its own words.
    async fn explain(&mut self, name: &str) -> Result<(), String> {
        let why = self.daemon.get(&format!("/v1/conversations/{name}/explain")).await?;
        if let Some(decision) = why["decisions"].as_array().and_then(|decisions| decisions.last()) {
            let reasons = decision["reasons"].as_array().into_iter().flatten();
            self.screen.because(reasons.filter_map(|reason| reason["because"].as_str()));
        }
        Ok(())
    }

    /// Looks for conversations that ended without a word from anybody.
    async fn look(&mut self) -> Result<(), String> {
        let now = self.clock.now();
        let page = self.daemon.get("/v1/conversations?limit=1000").await?;
        for conversation in page["conversations"].as_array().into_iter().flatten() {
            let (Some(name), Some(outcome)) = (conversation["conversation"].as_str(), conversation["outcome"].as_str()) else { continue };
            if self.over.get(name).is_none_or(|known| known != outcome) {
                self.over.insert(name.to_owned(), outcome.to_owned());
                self.screen.over(now, name, outcome);
            }
        }
        Ok(())
    }

    /// How it ended, counted from what the daemon says.
    async fn closing(&mut self) -> Result<(), String> {
        let page = self.daemon.get("/v1/conversations?limit=1000").await?;
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for conversation in page["conversations"].as_array().into_iter().flatten() {
            let end = conversation["outcome"].as_str().or_else(|| conversation["state"].as_str()).unwrap_or("unknown");
            *ends.entry(end.to_owned()).or_default() += 1;
        }
        self.screen.table(&ends);
        Ok(())
    }
}
