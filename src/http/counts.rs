//! The counters of this edge, for `/metrics`.
//!
//! Not the daemon's figures: those are asked of it at each scrape. No label ever holds a number, a name or a text.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::engine::request::{Answer, Rejected};

/// What tells requests apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct RequestLabels {
    /// The route's pattern, never the path.
    pub(super) route: &'static str,
    /// The status.
    pub(super) status: u32,
}

/// What tells webhooks apart. Lines are those of the configuration, so that nobody outside can make new ones up.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct HookLabels {
    /// The line.
    pub(super) line: String,
    /// What became of it.
    pub(super) verdict: &'static str,
}

/// What tells apart what webhooks say and is of no concern.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(super) struct PassedLabels {
    /// The line.
    pub(super) line: String,
    /// Its kind.
    pub(super) kind: &'static str,
}

/// Everything that is counted here.
#[derive(Clone)]
pub(super) struct Counts {
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) duration: Histogram,
    pub(super) connections: Gauge,
    pub(super) turned_away: Counter,
    pub(super) events: Events,
    /// Webhooks, by line and what became of them.
    pub(super) webhooks: Family<HookLabels, Counter>,
    /// What they say that is of no concern.
    pub(super) passed: Family<PassedLabels, Counter>,
    /// Those that were handed on, by line and how that ended.
    pub(super) handed_on: Family<HookLabels, Counter>,
}

/// Events, by what became of them.
#[derive(Clone, Default)]
pub(super) struct Events {
    pub(super) taken: Counter,
    pub(super) ignored: Counter,
    pub(super) rejected: Counter,
    pub(super) bad: Counter,
}

impl Events {
    pub(super) fn count(&self, answer: Result<&Answer, &Rejected>) {
        match answer {
            Ok(answer) if answer.ignored.is_some() => self.ignored.inc(),
            Ok(_) => self.taken.inc(),
            Err(_) => self.rejected.inc(),
        };
    }
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            requests: Family::default(),
            // From a quarter of a millisecond to eight seconds.
            duration: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            connections: Gauge::default(),
            turned_away: Counter::default(),
            events: Events::default(),
            webhooks: Family::default(),
            passed: Family::default(),
            handed_on: Family::default(),
        }
    }
}

/// While this lives, a connection is counted as open.
pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Counts {
    pub(super) fn connection(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let http = registry.sub_registry_with_prefix("http");
        http.register("requests", "Requests answered, by route and status", self.requests.clone());
        http.register("request_duration_seconds", "From the head of a request to the head of its answer", self.duration.clone());
        http.register("connections", "Connections open now", self.connections.clone());
        http.register("turned_away", "Connections refused because all places were taken", self.turned_away.clone());
        let events = http.sub_registry_with_prefix("events");
        events.register("taken", "Events over HTTP that changed something, durably", self.events.taken.clone());
        events.register("ignored", "Events over HTTP that changed nothing", self.events.ignored.clone());
        events.register("rejected", "Events over HTTP that were not taken", self.events.rejected.clone());
        events.register("bad", "Lines and bodies that were no event", self.events.bad.clone());
        let webhooks = registry.sub_registry_with_prefix("webhooks");
        webhooks.register("received", "Webhooks of providers, by line and what became of them", self.webhooks.clone());
        webhooks.register("passed", "What webhooks say and is of no concern, by line and kind", self.passed.clone());
        webhooks.register("handed_on", "Webhooks handed on to the bot, by line and how that ended", self.handed_on.clone());
    }
}
