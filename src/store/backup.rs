//! The file of a backup: rows and changes in frames, each with its length and checksum, a trailer with counts and a hash at the end.
//!
//! Not what is in it and not how a store makes one, nor how it is read back (`backup/read.rs`). The ledger of sends is never in it:
//! a store that goes back in time must find there what was sent since.
//!
//! ```text
//! "reengaged backup 1\n"   frame* : kind u8, length u32, payload, CRC32C of the three   trailer: counts, last change, SHA-256 so far
//! ```

mod read;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::engine::ports::Fault;
use crate::moment::Moment;
use crate::store::codec::words::{put_bytes, put_i, put_str, put_u};
use crate::store::files::{failed, remove, sync_dir};

pub(crate) use read::read;

const MAGIC: &[u8; 19] = b"reengaged backup 1\n";
const HEAD: u8 = 1;
const ROWS: u8 = 2;
const CHANGES: u8 = 3;
const TRAILER: u8 = 4;
/// No frame is longer: what says that it is cannot be believed.
const FRAME_BYTES: u32 = 64 << 20;
/// Rows gathered into one frame, in bytes.
const GATHER: usize = 64 << 10;

/// How far a long work has come: for whoever watches.
#[derive(Debug, Default)]
pub struct Progress {
    /// Rows, records or bytes that are done.
    pub done: AtomicU64,
    /// Of how many; 0 where that is not known.
    pub of: AtomicU64,
}

impl Progress {
    /// One more is done.
    pub fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a backup says of itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The store's format.
    pub(crate) format: u32,
    pub(crate) instance: String,
    /// The store's secret key: names of conversations and sends are made with it.
    pub(crate) key: [u8; 32],
    /// When it was begun.
    pub(crate) made: Moment,
    /// Its rows are at least as new as this change; every later one follows in order.
    pub(crate) folded: u64,
}

/// One row of a table. `stamp` is the change up to which a long record is folded; 0 in tables without.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) stamp: u64,
    pub(crate) payload: Vec<u8>,
}

/// What is read, in the order in which it was written.
pub(crate) enum Piece {
    Head(Head),
    /// Rows of the table with this number.
    Rows(u8, Vec<Row>),
    /// Changes, as the log writes them.
    Changes(Vec<u8>),
}

/// What the trailer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trailer {
    pub(crate) rows: u64,
    pub(crate) changes: u64,
    /// The last change in it.
    pub(crate) last: u64,
    /// Records that could not be read, and are not in it.
    pub(crate) left_out: u64,
}

/// A backup being written, beside the place where it will stand.
pub(crate) struct Writer {
    dest: PathBuf,
    part: PathBuf,
    out: BufWriter<File>,
    hash: Sha256,
    rows: u64,
    changes: u64,
    bytes: u64,
    gathered: (u8, Vec<u8>),
    /// The first thing that went wrong; nothing is written after it.
    fault: Option<Fault>,
}

/// Where a backup stands while it is being written.
pub(crate) fn part_of(dest: &Path) -> PathBuf {
    let mut part = dest.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

impl Writer {
    /// Begins a backup that will stand at `dest`, which must not exist.
    ///
    /// # Errors
    /// Where it exists, or cannot be made.
    pub(crate) fn create(dest: &Path, head: &Head) -> Result<Writer, Fault> {
        let part = part_of(dest);
        if dest.symlink_metadata().is_ok() {
            return Err(Fault::Unavailable(format!("writing the backup {}: it is there already, and is not overwritten", dest.display())));
        }
        let file = File::options().write(true).create_new(true).mode(0o600).open(&part).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Fault::Unavailable(format!(
                "writing the backup {}: another one is being written there, or was interrupted; remove {} in that case",
                dest.display(),
                part.display()
            )),
            _ => failed("writing the backup", &part, &error),
        })?;
        let mut writer = Writer {
            dest: dest.to_owned(),
            part,
            out: BufWriter::with_capacity(256 << 10, file),
            hash: Sha256::new(),
            rows: 0,
            changes: 0,
            bytes: 0,
            gathered: (0, Vec::new()),
            fault: None,
        };
        writer.put(MAGIC);
        writer.frame(HEAD, &head_payload(head));
        match writer.fault.take() {
            None => Ok(writer),
            Some(fault) => {
                writer.abandon();
                Err(fault)
            }
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, table: u8, key: &[u8], stamp: u64, payload: &[u8]) {
        if self.gathered.0 != table || self.gathered.1.len() + payload.len() > GATHER {
            self.write_gathered();
            self.gathered.0 = table;
        }
        put_bytes(&mut self.gathered.1, key);
        put_u(&mut self.gathered.1, stamp);
        put_bytes(&mut self.gathered.1, payload);
        self.rows += 1;
    }

    /// Adds changes, as the log writes them.
    pub(crate) fn changes(&mut self, count: u64, body: &[u8]) {
        self.changes += count;
        self.frame(CHANGES, body);
    }

    /// What has gone wrong so far.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.clone()
    }

    /// Ends it: trailer, fsync, read back whole, and only then put in place. Its bytes.
    ///
    /// # Errors
    /// Whatever went wrong since it was begun; nothing stands at the destination then.
    pub(crate) fn finish(mut self, last: u64, left_out: u64) -> Result<u64, Fault> {
        self.write_gathered();
        let mut payload = Vec::new();
        [self.rows, self.changes, last, left_out].into_iter().for_each(|n| put_u(&mut payload, n));
        payload.extend_from_slice(&self.hash.clone().finalize());
        self.frame(TRAILER, &payload);
        let done = self.fault.take().map_or(Ok(()), Err).and_then(|()| self.place());
        if done.is_err() {
            self.abandon();
        }
        done.map(|()| self.bytes)
    }

    /// Gives it up: nothing is left of it.
    pub(crate) fn abandon(&self) {
        // What cannot be removed is told of at the next try.
        let _ = remove(&self.part);
    }

    fn place(&mut self) -> Result<(), Fault> {
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        synced.map_err(|e| failed("writing the backup", &self.part, &e))?;
        read(&self.part, &Progress::default(), &mut |_| Ok(()))?;
        put_in_place(&self.part, &self.dest).map_err(|e| failed("putting in place the backup", &self.dest, &e))?;
        self.dest.parent().filter(|dir| !dir.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
    }

    fn write_gathered(&mut self) {
        let (table, rows) = (self.gathered.0, std::mem::take(&mut self.gathered.1));
        if !rows.is_empty() {
            let mut payload = Vec::with_capacity(rows.len() + 1);
            payload.push(table);
            payload.extend_from_slice(&rows);
            self.frame(ROWS, &payload);
        }
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) {
        let Some(length) = u32::try_from(payload.len()).ok().filter(|length| *length <= FRAME_BYTES) else {
            let why = format!("writing the backup {}: a record of {} bytes is too long for it", self.part.display(), payload.len());
            self.fault.get_or_insert(Fault::Unavailable(why));
            return;
        };
        let mut head = [kind, 0, 0, 0, 0];
        head[1..].copy_from_slice(&length.to_le_bytes());
        let sum = crc32c::crc32c_append(crc32c::crc32c(&head), payload);
        self.put(&head);
        self.put(payload);
        self.put(&sum.to_le_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        if let Err(error) = self.out.write_all(bytes) {
            self.fault = Some(failed("writing the backup", &self.part, &error));
        }
    }
}

/// Renames `part` to `dest`, unless something is there.
fn put_in_place(part: &Path, dest: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, part, CWD, dest, RenameFlags::NOREPLACE) {
        // Not every file system can rename so: a second name, which is not given where there is one, does the same.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
            fs::hard_link(part, dest)?;
            fs::remove_file(part)
        }
        renamed => renamed.map_err(io::Error::from),
    }
}

fn head_payload(head: &Head) -> Vec<u8> {
    let mut out = Vec::new();
    put_u(&mut out, u64::from(head.format));
    put_str(&mut out, &head.instance);
    out.extend_from_slice(&head.key);
    put_i(&mut out, head.made.0);
    put_u(&mut out, head.folded);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head { format: 1, instance: "i".to_owned(), key: [7; 32], made: Moment(5), folded: 9 }
    }

    fn written(dest: &Path) -> u64 {
        let mut writer = Writer::create(dest, &head()).unwrap();
        for n in 0..200u64 {
            writer.row(1 + (n / 100) as u8, &n.to_be_bytes(), n, &[n as u8; 700]);
        }
        writer.changes(2, b"changes");
        writer.finish(11, 1).unwrap()
    }

    type Told = (Option<Moment>, Vec<(u8, u64)>, Vec<Vec<u8>>);

    fn read_all(path: &Path) -> Result<(Trailer, Told), Fault> {
        let (mut made, mut rows, mut changes) = (None, Vec::new(), Vec::new());
        let trailer = read(path, &Progress::default(), &mut |piece| {
            match piece {
                Piece::Head(head) => made = Some(head.made),
                Piece::Rows(table, found) => rows.extend(found.into_iter().map(|row| (table, row.stamp))),
                Piece::Changes(body) => changes.push(body),
            }
            Ok(())
        })?;
        Ok((trailer, (made, rows, changes)))
    }

    #[test]
    fn what_is_written_is_read_and_nothing_is_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let dest = home.path().join("b");
        let bytes = written(&dest);
        assert_eq!(fs::metadata(&dest).unwrap().len(), bytes);
        let (trailer, (made, rows, changes)) = read_all(&dest).unwrap();
        assert_eq!(trailer, Trailer { rows: 200, changes: 2, last: 11, left_out: 1 });
        assert_eq!((made, rows.len(), rows[150]), (Some(Moment(5)), 200, (2, 150)));
        assert_eq!(changes, [b"changes".to_vec()]);
        assert!(Writer::create(&dest, &head()).is_err_and(|fault| fault.to_string().contains("not overwritten")));
        let other = home.path().join("c");
        fs::write(part_of(&other), "").unwrap();
        assert!(Writer::create(&other, &head()).is_err_and(|fault| fault.to_string().contains("interrupted")));
        // Somebody puts something there while it is being written.
        let third = home.path().join("d");
        let writer = Writer::create(&third, &head()).unwrap();
        fs::write(&third, "mine").unwrap();
        assert!(writer.finish(0, 0).is_err());
        assert_eq!(fs::read_to_string(&third).unwrap(), "mine");
        assert!(!part_of(&third).exists(), "nothing is left of one that failed");
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_seen() {
        let home = tempfile::tempdir().unwrap();
        let dest = home.path().join("b");
        written(&dest);
        let bytes = fs::read(&dest).unwrap();
        let damaged = home.path().join("damaged");
        for length in (0..bytes.len()).step_by(997) {
            fs::write(&damaged, &bytes[..length]).unwrap();
            assert!(matches!(read_all(&damaged), Err(Fault::Corrupt(_))), "cut at {length}");
        }
        for bit in (0..bytes.len() * 8).step_by(7_919) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&damaged, flipped).unwrap();
            assert!(matches!(read_all(&damaged), Err(Fault::Corrupt(_))), "bit {bit}");
        }
        fs::write(&damaged, [&bytes[..], b"x"].concat()).unwrap();
        assert!(matches!(read_all(&damaged), Err(Fault::Corrupt(_))));
    }
}
