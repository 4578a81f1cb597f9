//! Every file of a store, damaged byte by byte, cut everywhere, with every sector zeroed: what then opens answers as before, and what
//! does not says which file it is, and how to go on. Never with less, in silence.
//!
//! Not damage of a kind (`store_damage.rs`) and not what is saved of it (`store_rescue.rs`): here nobody chooses the place.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use reengaged::engine::ports::Fault;
use reengaged::store::{MemoryStore, SledStore};

use crate::answers;
use crate::store_damage::{filled_with, open};
use crate::support::long;

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// One bit of this byte is the other way round.
    Flip(usize),
    /// It ends here.
    Cut(usize),
    /// From here on 512 bytes are zero.
    Zero(usize),
}

impl Harm {
    fn done_to(self, bytes: &mut Vec<u8>) {
        match self {
            // Another bit with each byte.
            Harm::Flip(at) => bytes[at] ^= 1 << (at * 5 % 8),
            Harm::Cut(at) => bytes.truncate(at),
            Harm::Zero(at) => {
                let end = bytes.len().min(at + 512);
                bytes[at..end].fill(0);
            }
        }
    }

    fn word(self) -> &'static str {
        match self {
            Harm::Flip(_) => "flipped",
            Harm::Cut(_) => "cut",
            Harm::Zero(_) => "zeroed",
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Came {
    /// It opened, and answers as before.
    Same,
    /// It opened, and a question about what is damaged was answered with that.
    SaidWhenAsked,
    /// It stays shut, and says why.
    Refused,
}

/// The files of a store, but for its lock, which says nothing.
fn files(home: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for dir in [home.to_owned(), home.join("store"), home.join("ledger")] {
        let files = fs::read_dir(dir).unwrap().map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file());
        all.extend(files.map(|entry| entry.path()).filter(|path| path.file_name().unwrap() != "lock"));
    }
    all.sort();
    all
}

/// The harms to a file: `step` bytes from one to the next, and all that a small file can suffer. Where a file holds nothing but zeros
/// nothing is flipped.
fn harms(bytes: &[u8], step: usize) -> Vec<Harm> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let step = if used <= 64 && step > 16 { 3 } else { step };
    let sector = 512 * step.div_ceil(64);
    let flips = (0..used).step_by(step).map(Harm::Flip);
    let cuts = (0..used).step_by(sector.min(used.max(1))).chain([bytes.len().saturating_sub(1), used / 2 + 1]).map(Harm::Cut);
    let zeros = (0..used).step_by(sector).map(Harm::Zero);
    flips.chain(cuts).chain(zeros).collect()
}

/// Does it to a copy, and opens that.
fn suffers(home: &Path, model: &MemoryStore, name: &Path, harm: Harm) -> Came {
    let copy = answers::killed(home);
    let path = copy.path().join(name);
    let before = fs::read(&path).unwrap();
    let mut bytes = before.clone();
    harm.done_to(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let what = format!("{} {harm:?}", name.display());
    match open(copy.path()) {
        Ok(store) => {
            // A record that cannot be read says so when it is asked for; the questions of the suite unwrap it.
            let Ok(difference) = catch_unwind(AssertUnwindSafe(|| answers::difference(&store, model))) else { return Came::SaidWhenAsked };
            if ends_the_ledger(name, harm, before.len()) {
                // As after a power cut in the middle of an append: what was not whole was not acknowledged. What was claimed is in
                // doubt by its state, and is not sent again.
                let difference = difference.unwrap_or_default();
                assert!(
                    difference.is_empty() || difference.starts_with("doubts") || difference.starts_with("told"),
                    "{what}: {difference}"
                );
                return Came::Same;
            }
            assert_eq!(difference, None, "{what} opened with other answers");
            Came::Same
        }
        Err(Fault::Corrupt(why)) => {
            let place = copy.path().display().to_string();
            assert!(why.contains(&place) || why.contains("store/"), "{what} names no file: {why}");
            let out = ["--accept-loss", "restore", "put it back", "put the directory back", "put a good copy"];
            assert!(out.iter().any(|out| why.contains(out)), "{what} shows no way out: {why}");
            Came::Refused
        }
        Err(Fault::Unavailable(why)) => panic!("{what} is no matter of trying again: {why}"),
    }
}

/// Whether nothing that the ledger was told before its last append is hurt, or it ends at a record: as a power cut leaves it.
fn ends_the_ledger(name: &Path, harm: Harm, length: usize) -> bool {
    // Six of each group's thirty changes are sends, and a record has 64 bytes.
    let last = length.saturating_sub(6 * 64);
    let at_the_end = match harm {
        Harm::Cut(_) => true,
        Harm::Flip(at) | Harm::Zero(at) => at >= last,
    };
    name.starts_with("ledger") && at_the_end
}

#[test]
fn no_byte_of_any_file_can_change_an_answer_unseen() {
    let (home, model) = filled_with(if long() { 2 } else { 4 });
    drop(open(home.path()).unwrap());
    let step = if long() { 23 } else { 2_003 };
    let mut work = Vec::new();
    for path in files(home.path()) {
        let bytes = fs::read(&path).unwrap();
        let name = path.strip_prefix(home.path()).unwrap().to_owned();
        let step = if bytes.len() < 8_192 { step.min(if long() { 1 } else { 61 }) } else { step };
        work.extend(harms(&bytes, step).into_iter().map(|harm| (name.clone(), harm)));
    }
    let (next, came) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<(String, &str, Came), usize>::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, harm)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let how = suffers(home.path(), &model, name, *harm);
                    *came.lock().unwrap().entry((name.display().to_string(), harm.word(), how)).or_default() += 1;
                }
            });
        }
    });
    let came = came.into_inner().unwrap();
    for ((file, harm, how), count) in &came {
        println!("{file} {harm}: {how:?} {count}");
    }
    for file in ["FORMAT", "KEY", "store/db", "store/conf", "ledger/0000000001.ledger"] {
        let seen = came.iter().filter(|((name, _, how), _)| name == file && *how != Came::Same).map(|(_, count)| *count).sum::<usize>();
        assert!(seen > 0, "no harm to {file} was ever seen: {came:?}");
    }
    assert_eq!(came.values().sum::<usize>(), work.len());
}

#[test]
fn what_keeps_a_store_shut_is_found_by_the_check_too() {
    let (home, _) = filled_with(4);
    drop(open(home.path()).unwrap());
    let mut found = 0;
    for path in files(home.path()) {
        let name = path.strip_prefix(home.path()).unwrap();
        let length = fs::metadata(&path).unwrap().len() as usize;
        for harm in [Harm::Flip(length / 3), Harm::Cut(length / 2), Harm::Cut(0), Harm::Zero(0)] {
            let copy = answers::killed(home.path());
            let damaged = copy.path().join(name);
            let mut bytes = fs::read(&damaged).unwrap();
            harm.done_to(&mut bytes);
            fs::write(&damaged, bytes).unwrap();
            // Looked at first: an open repairs what it can.
            let checked = SledStore::check(copy.path(), None, &mut || ());
            if open(copy.path()).is_ok() {
                continue;
            }
            found += 1;
            let checked = checked.unwrap_or_else(|fault| panic!("{} {harm:?}: {fault}", name.display()));
            assert!(!checked.whole(), "{} {harm:?} keeps the store shut, and the check finds nothing", name.display());
            let damage = &checked.damages[0];
            assert!(damage.file.starts_with(copy.path()) && !damage.place.is_empty(), "{damage}");
        }
    }
    assert!(found > 10, "{found} harms kept it shut");
}
