//! Room on the store's disk: waited for at a start, watched while the daemon runs; and whether the directory is still the one it was.
//!
//! Not what follows from it: the engine refuses and holds, the listener tells why. What the disk itself refuses is the commit
//! thread's to find out; this is there so that it is rarely asked for what it has not got.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::config::settings::Config;
use crate::daemon::wakeups::Wakeup;
use crate::daemon::{Failure, systemd};
use crate::engine::ports::Fault;
use crate::http::Site;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// Without so many bytes no store opens, whatever is configured.
const LEAST: u64 = 2 << 20;
/// Files that a store makes in its life beside those it has: a segment of the ledger, a snapshot and what takes its place.
const FILES: u64 = 8;

/// The room of a store.
#[derive(Clone, Debug)]
pub(super) struct Room {
    store: PathBuf,
    least: u64,
}

impl Room {
    pub(super) fn of(config: &Config) -> Room {
        Room { store: config.store.path.clone(), least: config.store.min_free }
    }

    /// What there is too little of for `bytes`, as one line for people; `None` where there is enough, or nobody can say.
    fn missing(&self, bytes: u64) -> Option<String> {
        // The directory may not be made yet; then its first parent that is there will hold it.
        let exists = |path: &&Path| path.exists();
        let place = self.store.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path }).find(exists)?;
        let disk = rustix::fs::statvfs(place).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < bytes {
            let (free, least) = (free >> 10, bytes >> 10);
            return Some(format!("the store's disk has {free} KiB free, and needs {least} KiB ([store] min_free_mib); make room on it"));
        }
        // Some file systems have no fixed number of files, and say none.
        (disk.f_files > 0 && disk.f_favail < FILES)
            .then(|| format!("the store's disk can hold only {} more files; remove some from it", disk.f_favail))
    }

    /// Opens the store once there is room for it. Until then the listener answers 503, `/readyz` says why, systemd waits.
    ///
    /// # Errors
    /// What opening says, where room is not what it lacks.
    pub(super) async fn wait_for<T>(&self, site: &Site, at: &str, open: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
        let least = self.least.max(LEAST);
        let mut told = false;
        loop {
            let missing = match self.missing(least) {
                Some(missing) => missing,
                None => match open().await {
                    // What it had to write may have been more than there was.
                    Err(failure) if failure.code == 75 => self.missing(least).ok_or(failure)?,
                    opened => {
                        site.waits_for(None);
                        return opened;
                    }
                },
            };
            if !told {
                tracing::error!("{missing}; the start waits for it");
                told = true;
            }
            site.waits_for(Some(&missing));
            systemd::waiting(&format!("listening at {at} and waiting: {missing}"));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Tells the loop when there is too little, and when there is enough again; and that all is over where the directory has gone:
    /// whatever is written from then on nobody will find. Runs as long as the loop.
    pub(super) async fn watch(self, wakeups: UnboundedSender<Wakeup>) {
        let room = Arc::new(self);
        let home = room.home();
        let mut short = false;
        loop {
            tokio::time::sleep(LOOK).await;
            let asked = Arc::clone(&room);
            // On a thread of its own: a disk that hangs must not take one of the server's with it.
            let Ok((missing, found)) = tokio::task::spawn_blocking(move || (asked.missing(asked.least), asked.home())).await else {
                return;
            };
            let told = if found != home {
                let why = format!("the store's directory {} is not there any more; put it back, then start again", room.store.display());
                wakeups.send(Wakeup::Failed(Fault::Corrupt(why)))
            } else if missing.is_some() != short {
                short = missing.is_some();
                match &missing {
                    Some(why) => tracing::error!(%why, "nothing is taken in and sending is held"),
                    None => tracing::info!("there is room on the disk again; all goes on"),
                }
                wakeups.send(Wakeup::Room(missing))
            } else {
                Ok(())
            };
            if told.is_err() || found != home {
                return;
            }
        }
    }

    /// Which file is the directory's lock, which this process holds.
    fn home(&self) -> Option<(u64, u64)> {
        std::fs::metadata(self.store.join("lock")).ok().map(|lock| (lock.dev(), lock.ino()))
    }
}
