//! Small files that must not be lost or half there, how files grow that are only appended to, and the errors that touching files gives.
//!
//! Not what is in any of them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;

/// The fault for a file that could not be read or written.
pub(crate) fn failed(doing: &str, path: &Path, error: &io::Error) -> Fault {
    Fault::Unavailable(format!("{doing} {}: {error}", path.display()))
}

/// Makes the names in a directory durable.
///
/// # Errors
/// Where the file system refuses.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Fault> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| failed("syncing the directory", dir, &e))
}

/// Puts a file in place whole or not at all, durable on return. `secret` files can be read by their owner alone.
/// `fill` is given the new file's metadata, so that it can say which file it is.
///
/// # Errors
/// Where the file system refuses.
pub(crate) fn put(path: &Path, secret: bool, fill: impl FnOnce(&fs::Metadata) -> String) -> Result<(), Fault> {
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if secret { 0o600 } else { 0o644 });
    let written = remove(&fresh).and_then(|()| options.open(&fresh)).and_then(|mut file| {
        let text = fill(&file.metadata()?);
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    });
    written.map_err(|e| failed("writing", path, &e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Copies of damaged parts that are kept beside each other at most.
const COPIES: usize = 9;

/// A name beside `path` under which nothing stands yet: `store.damaged-1`.
///
/// # Errors
/// Where there are too many already.
pub(crate) fn free_name(path: &Path, word: &str) -> Result<PathBuf, Fault> {
    (1..=COPIES).map(|n| path.with_extension(format!("{word}-{n}"))).find(|copy| !copy.exists()).ok_or_else(|| {
        Fault::Corrupt(format!(
            "setting {} aside: {COPIES} damaged copies are beside it already; move those away, or restore a backup",
            path.display()
        ))
    })
}

/// Puts the directory `<path>.new`, which is whole and durable, in the place of `path`, which is set aside. Answers where that is.
/// Cut short anywhere, [`finish_exchange`] ends it.
///
/// # Errors
/// Where the file system refuses.
pub(crate) fn exchange(path: &Path) -> Result<PathBuf, Fault> {
    let (fresh, whole) = (path.with_extension("new"), path.with_extension("whole"));
    let aside = free_name(path, "damaged")?;
    let renamed = fs::rename(&fresh, &whole).and_then(|()| fs::rename(path, &aside)).and_then(|()| fs::rename(&whole, path));
    renamed.map_err(|e| failed("putting in place", path, &e))?;
    path.parent().map_or(Ok(()), sync_dir)?;
    Ok(aside)
}

/// Ends an [`exchange`] that was cut short.
///
/// # Errors
/// Where the file system refuses.
pub(crate) fn finish_exchange(path: &Path) -> Result<(), Fault> {
    let whole = path.with_extension("whole");
    if path.exists() || !whole.exists() {
        return Ok(());
    }
    fs::rename(&whole, path).map_err(|e| failed("putting in place", path, &e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Bytes that a file grows at a time.
const FILL: u64 = 64 << 10;

/// A file that is written from its beginning to its end. It grows by zeros ahead of what is written, since the disk keeps what is written
/// into a file more cheaply than what makes it longer: the file system has to note no new length. Zeros are its end.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) file: File,
    /// Where the next bytes go.
    place: u64,
    /// How far the file goes.
    length: u64,
}

impl Tail {
    /// Goes on at a place, behind which there are zeros alone up to `length`.
    pub(crate) fn new(file: File, place: u64, length: u64) -> Tail {
        Tail { file, place, length }
    }

    /// Where the next bytes go.
    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// Appends; not durable before the file's data is synced.
    ///
    /// # Errors
    /// Where the file system refuses. Zeros for which there is no room are no error: the file grows without them.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.place)?;
        self.place += bytes.len() as u64;
        if self.place > self.length {
            self.length = self.place.next_multiple_of(FILL);
            if self.file.write_all_at(&vec![0; (self.length - self.place) as usize], self.place).is_err() {
                self.length = self.place;
            }
        }
        Ok(())
    }

    /// Removes, durably, what is behind the place.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(crate) fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.place)?;
        self.file.sync_all()?;
        self.length = self.place;
        Ok(())
    }
}

/// Removes a directory that may not be there.
///
/// # Errors
/// Where it is there and cannot be removed.
pub(crate) fn remove_dir(path: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", path, &error)),
        _ => Ok(()),
    }
}

/// Removes a file that may not be there.
///
/// # Errors
/// Where it is there and cannot be removed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_whole_and_put_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("FORMAT");
        put(&path, true, |_| "one".to_owned()).unwrap();
        put(&path, false, |_| "two".to_owned()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(put(&home.path().join("none/FORMAT"), false, |_| String::new()).is_err());
    }

    #[test]
    fn an_exchange_cut_short_is_ended() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        let make = |name: &str, word: &str| {
            fs::create_dir(home.path().join(name)).unwrap();
            fs::write(home.path().join(name).join("word"), word).unwrap();
        };
        let word = || fs::read_to_string(path.join("word")).unwrap();
        make("store", "old");
        make("store.new", "new");
        assert_eq!(exchange(&path).unwrap(), home.path().join("store.damaged-1"));
        assert_eq!(word(), "new");
        // Between the two last renames.
        fs::rename(&path, home.path().join("store.damaged-2")).unwrap();
        make("store.whole", "newer");
        finish_exchange(&path).unwrap();
        assert_eq!(word(), "newer");
        // Before them: the old one stays.
        make("store.whole", "never");
        finish_exchange(&path).unwrap();
        assert_eq!(word(), "newer");
    }
}
