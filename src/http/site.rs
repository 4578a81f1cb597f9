//! What all requests share: settings, tokens, counters, and, once it runs, the way to the engine.
//!
//! Not the daemon: the daemon makes it, opens it when the engine is ready, and replaces its tokens on reload.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::auth::{Throttle, Tokens};
use super::counts::Counts;
use super::forward::Forward;
use super::peer::Proxies;
use super::reply;
use crate::engine::desk::Desk;
use crate::engine::inboxes::Inboxes;
use crate::engine::upkeep::Caretaker;
use crate::limits;
use crate::shapes::problem::{Kind, Problem};

/// One line may have this part of a listener's connections under way with webhooks.
const LINES_SHARE: usize = 4;

/// The bounds of the listeners.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a connection may be silent before a request, and how long a request's head may take.
    pub head: Duration,
    /// How long a body may make no progress; a body that is no stream takes at most twice this.
    pub body: Duration,
    /// How long a connection may take nothing of an answer.
    pub stall: Duration,
    /// How long a request waits for the engine's answer.
    pub answer: Duration,
    /// How long requests under way may go on after the listeners have closed.
    pub drain: Duration,
    /// Connections at once, on each listener.
    pub connections: usize,
    /// Of these, connections of one address that is no trusted proxy's.
    pub connections_each: usize,
    /// Time since some instant, never stepping: for measuring. The edge reads no clock of its own.
    pub elapsed: fn() -> Duration,
}

impl Settings {
    /// The settings of a configuration that changes nothing.
    #[must_use]
    pub fn standard(elapsed: fn() -> Duration) -> Settings {
        let thirty = Duration::from_secs(30);
        let ten = Duration::from_secs(10);
        Settings { head: ten, body: thirty, stall: thirty, answer: thirty, drain: ten, connections: 1_024, connections_each: 512, elapsed }
    }
}

/// What a figure is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FigureKind {
    /// It only grows while the daemon runs. Its name has no `_total`: that is added when it is told.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One figure of `/metrics`; figures of one name follow each other and share help and kind.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// Its name, without the prefix `reengaged_`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What it is.
    pub kind: FigureKind,
    /// Names and values that tell figures of one name apart.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// Where the daemon's figures come from; asked at each scrape, in the order in which they shall be read
/// (`oldest_due_lateness_seconds` first).
pub trait Figures: Send + Sync {
    /// The figures at this moment.
    fn read(&self) -> Vec<Figure>;
}

impl<F: Fn() -> Vec<Figure> + Send + Sync> Figures for F {
    fn read(&self) -> Vec<Figure> {
        self()
    }
}

/// The way to the engine.
#[derive(Clone)]
pub struct Inside {
    /// Where requests are put.
    pub desk: Desk,
    /// What `/metrics` tells beside the counters of this edge.
    pub figures: Arc<dyn Figures>,
    /// Who makes backups and checks.
    pub caretaker: Arc<dyn Caretaker>,
}

/// The lines that take webhooks, and what goes with them. Replaced whole on reload.
#[derive(Clone, Default)]
pub struct Hooks {
    /// What each line's webhooks prove and say.
    pub inboxes: Inboxes,
    /// The bots that webhooks are handed on to, by line.
    pub bots: BTreeMap<Arc<str>, Arc<dyn Forward>>,
    /// Who is believed when it says for whom it asks.
    pub proxies: Proxies,
}

/// What all requests share.
pub struct Site {
    pub(super) settings: Settings,
    pub(super) counts: Counts,
    pub(super) throttle: Throttle,
    /// Webhooks that prove nothing, as far as the log tells of them.
    pub(super) forged: Throttle,
    /// Places for webhooks that are large.
    pub(super) large: Arc<Semaphore>,
    /// Places for proved webhooks, by line.
    lines: Mutex<BTreeMap<Arc<str>, Arc<Semaphore>>>,
    tokens: ArcSwap<Tokens>,
    hooks: ArcSwap<Hooks>,
    inside: OnceLock<Inside>,
    /// What a start that takes long waits for.
    waits_for: ArcSwapOption<String>,
    stopping: watch::Sender<bool>,
}

impl Site {
    /// A site that answers 503 to everything but health until [`Site::open`]. It has no webhooks until [`Site::replace_hooks`].
    #[must_use]
    pub fn new(settings: Settings, tokens: Tokens) -> Arc<Site> {
        Arc::new(Site {
            settings,
            counts: Counts::default(),
            throttle: Throttle::default(),
            forged: Throttle::default(),
            large: Arc::new(Semaphore::new(limits::WEBHOOKS_LARGE)),
            lines: Mutex::default(),
            hooks: ArcSwap::default(),
            tokens: ArcSwap::from_pointee(tokens),
            inside: OnceLock::new(),
            waits_for: ArcSwapOption::empty(),
            stopping: watch::Sender::new(false),
        })
    }

    /// The engine is ready: requests are let through from now on. Only the first call counts.
    pub fn open(&self, inside: Inside) {
        // A second engine in one process does not exist, so there is nothing to lose.
        let _ = self.inside.set(inside);
    }

    /// Other tokens from now on.
    pub fn replace_tokens(&self, tokens: Tokens) {
        self.tokens.store(Arc::new(tokens));
    }

    /// Other lines that take webhooks from now on. They are taken before the engine is ready: what they say is then refused, and
    /// handed on to the bot all the same.
    pub fn replace_hooks(&self, hooks: Hooks) {
        self.hooks.store(Arc::new(hooks));
    }

    /// A place among the webhooks of a line that are under way, or `None` where the line has all that it may have: a line whose
    /// provider pours, or whose bot hangs, leaves places to the others.
    pub(super) fn share(&self, line: &Arc<str>) -> Option<OwnedSemaphorePermit> {
        // Nothing between lock and unlock can leave the table half changed.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let most = (self.settings.connections / LINES_SHARE).max(1);
        let places = lines.entry(Arc::clone(line)).or_insert_with(|| Arc::new(Semaphore::new(most)));
        Arc::clone(places).try_acquire_owned().ok()
    }

    /// The inboxes in force.
    #[must_use]
    pub fn inboxes(&self) -> Inboxes {
        self.hooks.load().inboxes.clone()
    }

    pub(super) fn hooks(&self) -> Arc<Hooks> {
        self.hooks.load_full()
    }

    pub(super) fn tokens(&self) -> Arc<Tokens> {
        self.tokens.load_full()
    }

    /// What the start waits for, for whoever asks before the engine is ready.
    pub fn waits_for(&self, what: Option<&str>) {
        self.waits_for.store(what.map(|what| Arc::new(what.to_owned())));
    }

    /// The answer to whoever asks before the engine is ready.
    pub(super) fn starting(&self) -> Problem {
        match &*self.waits_for.load() {
            Some(what) => Problem::new(Kind::Starting, format!("starting: {what}")),
            None => reply::starting(),
        }
    }

    pub(super) fn inside(&self) -> Option<&Inside> {
        self.inside.get()
    }

    /// Tells every connection and stream to come to an end.
    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}

/// Resolves when everything shall come to an end.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender is the site, which outlives every connection; without it there is nothing to serve either.
    let _ = stopping.wait_for(|stop| *stop).await;
}
