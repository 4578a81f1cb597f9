//! The high-water mark: the number of the last change known to be on disk, kept outside the database.
//!
//! Not the truth: it is written after a commit and made durable behind folds, so it is never ahead of the log. It is there because
//! sled, when its file is damaged, goes back in time without a word, and a log whose end is lost looks like one that ends there; a
//! store behind its mark has done either.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;
use crate::points;
use crate::store::files::{failed, sync_dir};

/// The two places are in two sectors, and are written in turn: a torn write spoils one of them.
const PLACE: u64 = 512;

/// The open mark.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    file: File,
    seq: u64,
    turn: u64,
}

impl Mark {
    /// Makes a mark that says `seq`, durable.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(super) fn create(path: &Path, seq: u64) -> Result<Mark, Fault> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).open(path).map_err(|e| failed("making the mark", path, &e))?;
        let mut mark = Mark { path: path.to_owned(), file, seq, turn: 0 };
        mark.write(seq)?;
        mark.sync()?;
        path.parent().map_or(Ok(()), sync_dir)?;
        Ok(mark)
    }

    /// What the mark at `path` says, without opening it; `None` where it is missing or neither of its places can be read.
    pub(super) fn look(path: &Path) -> Option<u64> {
        let bytes = fs::read(path).ok()?;
        let places = [0, PLACE as usize].map(|at| bytes.get(at..at + 20).and_then(decode));
        places.into_iter().flatten().max().map(|(_, seq)| seq)
    }

    /// Opens the mark.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where it is missing or neither of its places can be read.
    pub(super) fn open(path: &Path) -> Result<Mark, Fault> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("reading", path, &error)),
            read => read.unwrap_or_default(),
        };
        let places = [0, PLACE as usize].map(|at| bytes.get(at..at + 20).and_then(decode));
        let Some((turn, seq)) = places.into_iter().flatten().max() else {
            return Err(Fault::Corrupt(format!(
                "reading the mark {}: it is missing or damaged, so whether the store is whole is not known; \
                 put it back, or take the store as it is with `reengaged serve --accept-loss`",
                path.display()
            )));
        };
        let file = OpenOptions::new().write(true).open(path).map_err(|e| failed("opening", path, &e))?;
        Ok(Mark { path: path.to_owned(), file, seq, turn })
    }

    /// The last change known to be on disk.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Notes that everything up to `seq` is on disk.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(super) fn advance(&mut self, seq: u64) -> Result<(), Fault> {
        self.write(seq)?;
        points::at("mark.written");
        Ok(())
    }

    /// The same mark, to be made durable by somebody else than who advances it.
    ///
    /// # Errors
    /// Where the process has too many files open.
    pub(super) fn other(&self) -> Result<Mark, Fault> {
        let file = self.file.try_clone().map_err(|e| failed("opening the mark", &self.path, &e))?;
        Ok(Mark { path: self.path.clone(), file, seq: self.seq, turn: self.turn })
    }

    /// Makes the mark durable.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        if points::wrong("wrong.skip_the_fsync") {
            return Ok(());
        }
        self.file.sync_data().map_err(|e| failed("syncing the mark", &self.path, &e))
    }

    fn write(&mut self, seq: u64) -> Result<(), Fault> {
        self.turn += 1;
        self.seq = seq;
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.turn.to_le_bytes());
        bytes[8..16].copy_from_slice(&seq.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..16]);
        bytes[16..].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&bytes, self.turn % 2 * PLACE).map_err(|e| failed("writing the mark", &self.path, &e))
    }
}

fn decode(bytes: &[u8]) -> Option<(u64, u64)> {
    let (turn, rest) = bytes.split_first_chunk::<8>()?;
    let (seq, sum) = rest.split_first_chunk::<8>()?;
    (crc32c::crc32c(&bytes[..16]).to_le_bytes() == *sum).then_some((u64::from_le_bytes(*turn), u64::from_le_bytes(*seq)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_write_leaves_the_mark_before_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("mark");
        let mut mark = Mark::create(&path, 0).unwrap();
        for seq in 1..=5 {
            mark.advance(seq).unwrap();
        }
        assert_eq!(Mark::open(&path).unwrap().seq(), 5);
        let mut bytes = fs::read(&path).unwrap();
        // The sixth turn went to the first place.
        bytes[9] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(Mark::open(&path).unwrap().seq(), 4);
        bytes[PLACE as usize] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Mark::open(&path), Err(Fault::Corrupt(_))));
        fs::remove_file(&path).unwrap();
        assert!(matches!(Mark::open(&path), Err(Fault::Corrupt(_))));
    }
}
