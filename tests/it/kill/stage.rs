//! A daemon on a directory, its provider and its load: started, killed in one way or another, and judged.
//!
//! Not the tests: they say how often and in which way.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reengaged::clock::Clock;
use reengaged::moment::HOUR;

use super::checker::{Broken, Checker, Figures, Violation};
use super::dice::Dice;
use super::history::History;
use super::load::Load;
use super::points;
use super::provider::{Provider, Temper};
use crate::whole::process::Daemon;

/// Calls under way at once on each line.
pub(super) const PERMITS: usize = 16;

/// How the daemon is ended.
#[derive(Clone, Debug)]
pub(super) enum Kill {
    /// So many milliseconds after it was ready, under load.
    UnderLoad(u64),
    /// So many times in a row, each so many milliseconds after it was started.
    WhileStarting(Vec<u64>),
    /// By itself, at a point that is armed like this, under load.
    AtPoint(String),
}

pub(super) struct Stage {
    pub(super) home: tempfile::TempDir,
    pub(super) history: Arc<History>,
    pub(super) load: Arc<Load>,
    pub(super) checker: Checker,
    /// Kills since the last look at the daemon.
    pub(super) kills: usize,
    /// Points armed in every process, beside those of a kill: what the program does wrong.
    pub(super) wrong: String,
}

impl Stage {
    /// A new directory; the store and the ledger stand in `data`, or in the directory itself.
    pub(super) fn new(seed: u64, temper: Temper, data: Option<&Path>) -> Stage {
        let history = Arc::new(History::default());
        let provider = Arc::new(Provider::start(seed, temper, Arc::clone(&history)));
        let home = tempfile::tempdir().expect("a directory");
        for (name, value) in [("token", &provider.open.token), ("app", &provider.open.app_secret), ("verify", &"verify".to_owned())] {
            secret(home.path(), name, value);
        }
        let data = data.map_or_else(|| home.path().join("data"), Path::to_owned);
        std::fs::write(home.path().join("config.toml"), configuration(&provider, &data)).expect("a file");
        let load = Arc::new(Load::new(seed, Arc::clone(&history), provider));
        Stage { home, history, load, checker: Checker::new(PERMITS), kills: 0, wrong: String::new() }
    }

    /// One for a daemon that nothing is asked of.
    pub(super) fn bare(seed: u64) -> Stage {
        Stage::new(seed, Temper::Silent, None)
    }

    /// Starts a daemon on this clock; does not wait.
    pub(super) fn spawn_at(&self, clock: &Clock) -> Daemon {
        Daemon::spawn_armed(self.home.path(), &["--clock", &clock.described()], &self.wrong)
    }

    /// Waits until so many requests have handed a message over.
    pub(super) async fn handed(&self, at_least: usize) {
        let waited = async {
            while self.history.handed() < at_least {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(60), waited).await.is_ok();
        assert!(reached, "{} of {at_least} messages in a minute", self.history.handed());
    }

    /// Starts a daemon with these points armed; does not wait.
    pub(super) fn spawn(&self, points: &str) -> Daemon {
        let armed: Vec<&str> = [self.wrong.as_str(), points].into_iter().filter(|part| !part.is_empty()).collect();
        Daemon::spawn_armed(self.home.path(), &[], &armed.join(";"))
    }

    /// Starts it, and looks at what it says of what happened before; `None` where it does not start, which is noted.
    pub(super) async fn restart(&mut self, points: &str) -> Option<Daemon> {
        self.checker.life_ended(&self.history);
        let mut daemon = self.spawn(points);
        if !tokio::task::block_in_place(|| daemon.ready_or_gone()) {
            let ended = daemon.wait();
            let log = daemon.log();
            let said = log.lines().last().unwrap_or_default();
            self.checker.violated(Broken::Lost, format!("it does not start: {ended}: {said}"));
            return None;
        }
        self.look(&daemon, false).await;
        Some(daemon)
    }

    async fn look(&mut self, daemon: &Daemon, everybody: bool) {
        let kills = std::mem::take(&mut self.kills);
        self.checker.restarted(&daemon.base, &self.history, kills, everybody).await;
    }

    /// One round: a daemon, its load, its end. What is wrong shows at the next start.
    pub(super) async fn round(&mut self, kill: &Kill) {
        match kill {
            Kill::WhileStarting(lives) => {
                for life in lives {
                    let daemon = self.spawn("");
                    std::thread::sleep(Duration::from_millis(*life));
                    daemon.kill();
                    self.killed(true);
                }
            }
            Kill::UnderLoad(life) => {
                let Some(daemon) = self.restart("").await else { return };
                let loading = tokio::spawn(Arc::clone(&self.load).run(daemon.base.clone(), usize::MAX / 2));
                tokio::time::sleep(Duration::from_millis(*life)).await;
                daemon.kill();
                self.killed(false);
                loading.await.expect("the load ends when the daemon does");
            }
            Kill::AtPoint(armed) => {
                self.at_point(armed, Duration::from_secs(2)).await;
            }
        }
    }

    /// Whether the daemon died at the point within a while of load; it is dead either way.
    pub(super) async fn at_point(&mut self, armed: &str, limit: Duration) -> bool {
        let mut daemon = self.spawn(armed);
        let ready = tokio::task::block_in_place(|| daemon.ready_or_gone());
        let mut reached = !ready;
        if ready {
            // What it says of the time before is looked at in the next life, which no point cuts short. The load ends soon: folding
            // waits for a quiet moment.
            let loading = tokio::spawn(Arc::clone(&self.load).run(daemon.base.clone(), 24));
            let gone = tokio::task::block_in_place(|| daemon.gone_within(limit));
            reached = gone.is_some();
            if !reached {
                daemon.signal("KILL");
            }
            daemon.wait();
            loading.await.expect("the load ends when the daemon does");
        }
        self.killed(!ready);
        reached
    }

    pub(super) fn killed(&mut self, at_start: bool) {
        self.kills += 1;
        self.checker.figures.kills += 1;
        self.checker.figures.kills_at_start += usize::from(at_start);
    }

    /// The end of a stage: everything that was told in vain is told, everything is reported, everybody is looked at.
    pub(super) async fn end(&mut self) -> Figures {
        let Some(mut daemon) = self.restart("").await else { return self.checker.figures.clone() };
        self.load.catch_up(&daemon.base).await;
        self.look(&daemon, true).await;
        daemon.signal("TERM");
        let ended = daemon.wait();
        assert!(ended.success(), "{ended}\n{}", daemon.log());
        self.checker.figures.clone()
    }

    /// What all daemons of this stage have said.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// Fails with everything that is not as promised.
    pub(super) fn judge(&mut self, seed: u64, round: usize) {
        let found = self.checker.found();
        if !found.is_empty() {
            let told: Vec<String> = found.iter().map(Violation::to_string).collect();
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            panic!("seed {seed}, round {round}: not as promised:\n{}\nthe daemon said:\n{}", told.join("\n"), tail.join("\n"));
        }
    }
}

/// How a round ends, by chance: one in three while it starts, once to four times in a row; where points are built in, one in ten at
/// one of them.
pub(super) fn some_kill(dice: &mut Dice) -> Kill {
    if points::BUILT_IN && dice.percent(10) {
        let (point, passes) = points::some_point(dice);
        return Kill::AtPoint(format!("{point}={passes}*off->return(kill)"));
    }
    if dice.percent(35) {
        let times = 1 + dice.below(4);
        let life = |dice: &mut Dice| if dice.percent(70) { dice.below(61) } else { dice.below(300) };
        return Kill::WhileStarting((0..times).map(|_| life(dice)).collect());
    }
    Kill::UnderLoad(if dice.percent(20) { dice.below(60) } else { dice.below(1_000) })
}

fn configuration(provider: &Provider, data: &Path) -> String {
    let line = |name: &str, number: &str| {
        format!(
            r#"
[lines.{name}]
provider = "whatsapp_cloud"
api = "{api}"
phone_number_id = "{number}"
token_file = "token"
app_secret_file = "app"
verify_token_file = "verify"
flow = "{name}"
daily = "unlimited"
rate = 1000
pair_gap = "0s"
catch_up_wait = "0s"
max_in_flight = {PERMITS}
[flows.{name}]
enable_follow_up = true
follow_up_delay = 30
on_yes = "hook"
[flows.{name}.session]
template = "reengage_es/es"
template_vars = ["name"]
"#,
            api = provider.api(),
        )
    };
    // The hours of the one never end, those of the other are over: they begin in eight hours.
    let day = 24 * HOUR;
    let opens = (Clock::system().wall().0 + 8 * HOUR).rem_euclid(day);
    let clock = |millis: i64| format!("{:02}:{:02}", millis / HOUR, millis % HOUR / 60_000);
    let hours =
        |from: String, to: String| format!("follow_up_delay = 30\nstart_business_hours = \"{from}\"\nend_business_hours = \"{to}\"");
    let always = line("open", &provider.open.phone_number_id).replace("follow_up_delay = 30", &hours(clock(0), clock(0)));
    let never = line("shut", &provider.shut.phone_number_id)
        .replace("follow_up_delay = 30", &hours(clock(opens), clock((opens + HOUR).rem_euclid(day))));
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\nany_filesystem = true\n[log]\nlevel = \"warn\"\n{always}{never}",
        data.display()
    )
}

/// Writes a secret as a file that nobody else can read.
fn secret(home: &Path, name: &str, value: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(home.join(name)).expect("a file");
    file.write_all(value.as_bytes()).expect("a secret is written");
}
