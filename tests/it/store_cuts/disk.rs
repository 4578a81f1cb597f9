//! A disk in memory, made of the system calls that `strace` recorded: what would be on it had the power gone at one of them.
//!
//! Not a file system: it knows of a file only what was written, what of it was synced, and under which names. Names are kept when their
//! directory was synced, bytes when their file was.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// The smallest piece that a disk writes whole.
pub(super) const SECTOR: usize = 512;

/// One recorded call that changes something, or that says something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Mkdir(PathBuf),
    /// Opened for writing: made where it is not there, emptied where that was asked for.
    Open(PathBuf, bool),
    /// Bytes at a place, or at the end.
    Write(PathBuf, Option<u64>, Vec<u8>),
    Truncate(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
    Sync(PathBuf),
    /// Said on standard output.
    Said(String),
}

/// What the power leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    /// Everything that was sent to the disk.
    Sent,
    /// What was synced, and nothing else.
    Synced,
    /// What was synced, and of everything else a part that depends on this number, whole or not, in any order.
    Some(u64),
}

#[derive(Clone, Copy)]
enum Name {
    Folder,
    File(usize),
}

#[derive(Clone, Default)]
struct File {
    now: Vec<u8>,
    synced: Vec<u8>,
    since: Vec<(u64, Vec<u8>)>,
}

/// The disk.
#[derive(Clone, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    now: BTreeMap<PathBuf, Name>,
    synced: BTreeMap<PathBuf, Name>,
}

impl Disk {
    /// Does one call.
    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Mkdir(path) => drop(self.now.insert(path.clone(), Name::Folder)),
            Op::Open(path, empty) => {
                if !self.now.contains_key(path) {
                    self.files.push(File::default());
                    self.now.insert(path.clone(), Name::File(self.files.len() - 1));
                }
                if *empty {
                    self.apply(&Op::Truncate(path.clone(), 0));
                }
            }
            Op::Write(path, at, bytes) => {
                if let Some(file) = self.file(path) {
                    let at = at.unwrap_or(file.now.len() as u64);
                    put(&mut file.now, at, bytes);
                    file.since.push((at, bytes.clone()));
                }
            }
            Op::Truncate(path, length) => {
                if let Some(file) = self.file(path) {
                    file.now.resize(*length as usize, 0);
                    file.since.clear();
                }
            }
            Op::Rename(from, to) => {
                if let Some(name) = self.now.remove(from) {
                    self.now.insert(to.clone(), name);
                }
            }
            Op::Unlink(path) => drop(self.now.remove(path)),
            Op::Sync(path) => self.sync(path),
            Op::Said(_) => {}
        }
    }

    /// Does the first `bytes` bytes of a write.
    pub(super) fn tear(&mut self, op: &Op, bytes: usize) {
        if let Op::Write(path, at, all) = op {
            self.apply(&Op::Write(path.clone(), *at, all[..bytes].to_vec()));
        }
    }

    fn file(&mut self, path: &Path) -> Option<&mut File> {
        match self.now.get(path) {
            Some(Name::File(index)) => self.files.get_mut(*index),
            _ => None,
        }
    }

    fn sync(&mut self, path: &Path) {
        if let Some(file) = self.file(path) {
            file.synced = file.now.clone();
            file.since.clear();
            return;
        }
        self.synced.retain(|name, _| name.parent() != Some(path));
        self.synced.extend(self.now.iter().filter(|(name, _)| name.parent() == Some(path)).map(|(name, what)| (name.clone(), *what)));
    }

    /// Puts what is kept into a new directory `to`; paths are those beneath `root`.
    pub(super) fn write(&self, root: &Path, to: &Path, kept: Kept) {
        let names = if kept == Kept::Synced { &self.synced } else { &self.now };
        for (path, name) in names {
            let place = to.join(path.strip_prefix(root).expect("recorded beneath the root"));
            // A name in a directory whose own name is not kept is nowhere.
            if !place.parent().is_some_and(Path::is_dir) {
                continue;
            }
            match name {
                Name::Folder => fs::create_dir(&place).expect("a directory"),
                Name::File(index) => fs::write(&place, self.files[*index].contents(kept)).expect("a file"),
            }
        }
    }

    /// Whether the directory at `root` is what was recorded.
    pub(super) fn is(&self, root: &Path) -> bool {
        self.now.iter().all(|(path, name)| match name {
            Name::Folder => path.is_dir(),
            Name::File(index) => fs::read(path).is_ok_and(|bytes| bytes == self.files[*index].now),
        }) && self.now.len() == count(root)
    }
}

impl File {
    fn contents(&self, kept: Kept) -> Vec<u8> {
        let Kept::Some(mut chance) = kept else {
            return if kept == Kept::Sent { self.now.clone() } else { self.synced.clone() };
        };
        let mut bytes = self.synced.clone();
        for (at, written) in &self.since {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match chance >> 62 {
                0 => {}
                // A sector is there whole or not at all, and a later one does not wait for those before it.
                1 => {
                    let mut from = 0;
                    while from < written.len() {
                        let end = written.len().min(from + SECTOR - (*at as usize + from) % SECTOR);
                        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        if chance >> 63 == 0 {
                            put(&mut bytes, *at + from as u64, &written[from..end]);
                        }
                        from = end;
                    }
                }
                _ => put(&mut bytes, *at, written),
            }
        }
        bytes
    }
}

fn put(into: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let end = at as usize + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    into[at as usize..end].copy_from_slice(bytes);
}

/// Everything in a directory, at any depth.
fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| 1 + if entry.path().is_dir() { count(&entry.path()) } else { 0 }).sum()
}

/// Reads what `strace -f -y -xx` recorded of everything beneath `root`.
pub(super) fn read(trace: &str, root: &Path) -> Vec<Op> {
    let mut ops = Vec::new();
    let mut begun: HashMap<&str, String> = HashMap::new();
    for line in trace.lines() {
        let (process, rest) = line.split_once(' ').expect("a process and a call");
        let rest = rest.trim_start();
        if let Some(call) = rest.strip_suffix(" <unfinished ...>") {
            // What is written may be on the disk from here on; what is synced is only when the call returns.
            if is_write(call) {
                ops.extend(op_of(&format!("{call}) = 0"), root));
            }
            begun.insert(process, call.to_owned());
        } else if rest.starts_with("<... ") {
            let (call, end) = (begun.remove(process).expect("it began"), rest.split_once("resumed>").expect("a resumed call").1);
            if !is_write(&call) {
                ops.extend(op_of(&format!("{call}{end}"), root));
            }
        } else {
            ops.extend(op_of(rest, root));
        }
    }
    ops
}

fn is_write(call: &str) -> bool {
    call.starts_with("write(") || call.starts_with("pwrite64(")
}

fn op_of(call: &str, root: &Path) -> Option<Op> {
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(" = "))?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    // Strings and, with their descriptors, paths: all in hexadecimal.
    let words: Vec<Vec<u8>> = arguments.split(['"', '<', '>']).filter(|word| word.starts_with("\\x")).map(unescaped).collect();
    let path = |index: usize| words.get(index).map(|word| PathBuf::from(String::from_utf8_lossy(word).into_owned()));
    let inside = |path: Option<PathBuf>| path.filter(|path| path.starts_with(root) && path != root);
    let last = |back: usize| arguments.rsplit(", ").nth(back).and_then(|number| number.trim().parse::<u64>().ok());
    match name {
        "write" if arguments.starts_with("1<") => Some(Op::Said(String::from_utf8_lossy(words.get(1)?).into_owned())),
        "write" => Some(Op::Write(inside(path(0))?, None, words.get(1)?.clone())),
        "pwrite64" => Some(Op::Write(inside(path(0))?, Some(last(0)?), words.get(1)?.clone())),
        "ftruncate" => Some(Op::Truncate(inside(path(0))?, last(0)?)),
        "mkdir" => Some(Op::Mkdir(inside(path(0))?)),
        "unlink" | "rmdir" => Some(Op::Unlink(inside(path(0))?)),
        "rename" => Some(Op::Rename(inside(path(0))?, inside(path(1))?)),
        "openat" if arguments.contains("O_CREAT") || arguments.contains("O_TRUNC") => {
            Some(Op::Open(inside(path(1))?, arguments.contains("O_TRUNC")))
        }
        "fsync" | "fdatasync" => path(0).filter(|path| path.starts_with(root)).map(Op::Sync),
        "unlinkat" | "renameat" | "renameat2" | "pwritev" | "writev" | "fallocate" => {
            assert!(inside(path(0)).or(inside(path(1))).is_none(), "a call that is not read yet: {call:.200}");
            None
        }
        _ => None,
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    assert!(!text.contains("..."), "the record is cut off");
    text.split("\\x").skip(1).map(|digits| u8::from_str_radix(&digits[..2], 16).expect("two digits")).collect()
}

#[test]
fn what_was_not_synced_is_gone_and_what_was_is_there() {
    let root = Path::new("/s");
    let line = |call: &str| format!("7  {call}\n");
    let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let trace = [
        line(&format!("mkdir(\"{}\", 0777) = 0", hex("/s/d"))),
        line(&format!("openat(AT_FDCWD<{}>, \"{}\", O_WRONLY|O_CREAT, 0666) = 3<{}>", hex("/"), hex("/s/d/f"), hex("/s/d/f"))),
        line(&format!("pwrite64(3<{}>, \"{}\", 3, 2 <unfinished ...>", hex("/s/d/f"), hex("abc"))),
        format!("8  fsync(4<{}>) = 0\n", hex("/s")),
        line("<... pwrite64 resumed>) = 3"),
        line(&format!("fdatasync(3<{}>) = 0", hex("/s/d/f"))),
        line(&format!("write(3<{}>, \"{}\", 1) = 1", hex("/s/d/f"), hex("z"))),
    ];
    let ops = read(&trace.concat(), root);
    let mut disk = Disk::default();
    ops.iter().for_each(|op| disk.apply(op));
    let kept = |disk: &Disk, kept| {
        let to = tempfile::tempdir().unwrap();
        disk.write(root, to.path(), kept);
        (to.path().join("d").is_dir(), fs::read(to.path().join("d/f")).ok())
    };
    assert_eq!(kept(&disk, Kept::Sent), (true, Some(b"\0\0abcz".to_vec())));
    assert_eq!(kept(&disk, Kept::Synced), (true, None), "its name was not synced");
    disk.apply(&Op::Sync(PathBuf::from("/s/d")));
    assert_eq!(kept(&disk, Kept::Synced), (true, Some(b"\0\0abc".to_vec())));
}
