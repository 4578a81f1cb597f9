//! The load: bots that ask, people who answer, opt out or finish while their follow-ups go out, and the provider's reports.
//!
//! Not the judgement of what becomes of it. An event that was not acknowledged is told again, as providers and bots do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reengaged::clock::Clock;
use reengaged::moment::{MINUTE, Moment, SECOND};
use serde_json::json;
use tokio::task::JoinSet;

use super::dice::Dice;
use super::history::{Entry, History, What};
use super::provider::{Provider, Report};
use crate::emulator::{Fate, Hook, Manners as _, Person, Sent};
use crate::whole::process::{client, post};

/// How many tell events at once.
const LANES: usize = 12;

/// The person whom the provider knows by this number; people are numbered in the order in which they come.
pub(super) fn person_of(phone: &str) -> usize {
    phone.strip_prefix("5730").and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX)
}

fn someone(person: usize) -> Person {
    Person { phone: format!("5730{person:08}"), user: format!("CO.77{person:014}"), name: format!("Persona {person}") }
}

/// The caller's name of a person's conversation.
pub(super) fn name(person: usize) -> String {
    format!("p-{person}")
}

/// An event on its way, or told in vain.
#[derive(Clone)]
struct Telling {
    person: usize,
    what: What,
    /// JSON for the events API, or a webhook of the provider.
    event: Event,
}

#[derive(Clone)]
enum Event {
    Json(serde_json::Value),
    Hook(Hook),
}

/// Who tells, and what was told in vain.
pub(super) struct Load {
    seed: u64,
    history: Arc<History>,
    provider: Arc<Provider>,
    next: AtomicUsize,
    again: Mutex<VecDeque<Telling>>,
}

impl Load {
    pub(super) fn new(seed: u64, history: Arc<History>, provider: Arc<Provider>) -> Load {
        Load { seed, history, provider, next: AtomicUsize::new(0), again: Mutex::default() }
    }

    /// How many people have come so far.
    pub(super) fn people(&self) -> usize {
        self.next.load(Ordering::SeqCst)
    }

    /// Tells and hears until the daemon is gone, or until `people` more have come.
    pub(super) async fn run(self: Arc<Load>, base: String, people: usize) {
        let client = client();
        let until = self.people() + people;
        let mut lanes = JoinSet::new();
        for _ in 0..LANES {
            let (load, client, base) = (Arc::clone(&self), client.clone(), base.clone());
            lanes.spawn(async move {
                let talk = Talk { load: &load, client, base };
                while talk.told_in_vain().await {
                    let person = load.next.fetch_add(1, Ordering::SeqCst);
                    if person >= until {
                        load.next.fetch_sub(1, Ordering::SeqCst);
                        break;
                    }
                    if !talk.lives(person).await {
                        break;
                    }
                }
            });
        }
        let (load, told) = (Arc::clone(&self), base.clone());
        let reporting = tokio::spawn(async move {
            let talk = load.talk(&told);
            while talk.reports(load.provider.reports.next().await).await {}
        });
        lanes.join_all().await;
        reporting.abort();
        // Cut off in the middle it may have a report in hand: it is then told no more, which providers do as well.
        let _ = reporting.await;
    }

    /// Tells what was told in vain and reports what there is to report; everything is taken.
    pub(super) async fn catch_up(&self, base: &str) {
        let talk = self.talk(base);
        assert!(talk.told_in_vain().await, "nobody kills it now");
        while let Some(report) = self.provider.reports.take() {
            assert!(talk.reports(report).await, "nobody kills it now");
        }
    }
}

impl Load {
    fn talk(&self, base: &str) -> Talk<'_> {
        Talk { load: self, client: client(), base: base.to_owned() }
    }

    /// The bot asked this person long enough ago: the follow-up is due now.
    pub(super) async fn asks_now(&self, base: &str, person: usize) -> bool {
        self.asks_at(base, person, true, Clock::system().wall().plus(-31 * MINUTE)).await
    }

    /// The bot asked this person, on the line that is open or on the other; whether that was acknowledged.
    pub(super) async fn asks_at(&self, base: &str, person: usize, open: bool, at: Moment) -> bool {
        let talk = self.talk(base);
        talk.tell(talk.asks(person, open, at)).await
    }

    /// The person writes; whether that was acknowledged.
    pub(super) async fn writes(&self, base: &str, person: usize) -> bool {
        let talk = self.talk(base);
        let event = json!({"type": "user_message", "id": format!("w-{person}"), "conversation": name(person), "text": "Ana"});
        talk.tell(Telling { person, what: What::Message, event: Event::Json(event) }).await
    }

    /// The provider reports that a send to this person was delivered, also where it has never answered.
    pub(super) async fn reports_delivered(&self, base: &str, person: usize, send: &str) -> bool {
        let sent = Sent { id: format!("wamid.{person}"), to: someone(person).phone, correlation: send.to_owned(), ..Sent::default() };
        let hook = self.provider.open.status(&sent, Fate::Delivered, Clock::system().wall()).expect("Meta reports fates");
        self.talk(base).reports(Report { send: send.to_owned(), hook }).await
    }
}

struct Talk<'a> {
    load: &'a Load,
    client: reqwest::Client,
    base: String,
}

impl Talk<'_> {
    /// Everything that was told in vain before, told again.
    async fn told_in_vain(&self) -> bool {
        loop {
            let next = self.load.again.lock().expect("no test panics while it holds this").pop_front();
            match next {
                None => return true,
                Some(telling) => {
                    if !self.tell(telling).await {
                        return false;
                    }
                }
            }
        }
    }

    /// Tells an event, and notes whether it was acknowledged; whether the daemon is still there.
    async fn tell(&self, telling: Telling) -> bool {
        let Telling { person, what, event } = &telling;
        self.load.history.tells(*person, *what);
        let status = match event {
            Event::Json(event) => post(&self.client, &format!("{}/v1/events", self.base), event).await.ok(),
            Event::Hook(hook) => self.deliver(hook).await,
        };
        match status {
            Some((200, _)) => {
                self.load.history.note(Entry::Acknowledged { person: *person, what: *what });
                true
            }
            // On its way up or down it takes nothing, and says so.
            None | Some((503, _)) => {
                self.load.again.lock().expect("no test panics while it holds this").push_back(telling);
                false
            }
            Some((status, body)) => {
                self.load.history.wrong(format!("an event of {} was refused with {status}: {body}", name(*person)));
                true
            }
        }
    }

    async fn deliver(&self, hook: &Hook) -> Option<(u16, serde_json::Value)> {
        let mut request = self.client.post(format!("{}/hooks/open", self.base)).body(hook.body.clone());
        for (name, value) in &hook.headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, serde_json::Value::String(answer.text().await.ok()?)))
    }

    async fn reports(&self, report: Report) -> bool {
        self.load.history.reports(&report.send);
        match self.deliver(&report.hook).await {
            Some((200, _)) => self.load.history.note(Entry::Reported { send: report.send }),
            _ => {
                self.load.provider.reports.put(report);
                return false;
            }
        }
        true
    }

    /// A person's life; whether the daemon is still there.
    async fn lives(&self, person: usize) -> bool {
        let mut dice = Dice::new(self.load.seed, 2 + person as u64);
        let (open, kind) = (!dice.percent(8), dice.below(10));
        let now = Clock::system().wall();
        // Due at once, or within the next moments: the silence began half an hour ago.
        let soon = dice.below(400) as i64;
        let due = match kind {
            0..4 => now.plus(-(dice.below(60) as i64) * SECOND),
            9 => now.plus(20 * MINUTE),
            _ => now.plus(soon),
        };
        let asked = due.plus(-30 * MINUTE);
        if open && dice.percent(30) && !self.tell(self.wrote(person, "hola", asked.plus(-10 * MINUTE))).await {
            return self.later(self.asks(person, open, asked));
        }
        let question = self.asks(person, open, asked);
        if !self.tell(question.clone()).await {
            return false;
        }
        if dice.percent(5) && !self.tell(question).await {
            return false;
        }
        if kind < 5 {
            return true;
        }
        // Around the moment at which the follow-up goes out: before, during and after.
        let wait = (soon + dice.below(300) as i64 - 200).max(0) as u64;
        tokio::time::sleep(Duration::from_millis(if kind == 9 { 0 } else { wait })).await;
        self.tell(self.replies(person, open, &mut dice)).await
    }

    fn later(&self, telling: Telling) -> bool {
        self.load.again.lock().expect("no test panics while it holds this").push_back(telling);
        false
    }

    fn wrote(&self, person: usize, said: &str, at: Moment) -> Telling {
        Telling { person, what: What::Greeting, event: Event::Hook(self.load.provider.open.says(&someone(person), said, at)) }
    }

    fn asks(&self, person: usize, open: bool, at: Moment) -> Telling {
        let event = json!({"type": "question", "id": format!("q-{person}"), "conversation": name(person), "at": at.to_string(),
            "line": if open { "open" } else { "shut" }, "to": format!("+{}", someone(person).phone), "vars": {"name": "Ana"},
            "question": {"id": "name", "text": "¿Cómo te llamas?"}});
        Telling { person, what: What::Question, event: Event::Json(event) }
    }

    fn replies(&self, person: usize, open: bool, dice: &mut Dice) -> Telling {
        let json = |what, kind: &str| {
            let mut event = json!({"type": kind, "id": format!("r-{person}"), "conversation": name(person)});
            if what == What::Message {
                event["text"] = "Ana".into();
            }
            Telling { person, what, event: Event::Json(event) }
        };
        match dice.below(6) {
            0 => json(What::OptOut, "opt_out"),
            1 => json(What::Finish, "succeeded"),
            2 | 3 if open => {
                let hook = self.load.provider.open.says(&someone(person), "perdón, sigo aquí", Clock::system().wall());
                Telling { person, what: What::Message, event: Event::Hook(hook) }
            }
            _ => json(What::Message, "user_message"),
        }
    }
}
