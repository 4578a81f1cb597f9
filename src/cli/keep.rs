//! `reengaged backup`, `restore` and `fsck`: asked of the running daemon where there is one, done here where the store is at rest.
//!
//! Not the works themselves: those are the store's. Damage ends with 78 and names its places.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::args::{BackupOptions, Daemon, FsckOptions, RestoreOptions};
use crate::cli::client::{self, Client};
use crate::cli::print::{Failure, code, visible};
use crate::config::Config;
use crate::engine::ports::Fault;
use crate::moment::Moment;
use crate::store::{Checked, OpenOptions, Progress, SledStore};

/// How often the daemon is asked how far it has come.
const LOOK: Duration = Duration::from_millis(200);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// What these verbs start from.
#[derive(Debug)]
pub struct Keeping {
    /// The configuration that was named.
    pub config: Option<PathBuf>,
    /// Now.
    pub now: Moment,
}

impl Keeping {
    /// Writes a backup.
    ///
    /// # Errors
    /// One line with the exit code.
    pub fn backup(&self, options: &BackupOptions) -> Result<u8, Failure> {
        let dest = std::path::absolute(&options.dest)?;
        let doing = format!("writing the backup {}", dest.display());
        if options.daemon.url.is_none() && dest.symlink_metadata().is_ok() {
            return Err(Failure::new(code::USAGE, format!("{doing}: it is there already, and is not overwritten; choose another name")));
        }
        if let Some(client) = self.running(&options.daemon)? {
            let to = dest.to_str().ok_or_else(|| Failure::new(code::USAGE, format!("{doing}: the name is no text")))?;
            client.ask(&doing, Method::POST, "/v1/backup", Some(&json!({ "to": to })))?;
            return self.follow(&client, &doing, "backup", &options.daemon);
        }
        let (root, open) = self.at_rest(&doing)?;
        let store = SledStore::open(&root, &open).map_err(|fault| failed(&fault))?;
        let backed = watched("records", |progress| store.backup(&dest, self.now, progress)).map_err(|fault| failed(&fault))?;
        let fine = backed.left_out == 0;
        if options.daemon.json {
            let state = if fine { "fine" } else { "damaged" };
            let told = json!({ "state": state, "to": dest.display().to_string(), "records": backed.records, "bytes": backed.bytes,
                "damaged": backed.left_out, "places": backed.damaged });
            writeln!(io::stdout(), "{told:#}")?;
        } else {
            writeln!(io::stdout(), "{} is written, of a store at rest: {} bytes", dest.display(), backed.bytes)?;
        }
        told_damage(&doing, backed.left_out, &backed.damaged, "left out")
    }

    /// Makes a store from a backup.
    ///
    /// # Errors
    /// One line with the exit code.
    pub fn restore(&self, options: &RestoreOptions) -> Result<u8, Failure> {
        let config = client::configuration(self.config.clone())?;
        let root = config.store.path.clone();
        if let Some(why) = SledStore::obstacle(&root, options.without_ledger) {
            return Err(Failure::new(code::USAGE, why));
        }
        own(&root, "restoring into")?;
        let open = options_of(&config);
        let restored =
            watched("bytes", |progress| SledStore::restore(&root, &options.source, &open, progress)).map_err(|fault| failed(&fault))?;
        let mut out = io::stdout();
        writeln!(out, "{} holds the {} conversations of {}", root.display(), restored.conversations, restored.made)?;
        match restored.ledger {
            Some(sends) => writeln!(out, "the ledger in place knows {sends} sends; none of them is made again")?,
            None => writeln!(out, "THERE IS NO LEDGER: what was sent after {} is not known here, and may be sent again", restored.made)?,
        }
        writeln!(
            out,
            "sending starts held: run `reengaged serve`, see `reengaged doubts` and `reengaged upcoming`, then `reengaged resume`"
        )?;
        if restored.left_out > 0 {
            let why = format!(
                "restoring {}: {} records could not be read when it was made, and are not there",
                options.source.display(),
                restored.left_out
            );
            return Err(Failure::new(code::FAILED, why));
        }
        Ok(code::FINE)
    }

    /// Checks every record.
    ///
    /// # Errors
    /// One line with the exit code.
    pub fn fsck(&self, options: &FsckOptions) -> Result<u8, Failure> {
        let doing = "checking the store";
        if let Some(client) = self.running(&options.daemon)? {
            client.ask(doing, Method::POST, "/v1/fsck", None)?;
            return self.follow(&client, doing, "fsck", &options.daemon);
        }
        let (root, _) = self.at_rest(doing)?;
        let checked = watched("records", |progress| SledStore::check(&root, options.scratch.as_deref(), &mut || progress.step()));
        let Checked { records, damages, damaged } = checked.map_err(|fault| failed(&fault))?;
        let places: Vec<String> = damages.iter().map(ToString::to_string).collect();
        if options.daemon.json {
            let state = if damaged == 0 { "fine" } else { "damaged" };
            writeln!(io::stdout(), "{:#}", json!({ "state": state, "records": records, "damaged": damaged, "places": places }))?;
        } else if damaged == 0 {
            writeln!(io::stdout(), "{records} records of {} checked; all of them are what was written", root.display())?;
        }
        told_damage(&format!("checking {}", root.display()), damaged, &places, "damaged")
    }

    /// The daemon, where one answers. Where it was named, it must.
    fn running(&self, daemon: &Daemon) -> Result<Option<Client>, Failure> {
        let client = Client::find(daemon, self.config.clone(), true)?;
        Ok(Some(client).filter(|client| daemon.url.is_some() || client.answers()))
    }

    /// The store of the configuration, which nobody has open.
    fn at_rest(&self, doing: &str) -> Result<(PathBuf, OpenOptions), Failure> {
        let config = client::configuration(self.config.clone())?;
        let root = config.store.path.clone();
        if !root.join("KEY").exists() && !root.join("FORMAT").exists() {
            let why = format!("{doing}: no daemon answers, and there is no store in {}; is this the right configuration?", root.display());
            return Err(Failure::new(code::CONFIG, why));
        }
        own(&root, doing)?;
        Ok((root, options_of(&config)))
    }

    /// Asks the daemon until its work has ended, and tells how.
    fn follow(&self, client: &Client, doing: &str, word: &str, daemon: &Daemon) -> Result<u8, Failure> {
        let shown = Shown::begin("records");
        let work = loop {
            let mut works = client.ask(doing, Method::GET, "/v1/upkeep", None)?;
            let work = works[word].take();
            shown.at(work["records"].as_u64().unwrap_or(0), 0);
            if work["state"] != "running" {
                break work;
            }
            std::thread::sleep(LOOK);
        };
        shown.end();
        if daemon.json {
            writeln!(io::stdout(), "{work:#}")?;
        } else if work["state"] != "failed" {
            let records = work["records"].as_u64().unwrap_or(0);
            match (word, work["to"].as_str()) {
                ("backup", Some(to)) => writeln!(io::stdout(), "{to} is written: {} bytes", work["bytes"])?,
                _ if work["state"] == "fine" => writeln!(
                    io::stdout(),
                    "{records} records checked while the daemon runs; all of them are what was written\nstop it and run this again to check as well whether they agree"
                )?,
                _ => {}
            }
        }
        let places: Vec<String> = work["places"].as_array().into_iter().flatten().filter_map(Value::as_str).map(visible).collect();
        if let Some(why) = work["why"].as_str() {
            let code = if work["again"] == json!(true) { code::AGAIN } else { code::CONFIG };
            return Err(Failure::new(code, visible(why)));
        }
        told_damage(doing, work["damaged"].as_u64().unwrap_or(0), &places, if word == "backup" { "left out" } else { "damaged" })
    }
}

/// Tells what is damaged, on the standard error; the exit code says so too.
fn told_damage(doing: &str, damaged: u64, places: &[String], what: &str) -> Result<u8, Failure> {
    if damaged == 0 {
        return Ok(code::FINE);
    }
    let mut err = io::stderr();
    for place in places {
        writeln!(err, "reengaged: {place}")?;
    }
    let (code, way) = match what {
        "left out" => (code::FAILED, "the backup holds everything else; `reengaged fsck` looks at all"),
        _ => (
            code::CONFIG,
            "move all but ledger/ away and run `reengaged restore FILE`, or go on with what can be read by `reengaged serve --accept-loss`",
        ),
    };
    Err(Failure::new(code, format!("{doing}: {damaged} places are {what}; {way}")))
}

fn failed(fault: &Fault) -> Failure {
    match fault {
        Fault::Unavailable(why) => Failure::new(code::AGAIN, why.clone()),
        Fault::Corrupt(why) => Failure::new(code::CONFIG, why.clone()),
    }
}

fn options_of(config: &Config) -> OpenOptions {
    OpenOptions { any_filesystem: config.store.any_filesystem, ..OpenOptions::default() }
}

/// Refuses to touch a store of somebody else: the daemon could not open the files that would be left.
fn own(root: &Path, doing: &str) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    let Ok(there) = std::fs::metadata(root) else { return Ok(()) };
    let me = rustix::process::geteuid().as_raw();
    if there.uid() == me {
        return Ok(());
    }
    let why = format!(
        "{doing} {}: it belongs to user {}, and this is user {me}; run it as its owner, as `sudo -u reengaged reengaged ...`",
        root.display(),
        there.uid()
    );
    Err(Failure::new(code::USAGE, why))
}

/// Runs a work, its progress shown meanwhile.
fn watched<T>(unit: &'static str, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Arc::new(Progress::default());
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watching = Arc::clone(&progress);
    let watcher = std::thread::spawn(move || {
        let shown = Shown::begin(unit);
        while ended.recv_timeout(LOOK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            shown.at(watching.done.load(Ordering::Relaxed), watching.of.load(Ordering::Relaxed));
        }
        shown.end();
    });
    let result = work(&progress);
    drop(done);
    // It only shows; what it could not show is no loss.
    let _ = watcher.join();
    result
}

/// A bar on a terminal, a line now and then elsewhere; on the standard error, so that the answer stays clean.
struct Shown {
    bar: ProgressBar,
    unit: &'static str,
    told: std::cell::Cell<Duration>,
}

impl Shown {
    fn begin(unit: &'static str) -> Shown {
        let bar = if io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        Shown { bar, unit, told: std::cell::Cell::new(LINE) }
    }

    fn at(&self, done: u64, of: u64) {
        if of > 0 && self.bar.length() != Some(of) {
            self.bar.set_length(of);
            self.bar.set_style(ProgressStyle::default_bar());
        }
        self.bar.set_position(done);
        if self.bar.is_hidden() && self.bar.elapsed() >= self.told.get() {
            self.told.set(self.bar.elapsed() + LINE);
            let of = if of > 0 { format!(" of {of}") } else { String::new() };
            // Whoever does not read it misses nothing that matters.
            let _ = writeln!(io::stderr(), "{done}{of} {}", self.unit);
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
