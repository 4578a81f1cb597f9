//! The engine's and the store's figures as `/metrics` tells them.
//!
//! Not counted here: the engine counts, the store measures; this asks and names.

use crate::engine::ports::Store;
use crate::engine::reads::Snapshot;
use crate::http::{Figure, FigureKind};
use crate::moment::SECOND;

/// All figures, in the order in which they are read: the first is the first graph to look at.
pub(super) fn render(snapshot: &Snapshot, store: &dyn Store) -> Vec<Figure> {
    let mut figures = vec![
        gauge(
            "oldest_due_lateness_seconds",
            "By how much the oldest follow-up that is due is late.",
            seconds(snapshot.oldest_due_lateness),
        ),
        gauge(
            "sending_held",
            "1 while all sending is held: a copied or restored store, a clock that jumped, a disk without room.",
            flag(snapshot.standing.held.is_some()),
        ),
        gauge("pauses", "Pauses in force.", snapshot.standing.paused.len() as f64),
        gauge("store_failed", "1 when the store can keep nothing any more.", flag(snapshot.standing.failed.is_some())),
        gauge("doubts", "Sends whose outcome is unknown.", snapshot.doubts as f64),
        gauge("identities", "Identities of events kept, so that a repetition is known.", snapshot.identities as f64),
    ];
    let counters = &snapshot.counters;
    figures.push(counter("claims", "Claims made: sends that were about to be handed over.", counters.claims));
    figures.push(counter("events_rejected", "Events refused, nothing of them kept.", counters.rejected));
    figures.push(counter("stopped_at_the_door", "Calls stopped by the last look before them.", counters.stopped_at_the_door));
    figures.push(counter("stopped_by_the_ledger", "Claims not made because the ledger knows the send.", counters.stopped_by_the_ledger));
    figures.push(counter("send_reply_races", "The person spoke while the call was under way.", counters.races));
    for (state, count) in &snapshot.conversations {
        figures.push(gauge("conversations", "Conversations in memory, by state.", *count as f64).labelled("state", state));
    }
    for (line, count) in &snapshot.in_flight {
        figures.push(gauge("in_flight", "Calls under way, by line.", *count as f64).labelled("line", line));
    }
    for (line, stopped) in &snapshot.lines {
        let help = "1 while a line claims nothing because its credentials or its account are not taken.";
        figures.push(gauge("line_stopped", help, flag(*stopped)).labelled("line", line));
    }
    for (kind, count) in &counters.events {
        figures.push(counter("events", "Events taken in, by type.", *count).labelled("type", kind));
    }
    for (why, count) in &counters.ignored {
        figures.push(counter("events_ignored", "Events that changed nothing, by reason.", *count).labelled("reason", why));
    }
    for ((outcome, reason), count) in &counters.sends {
        figures
            .push(counter("sends", "Sends ended, by outcome and reason.", *count).labelled("outcome", outcome).labelled("reason", reason));
    }
    for (kind, count) in &counters.reports {
        figures.push(counter("reports", "Reports made, by type.", *count).labelled("type", kind));
    }
    for (name, value) in store.figures() {
        figures.push(gauge("store", "Figures of the store, by name.", value).labelled("figure", name));
    }
    figures
}

trait Labelled {
    fn labelled(self, name: &'static str, value: &str) -> Self;
}

impl Labelled for Figure {
    fn labelled(mut self, name: &'static str, value: &str) -> Figure {
        self.labels.push((name, value.to_owned()));
        self
    }
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Figure {
    Figure { name, help, kind: FigureKind::Gauge, labels: Vec::new(), value }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Figure {
    Figure { name, help, kind: FigureKind::Counter, labels: Vec::new(), value: value as f64 }
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / SECOND as f64
}
