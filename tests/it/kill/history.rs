//! What happened, in one order: what was acknowledged to us, what was handed to the provider, what the provider reported.
//!
//! Not a judgement: that is `checker.rs`. An entry is made after the bytes that it tells of were read, and before anything that
//! follows from them is sent.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use reengaged::clock::Clock;

/// What a person's event was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// The person wrote before anything was asked.
    Greeting,
    /// The bot asked.
    Question,
    /// The person wrote.
    Message,
    /// The person wants to hear nothing more.
    OptOut,
    /// The conversation came to its end.
    Finish,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    /// An event of this person was answered with 200.
    Acknowledged { person: usize, what: What },
    /// A request that hands a message over was read whole. `taken`: the provider takes it; `lost`: it does not say so.
    Handed { person: usize, send: String, open: bool, taken: bool, lost: bool },
    /// The provider's report of this send was answered with 200.
    Reported { send: String },
}

/// Everything that happened, in order, with its time.
#[derive(Default)]
pub(super) struct History {
    clock: Clock,
    entries: Mutex<Vec<(Duration, Entry)>>,
    /// Requests that no provider takes: a mistake of the program, or of the tests.
    wrong: Mutex<Vec<String>>,
    /// Sends of which reports were under way, acknowledged or not.
    reporting: Mutex<BTreeSet<String>>,
    /// Who was told of, acknowledged or not.
    told: Mutex<BTreeSet<(usize, u8)>>,
}

impl History {
    pub(super) fn note(&self, entry: Entry) {
        let mut entries = lock(&self.entries);
        entries.push((self.clock.elapsed(), entry));
    }

    /// An event is about to be told: it may be kept even where nobody says so.
    pub(super) fn tells(&self, person: usize, what: What) {
        lock(&self.told).insert((person, what as u8));
    }

    /// Whether anything but questions was told of a person.
    pub(super) fn may_have_replied(&self, person: usize) -> bool {
        let told = lock(&self.told);
        [What::Message, What::OptOut, What::Finish].iter().any(|what| told.contains(&(person, *what as u8)))
    }

    /// A report is about to be told: it may be kept even where nobody says so.
    pub(super) fn reports(&self, send: &str) {
        lock(&self.reporting).insert(send.to_owned());
    }

    pub(super) fn may_be_reported(&self, send: &str) -> bool {
        lock(&self.reporting).contains(send)
    }

    pub(super) fn wrong(&self, why: String) {
        lock(&self.wrong).push(why);
    }

    pub(super) fn wrongs(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    pub(super) fn all(&self) -> Vec<(Duration, Entry)> {
        lock(&self.entries).clone()
    }

    /// How many requests have handed a message over.
    pub(super) fn handed(&self) -> usize {
        lock(&self.entries).iter().filter(|(_, entry)| matches!(entry, Entry::Handed { .. })).count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}
