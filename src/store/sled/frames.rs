//! The files of the log: groups of changes as frames, each behind the last, and the end at which they are appended.
//!
//! Not what is folded nor which files are needed (`log.rs`). A frame is there whole or not at all: it has a checksum, and the number of
//! the last change before it, so that a hole is seen. Zeros are the end of the log.
//!
//! ```text
//! magic u32   length of the body u32   CRC32C of the rest u32   last change before u64   body
//! ```

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;
use crate::points;
use crate::store::files::{Tail, failed, sync_dir};

const MAGIC: [u8; 4] = *b"RLG1";
/// Bytes of a frame before its body.
const HEAD: usize = 20;
/// Bytes of a file from which on a new one is begun.
pub(super) const LONG: u64 = 8 << 20;
/// What a file of the log is called, before the number of the last change before it.
const NAME: &str = "log.";

/// A frame as it was read.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// The last change before it.
    pub(super) before: u64,
    pub(super) body: &'a [u8],
    /// Where the next one begins.
    pub(super) end: usize,
}

/// Bytes of the frame of a body.
pub(super) fn length(body: &[u8]) -> u64 {
    (HEAD + body.len()) as u64
}

/// Appends a frame.
pub(super) fn put(out: &mut Vec<u8>, before: u64, body: &[u8]) {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&MAGIC);
    // A group is cut long before.
    head[4..8].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[12..].copy_from_slice(&before.to_le_bytes());
    let sum = sum(&head, body);
    head[8..12].copy_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
}

/// The frame that begins at a place.
pub(super) fn at(bytes: &[u8], place: usize) -> Option<Frame<'_>> {
    let (head, rest) = bytes.get(place..)?.split_first_chunk::<HEAD>()?;
    let word = |from: usize| u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
    let length = word(4) as usize;
    let body = rest.get(..length).filter(|_| head[..4] == MAGIC)?;
    let before = u64::from(word(12)) | u64::from(word(16)) << 32;
    (word(8) == sum(head, body)).then_some(Frame { before, body, end: place + HEAD + length })
}

/// The first frame that begins behind a place.
pub(super) fn behind(bytes: &[u8], place: usize) -> Option<(usize, Frame<'_>)> {
    let rest = bytes.get(place + 1..)?;
    let starts = rest.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    starts.map(|(offset, _)| place + 1 + offset).find_map(|place| at(bytes, place).map(|frame| (place, frame)))
}

fn sum(head: &[u8; HEAD], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&head[..8]), &head[12..]), body)
}

/// The files in `dir`, each with the number of the last change before it, oldest first.
///
/// # Errors
/// Where the directory cannot be read.
pub(super) fn files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Fault> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| failed("reading", dir, &e))? {
        let path = entry.map_err(|e| failed("reading", dir, &e))?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(NAME));
        files.extend(number.and_then(|number| u64::from_str_radix(number, 16).ok()).map(|number| (number, path)));
    }
    files.sort();
    Ok(files)
}

/// The file of changes behind `before`.
pub(super) fn path(dir: &Path, before: u64) -> PathBuf {
    dir.join(format!("{NAME}{before:016x}"))
}

/// The end of the log.
#[derive(Debug)]
pub(super) struct End {
    dir: PathBuf,
    path: PathBuf,
    tail: Tail,
    /// The last change in the log.
    last: u64,
    /// An append failed: what is behind its place is not known, and nothing may come behind it.
    broken: bool,
    /// What a crash left behind its place is still there.
    uncut: bool,
}

impl End {
    /// Begins a file for changes behind `before`, durable. One that is there is never written over.
    ///
    /// # Errors
    /// Where the file system refuses, or has such a file.
    pub(super) fn create(dir: &Path, before: u64) -> Result<End, Fault> {
        let path = path(dir, before);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).and_then(|file| file.sync_all().map(|()| file)).map_err(|e| failed("making the log", &path, &e))?;
        sync_dir(dir)?;
        Ok(End { dir: dir.to_owned(), path, tail: Tail::new(file, 0, 0), last: before, broken: false, uncut: false })
    }

    /// Goes on with a file behind the frames that end at `place`; what is behind them is nothing. It is removed before anything is
    /// written and no sooner: a start that is refused, since the mark knows of more, leaves the file as it was found.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(super) fn open(path: &Path, place: u64, last: u64) -> Result<End, Fault> {
        let dir = path.parent().unwrap_or(Path::new("")).to_owned();
        let file = OpenOptions::new().write(true).open(path).map_err(|e| failed("opening the log", path, &e))?;
        Ok(End { dir, path: path.to_owned(), tail: Tail::new(file, place, place), last, broken: false, uncut: true })
    }

    /// Removes, durably, what a crash left behind the last frame.
    fn cut(&mut self) -> Result<(), Fault> {
        if self.uncut {
            self.tail.cut().map_err(|e| failed("cutting the log", &self.path, &e))?;
            self.uncut = false;
        }
        Ok(())
    }

    /// Appends groups, each a body with the number of its last change; durable on return. Answers whether a new file was begun for them,
    /// and with which number.
    ///
    /// Each is on disk before the next is written: of two that are written together a power cut may leave the later alone, and that
    /// is what damage looks like.
    ///
    /// # Errors
    /// Where the file system refuses; nothing may be appended any more then.
    pub(super) fn append(&mut self, groups: &[(Vec<u8>, u64)]) -> Result<Option<u64>, Fault> {
        let begun = if self.tail.place() >= LONG { self.begin()? } else { None };
        groups.iter().try_for_each(|(body, last)| self.append_one(body, *last))?;
        Ok(begun)
    }

    fn append_one(&mut self, body: &[u8], last: u64) -> Result<(), Fault> {
        self.sound()?;
        self.broken = true;
        self.cut()?;
        let mut bytes = Vec::with_capacity(length(body) as usize);
        put(&mut bytes, self.last, body);
        self.tail.append(&bytes).map_err(|e| failed("writing the log", &self.path, &e))?;
        points::at("commit.written");
        if !points::wrong("wrong.skip_the_fsync") {
            self.tail.file.sync_data().map_err(|e| failed("syncing the log", &self.path, &e))?;
        }
        self.last = last;
        self.broken = false;
        Ok(())
    }

    fn sound(&self) -> Result<(), Fault> {
        if self.broken {
            return Err(Fault::Unavailable(format!("writing the log {}: an earlier write of it failed", self.path.display())));
        }
        Ok(())
    }

    /// Begins a new file, unless there is nothing in this one; answers the number of the last change before it.
    ///
    /// # Errors
    /// Where the file system refuses, now or in an append before: a file behind a torn group would be a hole.
    pub(super) fn begin(&mut self) -> Result<Option<u64>, Fault> {
        self.sound()?;
        if self.tail.place() == 0 {
            return Ok(None);
        }
        self.broken = true;
        self.cut()?;
        *self = End::create(&self.dir, self.last)?;
        Ok(Some(self.last))
    }

    /// The last change in the log.
    pub(super) fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::File;

    #[test]
    fn nothing_comes_behind_an_append_that_failed_and_no_file_either() {
        let home = tempfile::tempdir().unwrap();
        let mut end = End::create(home.path(), 0).unwrap();
        end.append(&[(vec![1], 1)]).unwrap();
        end.tail.file = File::options().write(true).open("/dev/full").unwrap();
        assert!(end.append(&[(vec![2], 2)]).is_err());
        assert!(end.append(&[(vec![3], 3)]).is_err() && end.begin().is_err());
        assert_eq!(end.last(), 1);
        assert_eq!(files(home.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_file_that_is_there_is_not_made_again() {
        let home = tempfile::tempdir().unwrap();
        End::create(home.path(), 0).unwrap().append(&[(vec![1], 1)]).unwrap();
        let before = fs::read(path(home.path(), 0)).unwrap();
        assert!(End::create(home.path(), 0).is_err());
        assert_eq!(fs::read(path(home.path(), 0)).unwrap(), before);
    }

    proptest! {
        #[test]
        fn frames_come_back_and_no_flipped_bit_does(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5), before: u64, flip: prop::sample::Index
        ) {
            let mut bytes = Vec::new();
            bodies.iter().for_each(|body| put(&mut bytes, before, body));
            let mut place = 0;
            for body in &bodies {
                let frame = at(&bytes, place).expect("it is there");
                prop_assert_eq!((frame.before, frame.body), (before, &body[..]));
                place = frame.end;
            }
            prop_assert_eq!(place, bytes.len());
            let first = at(&bytes, 0).expect("it is there").end;
            let bit = flip.index(first * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(at(&bytes, 0).is_none());
            prop_assert_eq!(behind(&bytes, 0).map(|(place, _)| place), (bodies.len() > 1).then_some(first));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), place in 0usize..250) {
            prop_assert!(at(&bytes, place).is_none());
            prop_assert!(behind(&bytes, place).is_none());
        }
    }
}
