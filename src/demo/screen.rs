//! What the demo shows: one line for each thing that happens, and a table at the end.
//!
//! Not a decision: times and reasons are the daemon's own.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::America::Bogota;
use serde_json::Value;

use crate::moment::{HOUR, Moment};

const HELD: &str = "  (held until business hours)";
const LATER: &str = "  (put off, as they asked)";

/// The screen, and what it counts while it shows.
#[derive(Debug, Default)]
pub(super) struct Screen {
    nudged: BTreeSet<String>,
    /// Whose follow-up was put off to the opening, or to when they asked for, with the words that say so.
    put_off: BTreeMap<String, &'static str>,
    replied: BTreeSet<String>,
    at_once: usize,
    held: usize,
    later: usize,
    asked_again: usize,
    unprompted: usize,
}

impl Screen {
    pub(super) fn new() -> Screen {
        Screen::default()
    }

    pub(super) fn opening(&self, factor: u32, people: usize, curtain: Moment) {
        println!("reengaged demo: {people} people, a day in half a minute. The daemon is a child process on the real engine and the");
        println!("embedded store; only its schedule time runs fast (x{factor}). Times are Bogotá's.");
        println!();
        println!("The flow: after 45 minutes of silence, \"You have an active process in progress, would you like to continue?\"");
        println!(
            "with [Yes] and [No]; from 8:00 to 19:00, otherwise at the next opening; over 6 hours after it. Curtain: {}.",
            local(curtain)
        );
        println!();
    }

    pub(super) fn asked(&mut self, at: Moment, name: &str, question: &str, due: Option<Moment>) {
        if due.is_some_and(|due| due.since(at) > HOUR) {
            self.put_off.insert(name.to_owned(), HELD);
        }
        let due = due.map_or_else(|| "no follow-up is planned".to_owned(), |due| format!("follow-up planned for {}", local(due)));
        line(at, name, &format!("is asked \"{question}\" and goes quiet; {due}"));
    }

    pub(super) fn because<'a>(&self, reasons: impl Iterator<Item = &'a str>) {
        for reason in reasons {
            println!("{:22}   because {reason}", "");
        }
    }

    pub(super) fn received(&mut self, at: Moment, name: &str, text: &str, again: bool) {
        if again {
            self.asked_again += 1;
            return line(at, name, &format!("<- \"{text}\" (the last unanswered question, again)"));
        }
        self.nudged.insert(name.to_owned());
        let put_off = self.put_off.remove(name).unwrap_or_default();
        *match put_off {
            HELD => &mut self.held,
            LATER => &mut self.later,
            _ => &mut self.at_once,
        } += 1;
        line(at, name, &format!("<- \"{text}\" [Yes] [No]{put_off}"));
    }

    /// Whether this person has already said something to a follow-up.
    pub(super) fn replied(&self, name: &str) -> bool {
        self.replied.contains(name)
    }

    pub(super) fn wrote(&mut self, at: Moment, name: &str, text: &str, answer: &Value) {
        let state = answer["outcome"].as_str().or_else(|| answer["state"].as_str()).unwrap_or("?");
        let meaning = match state {
            "quiet" if !self.nudged.contains(name) => {
                self.unprompted += 1;
                "answered unprompted: nothing is sent".to_owned()
            }
            "quiet" => "the bot has the next word".to_owned(),
            "waiting" | "sending" => match answer["due_at"].as_str().and_then(Moment::parse) {
                Some(due) if due.since(at) > HOUR => {
                    self.put_off.insert(name.to_owned(), LATER);
                    format!("later: planned again for {}", local(due))
                }
                _ => "resumed: the last unanswered question goes out again".to_owned(),
            },
            other => format!("{other}: over"),
        };
        if self.nudged.contains(name) {
            self.replied.insert(name.to_owned());
        }
        line(at, name, &format!("-> \"{text}\"  ({meaning})"));
    }

    pub(super) fn succeeded(&self, at: Moment, name: &str) {
        line(at, name, "is done: succeeded");
    }

    pub(super) fn over(&self, at: Moment, name: &str, outcome: &str) {
        if outcome == "expired" {
            line(at, name, "never answered: expired");
        }
    }

    pub(super) fn table(&self, ends: &BTreeMap<String, usize>) {
        println!();
        println!("How the day ended");
        let (sent, held, later) = (self.at_once + self.held + self.later, self.held, self.later);
        println!(
            "  follow-ups sent         {sent:>3}   {} after 45 minutes, {held} held until business hours, {later} put off as asked",
            self.at_once
        );
        println!("  questions asked again   {:>3}   after \"Yes\"", self.asked_again);
        println!("  answered unprompted     {:>3}   and so never bothered", self.unprompted);
        println!();
        println!("  conversations by end");
        for (end, count) in ends {
            println!("    {end:<22}{count:>3}");
        }
        println!();
        println!("Next: reengaged serve --config config.toml.example, then POST /v1/events (see the README).");
    }
}

fn line(at: Moment, name: &str, what: &str) {
    println!("{:<10} {name:<10}  {what}", local(at));
}

fn local(at: Moment) -> String {
    chrono::DateTime::from_timestamp_millis(at.0)
        .map_or_else(|| at.to_string(), |utc| utc.with_timezone(&Bogota).format("%a %H:%M").to_string())
}
