//! The daemon: configuration, clock, store, providers, hooks, engine and servers, put together and taken apart.
//!
//! Not a decision: when and whether something is sent is the engine's. This is the only place where the edges meet.
//!
//! Order of start: listener (answers 503) → room on the disk → store → engine recovered → commit thread → loop → calls and hooks → ready.
//! Order of stop: not ready → requests under way finish → calls under way end, or are in doubt → last group durable → out.

mod approvals;
mod caretaker;
mod commit;
mod deliver;
mod figures;
mod folding;
pub mod forward;
mod hooks;
pub mod logs;
mod missed;
mod patience;
mod probing;
mod reload;
mod room;
mod start;
mod systemd;
pub mod threads;
mod upkeep;
mod wakeups;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config::settings::Config;
use crate::daemon::approvals::{Approvals, Errand};
use crate::daemon::caretaker::Keeper;
use crate::daemon::commit::Outlets;
use crate::daemon::deliver::{Delivery, Providers};
use crate::daemon::patience::Patience;
use crate::daemon::probing::Probing;
use crate::daemon::room::Room;
use crate::daemon::wakeups::{End, Loop, Wakeup};
use crate::engine::Engine;
use crate::engine::book::Book;
use crate::engine::desk::{Desk, Request};
use crate::engine::group::{Call, Told};
use crate::engine::guard::ClockGuard;
use crate::engine::ports::{Fault, Store};
use crate::engine::reads::Snapshot;
use crate::engine::record::NameId;
use crate::engine::tables::Names;
use crate::http::{self, Figure, Inside, Site};
use crate::limits;
use crate::points;
use crate::provider::Printer;
use crate::store::{OpenOptions, SledStore};

/// How `serve` was asked for.
#[derive(Debug)]
pub struct Start {
    /// The configuration, read and checked.
    pub config: Config,
    /// Where it was read, for reading it again.
    pub file: PathBuf,
    /// The clock; a scaled one for the demo.
    pub clock: Clock,
    /// Conversations whose line or flow is no longer configured are called off.
    pub drop: bool,
    /// A damaged store, or one that went back in time, is taken as it is; sending then starts held.
    pub accept_loss: bool,
}

/// Why the daemon could not start, or had to end; with the exit code that tells systemd what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// One line: what was being done, to what, and what to do.
    pub why: String,
    /// 75: try again. 78: it will not help to try again.
    pub code: u8,
}

impl Failure {
    fn setup(why: impl Into<String>) -> Failure {
        Failure { why: why.into(), code: 78 }
    }

    fn again(why: impl Into<String>) -> Failure {
        Failure { why: why.into(), code: 75 }
    }

    fn of(fault: &Fault) -> Failure {
        match fault {
            Fault::Unavailable(why) => Failure::again(why.clone()),
            Fault::Corrupt(why) => Failure::setup(why.clone()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// What the running parts share.
struct Shared {
    config: Arc<ArcSwap<Config>>,
    book: Arc<ArcSwap<Book>>,
    providers: Arc<ArcSwap<Providers>>,
    printer: Printer,
    site: Arc<Site>,
    store: Arc<dyn Store>,
    keeper: Arc<Keeper>,
    names: Arc<Names>,
    clock: Clock,
    wakeups: UnboundedSender<Wakeup>,
    hooks_changed: watch::Sender<()>,
}

/// Runs until SIGTERM or SIGINT, or until the store fails.
///
/// # Errors
/// [`Failure`], with the exit code.
pub async fn run(start: Start) -> Result<(), Failure> {
    let Start { config, file, clock, drop, accept_loss } = start;
    // A file that may not grow is then an error of the write, as a full disk is, and not the end of the process.
    let _too_large = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
    let listeners = start::listeners(&config).await?;
    points::at("start.listening");
    let addresses: Vec<String> = listeners.iter().map(|l| l.address().to_string()).collect();
    let site = Site::new(start::bounds(&config), start::tokens(&config));
    let printer = start::printer();
    let start::Lines { providers, hooks } = start::lines(&config, &printer)?;
    site.replace_hooks(hooks);
    let (close, closed) = oneshot::channel::<()>();
    let serving = tokio::spawn(http::serve(listeners, Arc::clone(&site), async {
        // Dropping the other end closes as well.
        let _ = closed.await;
    }));
    let room = Room::of(&config);
    let store = room.wait_for(&site, &addresses.join(" and "), async || open(&config, accept_loss).await).await?;
    points::at("start.opened");
    let parts = Parts { config, printer, providers, clock, site };
    let mut running = Running::begin(parts, store, drop).await?;
    tokio::spawn(room.watch(running.shared.wakeups.clone()));
    // Before anybody is told that it runs: whoever was told may stop it.
    let signals = Signals::listen();
    points::at("start.ready");
    let status = format!("listening at {}", addresses.join(" and "));
    tracing::info!(conversations = running.conversations, "{status}");
    systemd::ready(&status);
    let end = running.attend(signals, &file).await;
    systemd::stopping();
    // Whoever is being served gets an answer: the loop still runs, or refuses.
    if close.send(()).is_err() {
        tracing::debug!("the listeners had closed already");
    }
    let result = running.finish(end).await;
    if serving.await.is_err() {
        tracing::error!("the HTTP server ended badly");
    }
    result
}

/// What is there before the store is read.
struct Parts {
    config: Config,
    printer: Printer,
    providers: Providers,
    clock: Clock,
    site: Arc<Site>,
}

/// What an operator tells a process.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        let [term, int, hup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok(Signals { term: term?, int: int?, hup: hup? })
    }
}

/// The parts, under way.
struct Running {
    shared: Arc<Shared>,
    conversations: usize,
    engine: Option<oneshot::Receiver<End>>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    async fn begin(parts: Parts, kept: Arc<SledStore>, drop: bool) -> Result<Running, Failure> {
        let store: Arc<dyn Store> = Arc::clone(&kept) as _;
        let Parts { config, printer, providers, clock, site } = parts;
        let book = Arc::new(config.book.clone());
        let mut engine = recover(&store, &book, &clock).await?;
        points::at("start.recovered");
        #[cfg(feature = "failpoints")]
        if points::wrong("wrong.trust_the_timer") {
            engine.bend = Some(crate::engine::bend::trust_the_timer);
        }
        check_in_use(&mut engine, &book, &clock, drop)?;
        start::put_inbounds_in_force(&mut engine, clock.now());
        let (wakeups, woken) = unbounded_channel();
        let (calls, called) = unbounded_channel();
        let (told, telling) = unbounded_channel();
        let (probes, probed) = unbounded_channel();
        let (errands, to_run) = unbounded_channel();
        let (requests, requested) = mpsc::channel(limits::INBOX);
        let shared = Arc::new(Shared {
            config: Arc::new(ArcSwap::from_pointee(config)),
            book: Arc::new(ArcSwap::new(book)),
            providers: Arc::new(ArcSwap::from_pointee(providers)),
            printer,
            site,
            store,
            keeper: Keeper::new(kept, clock.clone()),
            names: engine.names(),
            clock,
            wakeups,
            hooks_changed: watch::Sender::new(()),
        });
        let conversations = engine.waiting();
        let alive = engine.last_alive();
        let (ended, end) = oneshot::channel();
        let mut running = Running { shared, conversations, engine: Some(end), threads: Vec::new() };
        let outlets = Outlets { wakeups: running.shared.wakeups.clone(), calls, told, errands: errands.clone() };
        running.threads(engine, (woken, requested, probes), outlets, ended)?;
        points::at("start.threads");
        running.tasks(called, telling, probed, errands);
        let desk = running.open(requests);
        running.task("approvals", approvals::run(running.approvals(&desk), to_run));
        if let Some(alive) = alive {
            missed::recover(&running.shared, &desk, alive);
        }
        Ok(running)
    }

    /// The threads: the one that decides, the one that keeps, and the one that puts away what is kept.
    fn threads(
        &mut self,
        engine: Engine,
        (wakeups, requests, probes): (UnboundedReceiver<Wakeup>, mpsc::Receiver<Request>, UnboundedSender<NameId>),
        outlets: Outlets,
        ended: oneshot::Sender<End>,
    ) -> Result<(), Failure> {
        let (groups, to_commit) = std::sync::mpsc::channel();
        let (patience, hurry) = Patience::new();
        let store = Arc::clone(&self.shared.store);
        let clock = self.shared.clock.clone();
        let guard = (!clock.is_scaled()).then(|| ClockGuard::new(engine.last_alive()));
        let engine_loop = Loop {
            engine,
            clock,
            guard,
            requests,
            wakeups,
            groups,
            probes,
            watchdog: systemd::feeder(),
            stopping: None,
            forget_before: None,
            ticked: 0,
            fed: 0,
            under_way: 0,
            patience,
        };
        let (folding, committing) = std::sync::mpsc::channel();
        let folded = Arc::clone(&store);
        self.thread("fold", move || folding::run(&folded, &committing))?;
        self.thread("commit", move || commit::run(&store, &to_commit, &outlets, &hurry, folding))?;
        self.thread("engine", move || {
            let end = engine_loop.run();
            // Whoever waited for it has given up, and the process ends anyway.
            let _ = ended.send(end);
        })
    }

    fn thread(&mut self, name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
        let wakeups = self.shared.wakeups.clone();
        let guarded = move || {
            if std::panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
                panicked(&wakeups, name);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(guarded);
        self.threads.push(thread.map_err(|e| Failure::again(format!("starting the {name} thread: {e}")))?);
        Ok(())
    }

    /// Runs a task for as long as the daemon: nobody misses one that has ended in a panic but all who wait for it.
    fn task(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let wakeups = self.shared.wakeups.clone();
        tokio::spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                panicked(&wakeups, name);
            }
        });
    }

    /// Those who make calls, ask about lines, tell hooks and do upkeep.
    fn tasks(
        &self,
        calls: UnboundedReceiver<Call>,
        told: UnboundedReceiver<Told>,
        probes: UnboundedReceiver<NameId>,
        errands: UnboundedSender<Errand>,
    ) {
        let shared = &self.shared;
        let delivery = Delivery {
            store: Arc::clone(&shared.store),
            clock: shared.clock.clone(),
            book: Arc::clone(&shared.book),
            providers: Arc::clone(&shared.providers),
            names: Arc::clone(&shared.names),
            wakeups: shared.wakeups.clone(),
        };
        self.task("calls", deliver::run(Arc::new(delivery), calls));
        let (providers, names) = (Arc::clone(&shared.providers), Arc::clone(&shared.names));
        let probing = Probing { providers, names, wakeups: shared.wakeups.clone() };
        self.task("probing", probing::run(Arc::new(probing), probes));
        self.task("hooks", hooks::run(Arc::clone(shared), told));
        self.task("upkeep", upkeep::run(Arc::clone(shared), errands));
    }

    fn approvals(&self, desk: &Desk) -> Approvals {
        let Shared { providers, clock, .. } = &*self.shared;
        Approvals { desk: desk.clone(), providers: Arc::clone(providers), clock: clock.clone(), asked: Arc::from("") }
    }

    fn open(&self, requests: mpsc::Sender<Request>) -> Desk {
        let (store, keeper, wakeups) = (Arc::clone(&self.shared.store), Arc::clone(&self.shared.keeper), self.shared.wakeups.clone());
        let figures = move || -> Vec<Figure> {
            let snapshot = snapshot(&wakeups);
            let mut figures = snapshot.map(|snapshot| figures::render(&snapshot, store.as_ref())).unwrap_or_default();
            figures.extend(keeper.figures());
            figures
        };
        let desk = Desk::new(requests);
        let caretaker = self.shared.keeper.handle();
        self.shared.site.open(Inside { desk: desk.clone(), figures: Arc::new(figures), caretaker });
        desk
    }

    /// Waits for a signal, or for the loop to end; reads the configuration again on SIGHUP.
    async fn attend(&mut self, signals: std::io::Result<Signals>, file: &std::path::Path) -> Option<End> {
        let Signals { mut term, mut int, mut hup } = match signals {
            Ok(signals) => signals,
            Err(error) => {
                tracing::error!(%error, "signals cannot be listened for; stopping");
                return None;
            }
        };
        let mut engine = self.engine.take()?;
        loop {
            tokio::select! {
                _ = term.recv() => break,
                _ = int.recv() => break,
                _ = hup.recv() => reload::reload(&self.shared, file).await,
                end = &mut engine => return end.ok(),
            }
        }
        tracing::info!("stopping: calls under way have {} s to end", limits::DRAIN / 1_000);
        self.engine = Some(engine);
        None
    }

    async fn finish(mut self, ended: Option<End>) -> Result<(), Failure> {
        // The loop may have ended by itself.
        let _ = self.shared.wakeups.send(Wakeup::Stop);
        let end = match (ended, self.engine.take()) {
            (Some(end), _) => Some(end),
            (None, Some(engine)) => engine.await.ok(),
            (None, None) => None,
        };
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok())).await;
        match end {
            Some(End::Failed(fault)) => Err(Failure::of(&fault)),
            Some(End::Stopped) if matches!(joined, Ok(true)) => Ok(()),
            _ => Err(Failure::again("a part of the daemon ended badly; the log before this line says which")),
        }
    }
}

async fn open(config: &Config, accept_loss: bool) -> Result<Arc<SledStore>, Failure> {
    let path = config.store.path.clone();
    let options = OpenOptions { any_filesystem: config.store.any_filesystem, accept_loss, machine: None };
    let opened = tokio::task::spawn_blocking(move || SledStore::open(&path, &options)).await;
    match opened {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(fault)) => Err(Failure::of(&fault)),
        Err(_) => Err(Failure::setup("opening the store ended in a panic; the log before this line says where")),
    }
}

async fn recover(store: &Arc<dyn Store>, book: &Arc<Book>, clock: &Clock) -> Result<Engine, Failure> {
    let (store, book, now) = (Arc::clone(store), Arc::clone(book), clock.now());
    let recovered = tokio::task::spawn_blocking(move || Engine::recover(store, book, now)).await;
    match recovered {
        Ok(recovered) => recovered.map_err(|fault| Failure::of(&fault)),
        Err(_) => Err(Failure::setup("reading the store ended in a panic; the log before this line says where")),
    }
}

fn check_in_use(engine: &mut Engine, book: &Book, clock: &Clock, drop: bool) -> Result<(), Failure> {
    let lost = engine.orphaned_by(book);
    if lost.is_empty() {
        return Ok(());
    }
    if drop {
        let dropped = engine.drop_orphans(clock.now());
        tracing::warn!(conversations = dropped, "called off: their line or flow is no longer configured");
        return Ok(());
    }
    let lost: Vec<String> = lost.iter().map(|(what, count)| format!("{what} ({count} conversations)")).collect();
    let why = format!("starting: no longer configured but in use: {}; configure them, or start once with --drop", lost.join(", "));
    Err(Failure::setup(why))
}

/// Without this part nothing can be promised any more: the loop ends, and the process with it, to be started again.
fn panicked(wakeups: &UnboundedSender<Wakeup>, part: &str) {
    let why = format!("the part of the daemon called {part} ended in a panic; the log before this line says where");
    // The loop may be what has panicked; then whoever waits for its end knows.
    let _ = wakeups.send(Wakeup::Failed(Fault::Unavailable(why)));
}

/// Figures of the engine. Called by a server task that may wait: the loop answers between two groups.
fn snapshot(wakeups: &UnboundedSender<Wakeup>) -> Option<Snapshot> {
    let (reply, answer) = oneshot::channel();
    wakeups.send(Wakeup::Figures(reply)).ok()?;
    tokio::task::block_in_place(|| answer.blocking_recv().ok())
}
