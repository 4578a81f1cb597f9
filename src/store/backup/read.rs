//! Reading a backup: frame by frame, and none is trusted before all are read.
//!
//! Not what becomes of it: whoever restores reads it twice, once to see that it is whole.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::{CHANGES, FRAME_BYTES, HEAD, Head, MAGIC, Piece, Progress, ROWS, Row, TRAILER, Trailer};
use crate::engine::ports::Fault;
use crate::moment::Moment;
use crate::store::codec::words::Reader as Words;
use crate::store::files::failed;

fn read_head(payload: &[u8]) -> Option<Head> {
    let mut read = Words::new(payload);
    let format = read.u32()?;
    let instance = read.text()?;
    let key = read.take(32)?.try_into().ok()?;
    let head = Head { format, instance, key, made: Moment(read.i64()?), folded: read.u64()? };
    read.end().map(|()| head)
}

fn read_rows(payload: &[u8]) -> Option<(u8, Vec<Row>)> {
    let mut read = Words::new(payload);
    let table = read.u8()?;
    let mut rows = Vec::new();
    while read.left() > 0 {
        rows.push(Row { key: read.bytes()?.to_vec(), stamp: read.u64()?, payload: read.bytes()?.to_vec() });
    }
    Some((table, rows))
}

/// Reads a backup from its beginning to its end, telling each piece as it comes. Only when this returns without an error was
/// what it told whole.
///
/// # Errors
/// [`Fault::Corrupt`] with the offset where it is not what was written, or ends too early; whatever `take` answers.
pub(crate) fn read(path: &Path, progress: &Progress, take: &mut dyn FnMut(Piece) -> Result<(), Fault>) -> Result<Trailer, Fault> {
    let file = File::open(path).map_err(|e| failed("reading the backup", path, &e))?;
    progress.of.store(file.metadata().map_or(0, |m| m.len()), Ordering::Relaxed);
    let mut frames = Frames { path, input: BufReader::with_capacity(256 << 10, file), hash: Sha256::new(), at: 0 };
    let mut magic = [0; MAGIC.len()];
    if frames.fill(&mut magic).is_err() || magic != *MAGIC {
        return Err(Fault::Corrupt(format!("reading the backup {}: it is no backup that this program makes", path.display())));
    }
    let (mut rows, mut changes) = (0, 0);
    let mut begun = false;
    loop {
        let (at, before) = (frames.at, frames.hash.clone());
        let (kind, payload) = frames.next()?;
        let bad = || frames_damaged(path, at);
        match (kind, begun) {
            (HEAD, false) => take(Piece::Head(read_head(&payload).ok_or_else(bad)?))?,
            (ROWS, true) => {
                let (table, found) = read_rows(&payload).ok_or_else(bad)?;
                rows += found.len() as u64;
                take(Piece::Rows(table, found))?;
            }
            (CHANGES, true) => {
                changes += 1;
                take(Piece::Changes(payload))?;
            }
            (TRAILER, true) => {
                let (trailer, hash) = read_trailer(&payload).ok_or_else(bad)?;
                if trailer.rows != rows || hash != before.finalize().as_slice() || (trailer.changes == 0) != (changes == 0) {
                    return Err(bad());
                }
                return frames.end().map(|()| trailer);
            }
            _ => return Err(bad()),
        }
        begun = true;
        progress.done.store(frames.at, Ordering::Relaxed);
    }
}

fn read_trailer(payload: &[u8]) -> Option<(Trailer, [u8; 32])> {
    let mut read = Words::new(payload);
    let trailer = Trailer { rows: read.u64()?, changes: read.u64()?, last: read.u64()?, left_out: read.u64()? };
    let hash = read.take(32)?.try_into().ok()?;
    read.end().map(|()| (trailer, hash))
}

struct Frames<'a> {
    path: &'a Path,
    input: BufReader<File>,
    hash: Sha256,
    at: u64,
}

impl Frames<'_> {
    fn next(&mut self) -> Result<(u8, Vec<u8>), Fault> {
        let at = self.at;
        let mut head = [0; 5];
        self.fill(&mut head)?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        if length > FRAME_BYTES {
            return Err(frames_damaged(self.path, at));
        }
        let mut payload = Vec::new();
        // As it comes, not as it is promised: a length that was flipped takes no memory.
        let taken = (&mut self.input).take(u64::from(length)).read_to_end(&mut payload);
        taken.map_err(|e| failed("reading the backup", self.path, &e))?;
        if payload.len() != length as usize {
            return Err(ends_early(self.path, at));
        }
        self.hash.update(&payload);
        self.at += u64::from(length);
        let mut sum = [0; 4];
        self.fill(&mut sum)?;
        if crc32c::crc32c_append(crc32c::crc32c(&head), &payload).to_le_bytes() != sum {
            return Err(frames_damaged(self.path, at));
        }
        Ok((head[0], payload))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        let read = self.input.read_exact(bytes);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ends_early(self.path, self.at),
            _ => failed("reading the backup", self.path, &error),
        })?;
        self.hash.update(&*bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(frames_damaged(self.path, self.at)),
            Err(error) => Err(failed("reading the backup", self.path, &error)),
        }
    }
}

fn frames_damaged(path: &Path, at: u64) -> Fault {
    Fault::Corrupt(format!("reading the backup {}: it is damaged at byte {at}; take another backup", path.display()))
}

fn ends_early(path: &Path, at: u64) -> Fault {
    Fault::Corrupt(format!("reading the backup {}: it ends early, at byte {at}; take another backup", path.display()))
}
