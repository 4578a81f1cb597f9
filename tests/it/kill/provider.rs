//! A provider that writes down every request it has read whole before it answers, and behaves badly now and then: it loses answers,
//! refuses, asks to wait, is slow. What became of messages it reports later, signed, to whichever daemon runs by then.
//!
//! Not a judge of requests: the emulator of the Cloud API is, with its own reading of the documentation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reengaged::clock::Clock;
use tokio::sync::Notify;

use super::dice::Dice;
use super::history::{Entry, History};
use crate::emulator::{Answer, Fate, Heard, Hook, Manners, Meta};
use crate::stub::{Mood, Request, Stub};

/// The number of the line whose hours are over.
const SHUT: &str = "106540352242933";

/// What the provider does with the calls that it takes notice of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Temper {
    /// One in four goes wrong in some way.
    Moody,
    /// Takes everything and reports nothing: what is in doubt is so because of us.
    Silent,
    /// Asks to wait, each time.
    Throttling,
    /// Reads everything and never answers.
    Hanging,
}

/// A report that was not taken yet.
pub(super) struct Report {
    pub(super) send: String,
    pub(super) hook: Hook,
}

pub(super) struct Provider {
    pub(super) open: Meta,
    pub(super) shut: Meta,
    stub: Stub,
    pub(super) reports: Arc<Reports>,
}

/// Reports under way.
#[derive(Default)]
pub(super) struct Reports {
    waiting: Mutex<Vec<Report>>,
    more: Notify,
}

impl Reports {
    pub(super) fn put(&self, report: Report) {
        self.waiting.lock().expect("no test panics while it holds this").push(report);
        self.more.notify_one();
    }

    pub(super) fn take(&self) -> Option<Report> {
        self.waiting.lock().expect("no test panics while it holds this").pop()
    }

    /// The next report, when there is one.
    pub(super) async fn next(&self) -> Report {
        loop {
            if let Some(report) = self.take() {
                return report;
            }
            self.more.notified().await;
        }
    }
}

fn lines() -> (Meta, Meta) {
    let shut = Meta { phone_number_id: SHUT.to_owned(), phone: "5716000002".to_owned(), ..Meta::new() };
    (Meta::new(), shut)
}

impl Provider {
    pub(super) fn start(seed: u64, temper: Temper, history: Arc<History>) -> Provider {
        let reports = Arc::new(Reports::default());
        let pending = Arc::clone(&reports);
        let (open, shut) = lines();
        let judges = lines();
        let dice = Mutex::new((Dice::new(seed, 1), 0_u64));
        let stub = Stub::new(Mood::Play(Arc::new(move |request| {
            let (drawn, wait, number) = {
                let mut dice = dice.lock().expect("no test panics while it holds this");
                dice.1 += 1;
                (dice.0.below(100), dice.0.below(25), dice.1)
            };
            let is_open = !request.target().contains(SHUT);
            let judge = if is_open { &judges.0 } else { &judges.1 };
            let drawn = match temper {
                Temper::Moody => drawn,
                Temper::Throttling => 11,
                Temper::Silent | Temper::Hanging => 99,
            };
            let (mood, report) = hear(judge, request, (drawn, number, is_open), &history);
            let mood = if temper == Temper::Hanging { Mood::Hang } else { mood };
            // A provider takes its time; nothing waits for this.
            std::thread::sleep(Duration::from_millis(wait));
            let pending = Arc::clone(&pending);
            let follows = move || report.into_iter().for_each(|report| pending.put(report));
            (mood, Box::new(follows) as Box<dyn FnOnce() + Send>)
        })));
        Provider { open, shut, stub, reports }
    }

    /// The base of its API.
    pub(super) fn api(&self) -> String {
        format!("http://{}/v25.0", self.stub.address)
    }
}

/// Judges a request, writes it down, and says how to behave and what to report after that.
fn hear(judge: &Meta, request: &Request, (drawn, number, open): (u64, u64, bool), history: &History) -> (Mood, Option<Report>) {
    let (sent, answer) = match judge.hear(request, number) {
        Heard::Send(sent, answer) => (*sent, answer),
        Heard::Read(answer) => return (Mood::Answer(answer.bytes()), None),
        Heard::Wrong(answer) => {
            history.wrong(format!("{}: {}", request.line(), answer.body));
            return (Mood::Answer(answer.bytes()), None);
        }
    };
    let refused = |code: u32| (Mood::Answer(judge.error(code).bytes()), false, false);
    let taken = |answer: &Answer| (Mood::Answer(answer.bytes()), true, false);
    let (mood, is_taken, lost) = match drawn {
        // Nobody knows whether it was taken: it was.
        0..11 => (Mood::CloseAfterRequest, true, true),
        // Too many messages to this person: not taken, to be made again later.
        11..14 => refused(131_056),
        // It cannot be delivered to this person at all.
        14..17 => refused(131_026),
        _ => taken(&answer),
    };
    let person = super::load::person_of(&sent.to);
    history.note(Entry::Handed { person, send: sent.correlation.clone(), open, taken: is_taken, lost });
    // Of one lost call in four nothing is ever heard again.
    let reports = is_taken && (3..90).contains(&drawn);
    let hook = reports.then(|| judge.status(&sent, Fate::Delivered, Clock::system().wall())).flatten();
    (mood, hook.map(|hook| Report { send: sent.correlation, hook }))
}
