//! Who does long works on the store, one at a time, beside everything else: backups and checks.
//!
//! Not when: an operator asks, or the calendar of `[maintenance]` does (`upkeep.rs`).

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::engine::ports::Fault;
use crate::engine::request::Rejected;
use crate::engine::upkeep::{Caretaker, Ended, Task, Work};
use crate::http::{Figure, FigureKind};
use crate::moment::{Moment, SECOND};
use crate::store::{Progress, SledStore};

/// Damaged places that are told; the log has up to a thousand.
const TOLD: usize = 100;
/// How the backups of the calendar are named: this, the instant, and the ending.
const PREFIX: &str = "reengaged-";
const ENDING: &str = ".backup";

/// The caretaker of a running store.
pub(super) struct Keeper {
    store: Arc<SledStore>,
    clock: Clock,
    works: Mutex<Vec<(Work, Arc<Progress>)>>,
}

/// A backup of the calendar: where, and how many stay.
#[derive(Clone, Debug)]
pub(super) struct Nightly {
    pub(super) dir: PathBuf,
    pub(super) keep: usize,
}

impl Keeper {
    pub(super) fn new(store: Arc<SledStore>, clock: Clock) -> Arc<Keeper> {
        Arc::new(Keeper { store, clock, works: Mutex::new(Vec::new()) })
    }

    /// A handle for whoever asks over HTTP.
    pub(super) fn handle(self: &Arc<Keeper>) -> Arc<dyn Caretaker> {
        Arc::new(Handle(Arc::clone(self)))
    }

    /// Begins a backup as the calendar has them; older ones go when it has succeeded.
    pub(super) fn nightly(self: &Arc<Keeper>, nightly: &Nightly, now: Moment) {
        if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(&nightly.dir) {
            tracing::error!(dir = %nightly.dir.display(), %error, "the backup was not begun: its directory cannot be made");
            return;
        }
        let name: String = now.to_string().chars().filter(|c| *c != ':').collect();
        let dest = nightly.dir.join(format!("{PREFIX}{name}{ENDING}"));
        if let Err(why) = self.start(Task::Backup(dest.display().to_string()), Some(nightly.clone())) {
            tracing::error!(%why, "the backup was not begun");
        }
    }

    /// Begins a check as the calendar has them.
    pub(super) fn check(self: &Arc<Keeper>) {
        if let Err(why) = self.start(Task::Fsck, None) {
            tracing::error!(%why, "the check was not begun");
        }
    }

    fn start(self: &Arc<Keeper>, task: Task, nightly: Option<Nightly>) -> Result<(), Rejected> {
        if let Task::Backup(to) = &task
            && Path::new(to).symlink_metadata().is_ok()
        {
            return Err(Rejected::Impossible(format!("writing the backup {to}: it is there already, and is not overwritten")));
        }
        let progress = Arc::new(Progress::default());
        {
            let mut works = self.lock();
            if let Some((busy, _)) = works.iter().find(|(work, _)| work.ended.is_none()) {
                let word = busy.task.word();
                return Err(Rejected::Impossible(format!("a {word} is under way; `GET /v1/upkeep` tells how far it has come")));
            }
            works.retain(|(work, _)| work.task.word() != task.word());
            let work = Work { task: task.clone(), began: self.clock.wall(), records: 0, bytes: 0, ended: None };
            works.push((work, Arc::clone(&progress)));
        }
        let keeper = Arc::clone(self);
        // A thread of its own: it may take minutes. The process does not wait for it: a backup that is not whole is not in its place.
        let spawned = std::thread::Builder::new().name(task.word().to_owned()).spawn(move || keeper.work(&task, &progress, nightly));
        spawned.map(drop).map_err(|error| Rejected::Unavailable(format!("starting a thread: {error}")))
    }

    fn work(&self, task: &Task, progress: &Progress, nightly: Option<Nightly>) {
        let mut bytes = 0;
        let done = match task {
            Task::Backup(to) => self.store.backup(Path::new(to), self.clock.wall(), progress).map(|backed| {
                bytes = backed.bytes;
                (backed.left_out, backed.damaged)
            }),
            Task::Fsck => self.store.check_running(&mut || progress.step()).map(|checked| {
                checked.damages.iter().for_each(|damage| tracing::error!("damaged: {damage}"));
                (checked.damaged, checked.damages.iter().take(TOLD).map(ToString::to_string).collect())
            }),
        };
        let ended = match done {
            Ok((0, _)) => Ended::Fine,
            Ok((count, places)) => Ended::Damaged(count, places),
            Err(Fault::Unavailable(why)) => Ended::Failed(why, true),
            Err(Fault::Corrupt(why)) => Ended::Failed(why, false),
        };
        let word = task.word();
        match &ended {
            Ended::Fine => tracing::info!(records = progress.done.load(Ordering::Relaxed), bytes, "{word} done"),
            Ended::Damaged(count, places) => {
                tracing::error!(damaged = count, first = places.first(), "{word} done, and something is damaged")
            }
            Ended::Failed(why, _) => tracing::error!(%why, "{word} failed"),
        }
        if let (Some(nightly), Ended::Fine | Ended::Damaged(..)) = (nightly, &ended) {
            prune(&nightly);
        }
        let mut works = self.lock();
        if let Some((work, _)) = works.iter_mut().find(|(work, _)| work.task == *task) {
            work.bytes = bytes;
            work.ended = Some((self.clock.wall(), ended));
        }
    }

    fn told(&self) -> Vec<Work> {
        let told = |(work, progress): &(Work, Arc<Progress>)| Work { records: progress.done.load(Ordering::Relaxed), ..work.clone() };
        self.lock().iter().map(told).collect()
    }

    /// What `/metrics` tells of it.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let mut gauge = |name, help, word: &str, value| {
            figures.push(Figure { name, help, kind: FigureKind::Gauge, labels: vec![("what", word.to_owned())], value });
        };
        let works = self.told();
        let ended = || works.iter().filter_map(|work| work.ended.as_ref().map(|(at, ended)| (work.task.word(), *at, ended)));
        for (word, at, _) in ended().filter(|(_, _, ended)| !matches!(ended, Ended::Failed(..))) {
            gauge("upkeep_done_seconds", "When a backup or a check was last done.", word, at.0 as f64 / SECOND as f64);
        }
        for (word, _, how) in ended() {
            let damaged = match how {
                Ended::Fine => 0.0,
                Ended::Damaged(count, _) => *count as f64,
                Ended::Failed(..) => -1.0,
            };
            gauge("upkeep_damaged", "Damaged places that the last backup or check met; -1 where it failed.", word, damaged);
        }
        figures
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Work, Arc<Progress>)>> {
        // Changed by whole steps: a panic elsewhere leaves it right.
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the caretaker that is handed out.
struct Handle(Arc<Keeper>);

impl Caretaker for Handle {
    fn begin(&self, task: Task) -> Result<(), Rejected> {
        self.0.start(task, None)
    }

    fn works(&self) -> Vec<Work> {
        self.0.told()
    }
}

/// Removes the oldest backups of the calendar, and what interrupted ones left; nothing of another name.
fn prune(nightly: &Nightly) {
    let names = fs::read_dir(&nightly.dir).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    for name in names.filter(|name| name.starts_with(PREFIX)) {
        if name.ends_with(ENDING) {
            whole.push(name);
        } else if name.ends_with(&format!("{ENDING}.part")) {
            parts.push(name);
        }
    }
    whole.sort();
    let outlived = whole.len().saturating_sub(nightly.keep);
    for name in whole.into_iter().take(outlived).chain(parts) {
        let path = nightly.dir.join(name);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "an old backup could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_backups_go_and_other_files_stay() {
        let home = tempfile::tempdir().unwrap();
        for name in
            ["reengaged-1.backup", "reengaged-2.backup", "reengaged-3.backup", "reengaged-0.backup.part", "mine.backup", "reengaged-x"]
        {
            fs::write(home.path().join(name), "").unwrap();
        }
        prune(&Nightly { dir: home.path().to_owned(), keep: 2 });
        let mut left: Vec<String> = fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["mine.backup", "reengaged-2.backup", "reengaged-3.backup", "reengaged-x"]);
    }
}
