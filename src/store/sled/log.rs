//! The log: every change since the last fold, in the order in which it was made, in files beside the database.
//!
//! Not a table of conversations. What is flushed together is a group, or several where it is long, and each is there whole or not at
//! all. Up to which change everything is folded is noted in the database, behind the rows of that fold; a file goes when that note is
//! on disk and speaks of every change in it.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::ports::Fault;
use crate::engine::record::Change;
use crate::store::codec::change::{put_change, read_change};
use crate::store::codec::words::{Reader, put_u};
use crate::store::files::{failed, remove};
use crate::store::sled::base::{Base, Table};
use crate::store::sled::frames::{self, End};
use crate::store::sled::overlay::Kept;

/// Under which it is noted up to which change everything is folded.
pub(super) const MARKER: [u8; 1] = [0];
/// Bytes of changes from which on a group is ended.
const GROUP_BYTES: usize = 1 << 20;

/// Which files there are, and what is folded.
#[derive(Debug)]
pub(super) struct Log {
    dir: PathBuf,
    /// The number of the last change before each file, and how many bytes of groups are in it, oldest first.
    files: VecDeque<(u64, u64)>,
    /// Everything up to this change is folded; so it is noted, not yet durable.
    folded: u64,
}

impl Log {
    /// The log of a new store in `dir`, whose rows are folded up to a change.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(super) fn create(base: &Base, dir: &Path, folded: u64) -> Result<End, Fault> {
        let mut writes = base.log.writes();
        writes.put(&MARKER, &note(folded));
        writes.apply()?;
        End::create(dir, folded)
    }

    /// Reads the log in `dir`, telling each change that is not folded with its number. What a crash left half written at its end is
    /// passed over, and removed with the first append.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where something is missing or damaged.
    pub(super) fn open(base: &Base, dir: &Path, take: &mut dyn FnMut(u64, Change)) -> Result<(Log, End), Fault> {
        let folded = folded(&base.log)?;
        let files = frames::files(dir)?;
        let Some(first) = files.iter().rposition(|(before, _)| *before <= folded) else {
            let what = if files.is_empty() { "it is not there" } else { "its beginning is lost" };
            return Err(lost(&frames::path(dir, folded), what));
        };
        // What is older is folded, and was on its way out.
        files[..first].iter().try_for_each(|(_, path)| remove(path).map_err(|e| failed("removing", path, &e)))?;
        let needed = &files[first..];
        let mut last = needed[0].0;
        let (mut files, mut end) = (VecDeque::new(), None);
        for (n, (before, path)) in needed.iter().enumerate() {
            if *before != last {
                return Err(lost(path, &format!("the log has a hole before it: change {before} follows on change {last}")));
            }
            let content = fs::read(path).map_err(|e| failed("reading the log", path, &e))?;
            let place = read_file(path, &content, &mut last, &mut |seq, change| {
                if seq > folded {
                    take(seq, change);
                }
            })?;
            let torn = content[place..].iter().any(|byte| *byte != 0);
            if torn && n + 1 < needed.len() {
                return Err(lost(path, &format!("it is damaged at byte {place}, and more follows in the next file")));
            }
            files.push_back((*before, place as u64));
            end = Some((path, place as u64));
        }
        let Some((path, place)) = end else { return Err(lost(&frames::path(dir, folded), "it is not there")) };
        let end = if last < folded {
            // Its end is lost, and was folded: what comes next does not follow on what is there.
            files.push_back((folded, 0));
            End::create(dir, folded)?
        } else {
            End::open(path, place, last)?
        };
        Ok((Log { dir: dir.to_owned(), files, folded }, end))
    }

    /// Everything up to this change is folded.
    pub(super) fn folded(&self) -> u64 {
        self.folded
    }

    /// Bytes of the groups in its files, those included that are folded and whose file is still there.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Notes groups that were appended, and the file that was begun for them.
    pub(super) fn pushed(&mut self, groups: &[(Vec<u8>, u64)], begun: Option<u64>) {
        self.files.extend(begun.map(|before| (before, 0)));
        if let Some((_, bytes)) = self.files.back_mut() {
            *bytes += groups.iter().map(|(body, _)| frames::length(body)).sum::<u64>();
        }
    }

    /// Notes that everything up to change `folded` is folded, and removes the files of which the note before, which is on disk by now,
    /// says so.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(super) fn trim(&mut self, table: &Table, folded: u64) -> Result<(), Fault> {
        let durable = self.folded;
        let mut writes = table.writes();
        writes.put(&MARKER, &note(folded));
        writes.apply()?;
        self.folded = folded;
        while self.files.get(1).is_some_and(|(next, _)| *next <= durable) {
            let path = self.files.pop_front().map(|(before, _)| frames::path(&self.dir, before));
            path.map_or(Ok(()), |path| remove(&path).map_err(|e| failed("removing", &path, &e)))?;
        }
        Ok(())
    }
}

/// Up to which change everything is folded.
///
/// # Errors
/// [`Fault::Corrupt`] where that cannot be read.
pub(super) fn folded(table: &Table) -> Result<u64, Fault> {
    let note = table.get(&MARKER)?.ok_or_else(|| table.damaged(&MARKER, "what of the log is folded is not known"))?;
    Reader::new(&note).u64().ok_or_else(|| table.damaged(&MARKER, "what of the log is folded cannot be read"))
}

fn note(folded: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_u(&mut out, folded);
    out
}

/// Tells the changes of a file, the first of which follows on change `last`; where its frames end.
fn read_file(path: &Path, bytes: &[u8], last: &mut u64, take: &mut dyn FnMut(u64, Change)) -> Result<usize, Fault> {
    let mut place = 0;
    while let Some(frame) = frames::at(bytes, place) {
        if frame.before != *last {
            let what = format!("the log has a hole at byte {place}: change {} follows on change {last}", frame.before);
            return Err(lost(path, &what));
        }
        *last = read_group(frame.body, take).ok_or_else(|| lost(path, &format!("the group at byte {place} cannot be read")))?;
        place = frame.end;
    }
    match frames::behind(bytes, place) {
        Some((next, _)) => Err(lost(path, &format!("it is damaged at byte {place}, and a group that is whole follows at byte {next}"))),
        None => Ok(place),
    }
}

fn lost(path: &Path, what: &str) -> Fault {
    Fault::Corrupt(format!(
        "reading the log {}: {what}; put a good copy of the directory in its place, or start with `--accept-loss`",
        path.display()
    ))
}

/// Cuts changes into groups: each as bytes, with the number of its last change.
pub(super) fn pack(changes: &[(u64, Kept)]) -> Vec<(Vec<u8>, u64)> {
    let mut groups = Vec::new();
    let mut body = Vec::new();
    let mut before = 0;
    for (i, (seq, kept)) in changes.iter().enumerate() {
        put_kept(&mut body, seq - before, kept);
        before = *seq;
        if body.len() >= GROUP_BYTES || i + 1 == changes.len() {
            groups.push((std::mem::take(&mut body), *seq));
            before = 0;
        }
    }
    groups
}

/// Changes as the body of a group has them.
pub(super) fn encode(changes: &[(u64, Kept)]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut before = 0;
    for (seq, kept) in changes {
        put_kept(&mut body, seq - before, kept);
        before = *seq;
    }
    body
}

fn put_kept(body: &mut Vec<u8>, distance: u64, kept: &Kept) {
    put_u(body, distance);
    match kept {
        Kept::Moved(moved) => body.extend_from_slice(moved.bytes()),
        Kept::Other(change) => put_change(body, change),
    }
}

/// Tells the changes of a group; the number of the last.
pub(super) fn read_group(body: &[u8], take: &mut dyn FnMut(u64, Change)) -> Option<u64> {
    let mut read = Reader::new(body);
    let mut seq: u64 = 0;
    while read.left() > 0 {
        seq = seq.checked_add(read.u64()?)?;
        take(seq, read_change(&mut read)?);
    }
    Some(seq)
}

/// The changes of a group as a fuzzer has them: what is read, written and read again is the same.
#[cfg(any(test, fuzzing))]
pub(in crate::store) fn probe(body: &[u8]) {
    let read = |body: &[u8]| {
        let mut changes = Vec::new();
        read_group(body, &mut |seq, change| changes.push((seq, change))).map(|_| changes)
    };
    assert!(frames::at(body, 0).is_none_or(|frame| frame.end <= body.len()));
    let _ = frames::behind(body, 0);
    // As a file: as it is, as its one group, and with that torn.
    let file = |bytes: &[u8]| read_file(Path::new("log"), bytes, &mut 0, &mut |_, _| ()).ok();
    assert!(file(body).is_none_or(|place| place <= body.len()));
    let mut one = Vec::new();
    frames::put(&mut one, 0, body);
    assert_eq!(file(&one), read(body).map(|_| one.len()));
    one.pop();
    assert!(file(&one).is_none_or(|place| place == 0));
    let Some(found) = read(body) else { return };
    let mut arena = super::written::Arena::default();
    let kept: Vec<(u64, Kept)> = found.iter().map(|(seq, change)| (*seq, super::open::kept(change.clone(), &mut arena))).collect();
    assert_eq!(read(&encode(&kept)), Some(found));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::store::sled::remains;
    use std::fs::File;
    use std::sync::Arc;

    fn alive(seq: u64, n: i64) -> (u64, Kept) {
        (seq, Kept::Other(Change::Alive(Moment(n))))
    }

    fn long(seq: u64, bytes: usize) -> (u64, Kept) {
        (seq, Kept::Other(Change::Named(crate::engine::record::NameId(1), Arc::from("x".repeat(bytes)))))
    }

    struct Rig {
        home: tempfile::TempDir,
        base: Base,
    }

    impl Rig {
        fn new(folded: u64) -> (Rig, End) {
            let home = tempfile::tempdir().unwrap();
            let base = Base::open(home.path(), true).unwrap();
            let end = Log::create(&base, home.path(), folded).unwrap();
            (Rig { home, base }, end)
        }

        fn read(&self) -> Result<(Log, End, Vec<u64>), Fault> {
            let mut seqs = Vec::new();
            let (log, end) = Log::open(&self.base, self.home.path(), &mut |seq, _| seqs.push(seq))?;
            Ok((log, end, seqs))
        }

        fn seqs(&self) -> Vec<u64> {
            self.read().unwrap().2
        }

        fn file(&self, n: usize) -> PathBuf {
            frames::files(self.home.path()).unwrap()[n].1.clone()
        }

        fn refused(&self) -> String {
            match self.read() {
                Err(Fault::Corrupt(why)) => why,
                other => panic!("a damaged log was read: {:?}", other.map(|(_, _, seqs)| seqs)),
            }
        }
    }

    fn append(end: &mut End, changes: &[(u64, Kept)]) -> Option<u64> {
        end.append(&pack(changes)).unwrap()
    }

    #[test]
    fn groups_come_back_in_order_and_what_is_folded_does_not() {
        let (rig, mut end) = Rig::new(0);
        append(&mut end, &[alive(1, 7), alive(3, 8)]);
        append(&mut end, &[long(4, 5_000), alive(5, 9)]);
        append(&mut end, &[alive(9, 9)]);
        let (mut log, end, seqs) = rig.read().unwrap();
        assert_eq!((seqs, end.last()), (vec![1, 3, 4, 5, 9], 9));
        log.trim(&rig.base.log, 4).unwrap();
        assert_eq!(rig.seqs(), [5, 9]);
        log.trim(&rig.base.log, 9).unwrap();
        let (log, end, seqs) = rig.read().unwrap();
        assert_eq!((seqs.len(), end.last(), log.folded()), (0, 9, 9));
    }

    #[test]
    fn what_is_half_written_at_the_end_is_dropped_and_damage_before_it_is_named() {
        let (rig, mut end) = Rig::new(0);
        append(&mut end, &[alive(1, 7)]);
        append(&mut end, &[long(2, 500)]);
        let path = rig.file(0);
        let bytes = fs::read(&path).unwrap();
        let first = frames::at(&bytes, 0).unwrap().end;
        let second = frames::at(&bytes, first).unwrap().end;
        for cut in first..second {
            fs::write(&path, &bytes[..cut]).unwrap();
            let (_, mut end, seqs) = rig.read().unwrap();
            assert_eq!((seqs, end.last()), (vec![1], 1), "cut at {cut}");
            append(&mut end, &[alive(2, 7)]);
            append(&mut end, &[alive(3, 7)]);
            assert_eq!(rig.seqs(), [1, 2, 3]);
        }
        for bit in 0..first * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            let why = rig.refused();
            assert!(why.contains("damaged at byte 0") && why.contains(&format!("follows at byte {first}")), "{why}");
            let mut found = Vec::new();
            assert_eq!(remains::look(rig.home.path(), &mut |_, place, _| found.push(place)).unwrap(), 1);
            assert_eq!(found, [0]);
        }
    }

    #[test]
    fn a_long_log_is_several_files_which_go_when_what_is_folded_is_on_disk() {
        let (rig, mut end) = Rig::new(5);
        let (mut log, _, _) = rig.read().unwrap();
        for seq in 6..30 {
            let groups = pack(&[long(seq, 900_000)]);
            let begun = end.append(&groups).unwrap();
            log.pushed(&groups, begun);
        }
        assert_eq!((log.files.len(), rig.seqs().len()), (3, 24));
        let all = log.bytes();
        let second = log.files[1].0;
        log.trim(&rig.base.log, 29).unwrap();
        assert_eq!(log.files.len(), 3, "the note is not on disk yet");
        log.trim(&rig.base.log, 29).unwrap();
        assert_eq!((log.files.len(), frames::files(rig.home.path()).unwrap().len(), rig.seqs().len()), (1, 1, 0));
        assert!(0 < log.bytes() && log.bytes() < all / 2, "{} of {all} bytes are left", log.bytes());
        assert_eq!(log.bytes(), rig.read().unwrap().0.bytes(), "as a start counts them");
        // A file that came back after a crash, with a hole behind it, is folded.
        End::create(rig.home.path(), second).unwrap();
        assert_eq!(rig.seqs(), Vec::<u64>::new());
        append(&mut end, &[alive(31, 1)]);
        assert_eq!(rig.seqs(), [31]);
    }

    #[test]
    fn an_end_that_was_lost_and_was_folded_is_gone_on_without() {
        let (rig, mut end) = Rig::new(0);
        (1..9).for_each(|seq| assert_eq!(append(&mut end, &[alive(seq, 1)]), None));
        let (mut log, ..) = rig.read().unwrap();
        log.trim(&rig.base.log, 8).unwrap();
        let path = rig.file(0);
        let first = frames::at(&fs::read(&path).unwrap(), 0).unwrap().end;
        File::options().write(true).open(&path).unwrap().set_len(first as u64).unwrap();
        let (_, mut end, seqs) = rig.read().unwrap();
        assert_eq!((seqs, end.last()), (vec![], 8));
        append(&mut end, &[alive(9, 1)]);
        assert_eq!(rig.seqs(), [9]);
    }

    #[test]
    fn a_lost_file_is_seen_wherever_it_was() {
        for lost in [0, 1, 2] {
            let (rig, mut end) = Rig::new(0);
            for seq in 1..30 {
                append(&mut end, &[long(seq, 900_000)]);
            }
            fs::remove_file(rig.file(lost)).unwrap();
            match lost {
                // The mark sees that.
                2 => assert!(rig.seqs().len() < 29),
                _ => drop(rig.refused()),
            }
        }
        let (rig, _) = Rig::new(0);
        fs::remove_file(rig.file(0)).unwrap();
        assert!(rig.refused().contains("it is not there"));
    }

    #[test]
    fn damage_to_the_last_group_of_a_file_that_is_not_the_last_is_named() {
        let (rig, mut end) = Rig::new(0);
        append(&mut end, &[alive(1, 1)]);
        append(&mut end, &[alive(2, 1)]);
        end.begin().unwrap();
        append(&mut end, &[alive(3, 1)]);
        let path = rig.file(0);
        let bytes = fs::read(&path).unwrap();
        let first = frames::at(&bytes, 0).unwrap().end;
        let second = frames::at(&bytes, first).unwrap().end;
        for bit in first * 8..second * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            let why = rig.refused();
            assert!(why.contains("log.0000000000000000") && why.contains(&format!("damaged at byte {first}")), "{why}");
        }
    }

    #[test]
    fn groups_behind_a_hole_are_told_to_who_saves_what_is_left() {
        let (rig, mut end) = Rig::new(0);
        for seq in 1..5 {
            append(&mut end, &[alive(seq, 1)]);
        }
        let path = rig.file(0);
        let mut bytes = fs::read(&path).unwrap();
        let second = frames::at(&bytes, 0).unwrap().end;
        bytes[second + 3] ^= 1;
        fs::write(&path, bytes).unwrap();
        let mut told = Vec::new();
        remains::whole_groups(rig.home.path(), &mut |group| {
            told.extend(group.into_iter().map(|(seq, _)| seq));
            Ok(())
        })
        .unwrap();
        assert_eq!(told, [1, 3, 4]);
    }

    #[test]
    fn a_large_flush_is_several_groups() {
        let changes: Vec<(u64, Kept)> = (1..=40).map(|seq| long(seq, 60_000)).collect();
        let groups = pack(&changes);
        assert!(groups.len() == 3 && groups.iter().all(|(body, _)| body.len() < GROUP_BYTES + 70_000));
    }
}
