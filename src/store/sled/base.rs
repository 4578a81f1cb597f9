//! The database itself, with every trap of sled 0.34.7 closed: what is called durable is, what is read was written, and a panic
//! inside it is damage, not the end of the process.
//!
//! Not what the tables mean. The rules: `flush()` is followed by `fdatasync` of the file, since it does none; half-written
//! snapshots are removed before opening; no value is longer than [`VALUE_BYTES`], so that none becomes a file of its own; every
//! value is sealed; `flush_async` is never called.

use std::fs::{self, File};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::ports::Fault;
use crate::points;
use crate::store::codec::{self, VALUE_BYTES};
use crate::store::files::{failed, remove, sync_dir};

/// Most operations in one atomic batch of a fold: nothing is read and nothing committed while sled applies one.
const BATCH: usize = 64;
/// Bytes of pages that sled keeps in memory.
const CACHE: u64 = 8 * 1024 * 1024;

/// How long a database that was just closed may take to let go of its file.
const CLOSING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// A key with its payload.
pub(super) type Row = (Vec<u8>, Vec<u8>);
/// A value as sled has it, found to be what was written: its payload, without a copy.
#[derive(Debug)]
pub(super) struct Payload(sled::IVec);

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        codec::payload(&self.0)
    }
}

/// A key with its payload, or why that is not what was written.
pub(super) type Judged = (Vec<u8>, Result<Vec<u8>, Fault>);

/// The open database.
#[derive(Debug)]
pub(super) struct Base {
    dir: PathBuf,
    db: sled::Db,
    /// The database's file, kept open for `fdatasync`.
    file: File,
    pub(super) log: Table,
    pub(super) blocks: Table,
    pub(super) details: Table,
    pub(super) identities: Table,
    pub(super) touched: Table,
    pub(super) hooks: Table,
    pub(super) hooks_of: Table,
    pub(super) opted_out: Table,
    pub(super) small: Table,
}

/// One tree of it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    name: &'static str,
    tree: sled::Tree,
    /// Tests let the n-th batch from now fail, as if the process had died there.
    #[cfg(test)]
    fuse: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

/// Writes of one table, applied in batches that are each there whole or not at all.
#[derive(Debug)]
pub(super) struct Writes<'a> {
    table: &'a Table,
    batch: sled::Batch,
    operations: usize,
}

impl Base {
    /// Opens the database in `dir`; `fresh` where there is none yet.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where it is missing, or sled cannot open it.
    pub(super) fn open(dir: &Path, fresh: bool) -> Result<Base, Fault> {
        let path = dir.join("db");
        if !fresh && !path.is_file() {
            return Err(Fault::Corrupt(format!("opening {}: it is not there, and no empty one is put in its place", path.display())));
        }
        remove_generating(dir)?;
        let config = sled::Config::new().path(dir).mode(sled::Mode::HighThroughput).cache_capacity(CACHE).flush_every_ms(None);
        let db = open_when_closed(dir, &config)?;
        #[cfg(test)]
        let fuse = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(u64::MAX));
        let table = |name: &'static str| {
            let tree = guarded(|| format!("opening {} in {}", name, dir.display()), || db.open_tree(name))?;
            Ok::<Table, Fault>(Table {
                name,
                tree,
                #[cfg(test)]
                fuse: fuse.clone(),
            })
        };
        let file = File::open(&path).map_err(|e| failed("opening", &path, &e))?;
        let base = Base {
            dir: dir.to_owned(),
            file,
            log: table("log")?,
            blocks: table("blocks")?,
            details: table("details")?,
            identities: table("identities")?,
            touched: table("touched")?,
            hooks: table("hooks")?,
            hooks_of: table("hooks_of")?,
            opted_out: table("opted_out")?,
            small: table("small")?,
            db,
        };
        // Sled never syncs this one, neither when it makes it nor when it makes it anew: a power cut would leave it empty.
        let conf = dir.join("conf");
        File::open(&conf).and_then(|file| file.sync_all()).map_err(|e| failed("syncing", &conf, &e))?;
        if fresh {
            base.sync()?;
        }
        sync_dir(dir)?;
        Ok(base)
    }

    /// Returns when everything written so far is on disk.
    ///
    /// # Errors
    /// [`Fault::Unavailable`]; nothing may be called durable any more.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        guarded(|| format!("flushing {}", self.dir.display()), || self.db.flush())?;
        points::at("sync.flushed");
        if points::wrong("wrong.skip_the_fsync") {
            return Ok(());
        }
        self.file.sync_data().map_err(|e| failed("syncing", &self.dir.join("db"), &e))
    }

    /// Lets the batch after `batches` more fail, and all behind it.
    #[cfg(test)]
    pub(super) fn burn_after(&self, batches: u64) {
        self.log.fuse.store(batches, std::sync::atomic::Ordering::SeqCst);
    }

    /// Bytes on disk, and files that sled made for values that were too long: there must be none.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let size = |path: &Path| fs::metadata(path).map_or(0, |m| m.len());
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let bytes = files.map(|entry| size(&entry.path())).sum();
        let blobs = fs::read_dir(self.dir.join("blobs")).into_iter().flatten().count();
        (bytes, blobs as u64)
    }
}

/// Waits until a database that this process has closed can be moved: sled's threads let go of it some time later.
///
/// # Errors
/// Where they do not.
pub(super) fn wait_closed(dir: &Path) -> Result<(), Fault> {
    let path = dir.join("db");
    let file = File::open(&path).map_err(|e| failed("opening", &path, &e))?;
    for _ in 0..CLOSING.as_millis() / PAUSE.as_millis() {
        // Locked, and unlocked again when the file is closed.
        if file.try_lock().is_ok() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(Fault::Unavailable(format!("closing {}: something still has it open", path.display())))
}

/// Opens the database. Sled's threads let go of its file some time after it was dropped, and the directory's own lock is ours, so
/// whoever still has the file open is this process, about to close it.
fn open_when_closed(dir: &Path, config: &sled::Config) -> Result<sled::Db, Fault> {
    for _ in 0..CLOSING.as_millis() / PAUSE.as_millis() {
        match guarded(|| format!("opening {}", dir.display()), || config.open()) {
            Err(Fault::Unavailable(why)) if why.contains("could not acquire lock") => std::thread::sleep(PAUSE),
            opened => return opened,
        }
    }
    guarded(|| format!("opening {}", dir.display()), || config.open())
}

/// Removes snapshots that a crash left half written: with one of them there, sled does not open.
fn remove_generating(dir: &Path) -> Result<(), Fault> {
    for path in snapshots(dir).into_iter().filter(|path| path.extension().is_some_and(|e| e == "generating")) {
        remove(&path).map_err(|e| failed("removing", &path, &e))?;
    }
    Ok(())
}

/// Sled's snapshots in `dir`. They only shorten its start: without them it reads its whole file.
pub(super) fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("snap."))).collect()
}

/// How an iterator of sled is moved on: from either end.
type Next = fn(&mut sled::Iter) -> Option<sled::Result<(sled::IVec, sled::IVec)>>;

impl Table {
    /// The payload under `key`.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where it is not what was written.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.payload(key)?.map(|payload| payload.to_vec()))
    }

    /// As [`Table::get`], without a copy.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub(super) fn payload(&self, key: &[u8]) -> Result<Option<Payload>, Fault> {
        let value = guarded(|| self.place("reading", key), || self.tree.get(key))?;
        value.map(|value| self.checked(key, value)).transpose()
    }

    /// The last key at or before `key`, with its payload.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub(super) fn at_or_before(&self, key: &[u8]) -> Result<Option<Row>, Fault> {
        let mut range = self.tree.range(..=key);
        let found = guarded(|| self.place("searching", key), || range.next_back().transpose())?;
        found.map(|(key, value)| Ok((key.to_vec(), self.open(&key, &value)?))).transpose()
    }

    /// Every key from `from` on with its payload, in order.
    pub(super) fn rows<'a>(&'a self, from: &[u8]) -> impl Iterator<Item = Result<(sled::IVec, Payload), Fault>> + use<'a> {
        self.opened(self.tree.range(from..), sled::Iter::next)
    }

    /// Every key from the last back to `until` with its payload.
    pub(super) fn rows_back<'a>(&'a self, until: &[u8]) -> impl Iterator<Item = Result<(sled::IVec, Payload), Fault>> + use<'a> {
        self.opened(self.tree.range(until..), sled::Iter::next_back)
    }

    /// The rows that `step` takes from a range; nothing behind the first that cannot be read.
    fn opened(&self, mut range: sled::Iter, step: Next) -> impl Iterator<Item = Result<(sled::IVec, Payload), Fault>> + '_ {
        let mut over = false;
        std::iter::from_fn(move || {
            if over {
                return None;
            }
            let row = guarded(|| format!("reading store/{}", self.name), || step(&mut range).transpose());
            let row = row.and_then(|row| row.map(|(key, value)| self.checked(&key, value).map(|payload| (key, payload))).transpose());
            over = !matches!(row, Ok(Some(_)));
            row.transpose()
        })
    }

    /// Every key with its payload, in order, damaged ones too; an error of the database itself ends it.
    pub(super) fn each(&self) -> impl Iterator<Item = Result<Judged, Fault>> + use<'_> {
        let mut range = self.tree.iter();
        let mut over = false;
        std::iter::from_fn(move || {
            if over {
                return None;
            }
            let row = guarded(|| format!("reading store/{}", self.name), || range.next().transpose());
            over = !matches!(row, Ok(Some(_)));
            row.map(|row| row.map(|(key, value)| (key.to_vec(), self.open(&key, &value)))).transpose()
        })
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Every key from `from` on, in order, its value unread.
    pub(super) fn keys<'a>(&'a self, from: &[u8]) -> impl Iterator<Item = Result<sled::IVec, Fault>> + use<'a> {
        let mut range = self.tree.range(from..);
        std::iter::from_fn(move || {
            let row = guarded(|| format!("reading store/{}", self.name), || range.next().transpose());
            row.map(|row| row.map(|(key, _)| key)).transpose()
        })
    }

    /// The last key.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub(super) fn last_key(&self) -> Result<Option<Vec<u8>>, Fault> {
        let last = guarded(|| format!("reading store/{}", self.name), || self.tree.last())?;
        Ok(last.map(|(key, _)| key.to_vec()))
    }

    /// Starts a batch.
    pub(super) fn writes(&self) -> Writes<'_> {
        Writes { table: self, batch: sled::Batch::default(), operations: 0 }
    }

    /// The fault of a value that was read and makes no sense.
    pub(super) fn damaged(&self, key: &[u8], what: &str) -> Fault {
        Fault::Corrupt(format!(
            "{}: {what}; put a good copy of the directory in its place, or start with `--accept-loss`",
            self.place("reading", key)
        ))
    }

    fn open(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Fault> {
        self.unsealed(key, value).map(<[u8]>::to_vec)
    }

    fn checked(&self, key: &[u8], value: sled::IVec) -> Result<Payload, Fault> {
        self.unsealed(key, &value)?;
        Ok(Payload(value))
    }

    fn unsealed<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<&'v [u8], Fault> {
        codec::unseal(key, value).ok_or_else(|| self.damaged(key, "its checksum is wrong"))
    }

    fn place(&self, doing: &str, key: &[u8]) -> String {
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{doing} store/{} key {key}", self.name)
    }
}

impl Writes<'_> {
    /// Puts a payload under `key`.
    pub(super) fn put(&mut self, key: &[u8], payload: &[u8]) {
        let value = codec::seal(key, payload);
        assert!(value.len() <= VALUE_BYTES, "a value of {} bytes would become a file that no flush of ours covers", value.len());
        self.batch.insert(key, value);
        self.operations += 1;
    }

    /// Removes `key`.
    pub(super) fn remove(&mut self, key: &[u8]) {
        self.batch.remove(key);
        self.operations += 1;
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.operations == 0
    }

    /// Whether the batch has as many operations as one should.
    pub(super) fn full(&self) -> bool {
        self.operations >= BATCH
    }

    /// Applies what there is, whole or not at all. It is durable after the next [`Base::sync`].
    ///
    /// # Errors
    /// [`Fault::Unavailable`] where sled cannot write.
    pub(super) fn apply(&mut self) -> Result<(), Fault> {
        if self.operations == 0 {
            return Ok(());
        }
        #[cfg(test)]
        if self.table.fuse.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            return Err(Fault::Unavailable("the fuse".to_owned()));
        }
        self.operations = 0;
        let batch = std::mem::take(&mut self.batch);
        guarded(|| format!("writing store/{}", self.table.name), || self.table.tree.apply_batch(batch))
    }
}

/// Calls sled; a panic in there is damage. `doing` says in words what was being done.
fn guarded<T>(doing: impl Fn() -> String, call: impl FnOnce() -> sled::Result<T>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(Fault::Unavailable(format!("{}: {error}", doing()))),
        Ok(Err(error)) => Err(Fault::Corrupt(format!(
            "{}: {error}; put a good copy of the directory in its place, or start with `--accept-loss`",
            doing()
        ))),
        Err(_) => Err(Fault::Corrupt(format!("{}: the database panicked, so it is damaged; restore a backup", doing()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "would become a file")]
    fn a_value_that_would_become_a_file_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        base.small.writes().put(b"k", &[0; VALUE_BYTES]);
    }

    #[test]
    fn a_missing_database_is_not_replaced_and_a_half_written_snapshot_is_removed() {
        let home = tempfile::tempdir().unwrap();
        assert!(matches!(Base::open(home.path(), false), Err(Fault::Corrupt(_))));
        drop(Base::open(home.path(), true).unwrap());
        let half = home.path().join("snap.00000000000000FF.generating");
        fs::write(&half, b"half").unwrap();
        assert!(sled::Config::new().path(home.path()).open().is_err(), "sled itself would not open");
        let base = Base::open(home.path(), false).unwrap();
        assert!(!half.exists());
        let mut writes = base.small.writes();
        writes.put(b"k", b"v");
        writes.apply().unwrap();
        assert_eq!(base.small.get(b"k").unwrap().unwrap(), b"v");
    }

    #[test]
    fn a_value_that_was_not_sealed_is_damage_that_names_its_place() {
        let home = tempfile::tempdir().unwrap();
        let base = Base::open(home.path(), true).unwrap();
        base.small.tree.insert(b"k", b"anything").unwrap();
        let fault = base.small.get(b"k").unwrap_err();
        assert!(matches!(&fault, Fault::Corrupt(why) if why.contains("store/small key 6b")), "{fault}");
        assert!(base.small.rows(b"").next().unwrap().is_err());
    }
}
